// Packets that with their outer header are longer than the next hop's MTU.
//
// Rare, so kept out of the hot loop's code. A part of Encapsulate: the packet has a backend with a
// next hop, and nothing of it has been changed.
#ifndef GUIDEWAY_DATAPLANE_PATH_TOO_BIG_H_
#define GUIDEWAY_DATAPLANE_PATH_TOO_BIG_H_

#include "dataplane/path/path.h"
#include "dataplane/path/state.h"

namespace guideway {

// Most fragments that one packet is cut into, and the shortest that is made: it holds a whole TCP
// header without options, so that whoever filters or rewrites it finds one (RFC 1858).
inline constexpr uint32_t kMaxFragments = 16, kMinFragmentPayloadBytes = 24;

// Makes the verdict of a packet that with `outer_bytes` in front is too long:
// - IPv4 without DF: kFragment; fragment_mtu_bytes is set. Dropped as too_big if that would take
//   more or smaller fragments than the limits above.
// - Else the packet becomes the reply to its sender, from the VIP's address: ICMP fragmentation
//   needed (RFC 792, RFC 1191) or ICMPv6 packet too big (RFC 4443, section 3.2), kAnswer. The MTU
//   in it is what fits with the outer header, and not below 68 or 1280 (RFC 791, RFC 8200).
// - Without a reply it is dropped as too_big: ICMP errors, later fragments, what came to or from a
//   link-layer group address or from class E (RFC 1812, section 4.3.2.7; RFC 4443, section 2.4),
//   and what is no longer than that MTU. Over the rate: too_big_rate_limited.
void HandleTooBig(Packet& packet, uint32_t outer_bytes, PathState& state);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_TOO_BIG_H_
