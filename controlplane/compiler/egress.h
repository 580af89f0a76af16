// From what the resolver says to a next hop as the data plane takes it, or the reason why not.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_EGRESS_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_EGRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "controlplane/compiler/delivery.h"
#include "controlplane/resolver/next_hop.h"
#include "lib/channel/layout.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

struct Egress {
  std::string key;                     // same key, same next hop (its MAC addresses may change)
  std::string text;                    // "eth1 02:00:00:00:00:01", "eth1 VLAN 5 02:..."
  channel::NextHopBody next_hop = {};  // without index
  IpAddress outer_source;              // of tunnels
};

// Errors say in words why the backend at `address` cannot be reached (FailedPrecondition), or that
// it is not known yet (Unavailable).
absl::StatusOr<Egress> MakeEgress(const ResolvedNextHop& resolved, const IpAddress& address,
                                  const Delivery& delivery,
                                  absl::Span<const channel::PortInfo> ports);

// The next hop that a port's static gateway is, for destinations of the family of `address`.
ResolvedNextHop StaticNextHop(const v1::Port& port, const IpAddress& address);

// A next hop that StaticNextHop() made, with the port's kernel interface and MAC address in place
// of its name; a problem if it has none.
ResolvedNextHop OnKernelInterface(ResolvedNextHop next_hop,
                                  absl::Span<const channel::PortInfo> ports);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_EGRESS_H_
