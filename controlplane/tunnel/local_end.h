// The near end of a probe through the tunnel: its address on this host and its socket's options.
//
// Thread safety: any thread.
#ifndef GUIDEWAY_CONTROLPLANE_TUNNEL_LOCAL_END_H_
#define GUIDEWAY_CONTROLPLANE_TUNNEL_LOCAL_END_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "lib/net/address.h"

namespace guideway {

// The address from which this host would send to the backend, which therefore knows a way back; if
// the VIP is of the other family, from which it would send to the VIP. Unavailable if it has none,
// or if it has the VIP itself, as the kernel would then drop all that comes from there.
absl::StatusOr<IpAddress> ProbeSource(const IpAddress& backend, const IpAddress& vip);

// Binds a TCP socket to a free port of `source`, with the mark on all that it sends; returns the
// port. Closing the socket resets the connection: a port would else be unusable for a minute
// towards the VIP, which all backends of a pool share. Unavailable if something fails.
absl::StatusOr<uint16_t> BindProbe(int socket, const IpAddress& source, uint32_t mark);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_TUNNEL_LOCAL_END_H_
