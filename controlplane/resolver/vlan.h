// From a VLAN interface of the kernel to the interface below it, whose port sends the tagged
// frames.
#ifndef GUIDEWAY_CONTROLPLANE_RESOLVER_VLAN_H_
#define GUIDEWAY_CONTROLPLANE_RESOLVER_VLAN_H_

#include <cstdint>
#include <map>
#include <string>

#include "controlplane/resolver/netlink_messages.h"
#include "controlplane/resolver/next_hop.h"

namespace guideway {

// If `link`, through which the kernel reaches `next_hop`, is a VLAN interface, sets the next hop's
// interface and VLAN; else changes nothing. `links` are all there are, by index. Returns in words
// why that interface cannot be used, or "". Pure function.
std::string LeaveVlan(const Link& link, const std::map<uint32_t, Link>& links,
                      ResolvedNextHop* next_hop);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_RESOLVER_VLAN_H_
