// The frame in which a probe's packet goes to its backend: the bytes with which the data plane
// would send it, made from the same messages that describe the backend to it.
//
// Only the TTL differs, which a router lowers and a sender does not, and the flow hash, which is
// any number. Pure bytes. Thread safety: pure functions.
#ifndef GUIDEWAY_CONTROLPLANE_TUNNEL_FRAME_H_
#define GUIDEWAY_CONTROLPLANE_TUNNEL_FRAME_H_

#include <cstdint>

#include "lib/channel/messages.h"

namespace guideway {

// Where a probe's packets go.
struct ProbeCarrier {
  channel::BackendBody backend = {};   // as its pool delivers
  channel::NextHopBody next_hop = {};  // addresses and VLAN
  uint64_t flow_hash = 0;              // varies source ports, addresses and flow labels of tunnels
};

// Room that WriteProbeFrame() may need in front of the packet.
inline constexpr uint32_t kProbeHeadroomBytes = 96;

// Puts in front of the `length_bytes` long TCP packet at `ip_header` (its IP header is whole, an
// IPv6 one has no extension headers) what the encapsulation has there, and the Ethernet header; for
// l3dsr rewrites it. Returns how many bytes there are in front of `ip_header` now.
uint32_t WriteProbeFrame(const ProbeCarrier& carrier, uint8_t* ip_header, uint16_t length_bytes);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_TUNNEL_FRAME_H_
