// Whether the kernel's reverse path filter (RFC 3704) may be why probes get no answer.
#ifndef GUIDEWAY_CONTROLPLANE_TUNNEL_REVERSE_PATH_H_
#define GUIDEWAY_CONTROLPLANE_TUNNEL_REVERSE_PATH_H_

#include <string>

#include "lib/net/address.h"

namespace guideway {

// A backend's answer has the VIP as source. If it comes in by the interface by which the probe
// left, that filters strictly, and the route to the VIP is by another one, the kernel drops it:
// then says so in words, else "". IPv6 has no such filter. Thread safety: any thread.
std::string StrictReversePath(const IpAddress& vip, int interface_index);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_TUNNEL_REVERSE_PATH_H_
