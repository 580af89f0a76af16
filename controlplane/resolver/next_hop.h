// A resolved next hop: where packets to one destination leave this host, and to which MAC address.
#ifndef GUIDEWAY_CONTROLPLANE_RESOLVER_NEXT_HOP_H_
#define GUIDEWAY_CONTROLPLANE_RESOLVER_NEXT_HOP_H_

#include <cstdint>
#include <string>

#include "lib/net/address.h"

namespace guideway {

struct ResolvedNextHop {
  std::string problem = "not looked up yet";  // why there is none; empty: resolved
  bool pending = true;  // with a problem: the kernel has not said it yet, and no more is known
  // The kernel's; of a VLAN interface the one below it; with a static gateway the port.
  std::string interface;
  // The name under which that interface was first seen, if it has another one now: the data plane's
  // port may still be known by it. Else empty.
  std::string former_interface;
  uint16_t vlan = 0;          // tag of the frames; 0: none
  bool is_port_name = false;  // `interface` is a name as given with --port, not a kernel interface
  IpAddress gateway;          // what was resolved: the destination itself when on-link
  bool on_link = false;       // the destination is on the interface's own segment
  MacAddress source_mac;      // of the interface; zero: the port's own
  MacAddress destination_mac;
  uint32_t mtu_bytes = 0;  // of interface and path; 0: the port's
  IpAddress source;        // preferred source address of the destination's family

  friend bool operator==(const ResolvedNextHop&, const ResolvedNextHop&) = default;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_RESOLVER_NEXT_HOP_H_
