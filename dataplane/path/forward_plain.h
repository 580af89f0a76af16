// Encapsulate for nearly every packet: an untagged next hop, no MSS to lower, and an outer header
// that is IPIP's, L2's or, over IPv4, GRE's or GUE's. One template for all, so that each kind is
// straight code.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure but for state.next_ipv4_id.
#ifndef GUIDEWAY_DATAPLANE_PATH_FORWARD_PLAIN_H_
#define GUIDEWAY_DATAPLANE_PATH_FORWARD_PLAIN_H_

#include <cstddef>
#include <cstring>

#include "dataplane/path/packet.h"
#include "lib/net/checksum.h"
#include "lib/net/encapsulation.h"
#include "lib/net/gue.h"
#include "lib/net/headers.h"

namespace guideway {

inline void WriteEthernet(uint8_t* frame, const NextHop& next_hop, Be16 type) {
  // Both addresses in one go: they stand side by side here and there.
  constexpr size_t kAddressBytes = 2 * sizeof(MacAddress);
  constexpr size_t kAddressesAt = offsetof(NextHop, destination_mac);
  static_assert(offsetof(NextHop, source_mac) == kAddressesAt + sizeof(MacAddress));
  static_assert(offsetof(EthernetHeader, type) == kAddressBytes);
  std::memcpy(frame, reinterpret_cast<const uint8_t*>(&next_hop) + kAddressesAt, kAddressBytes);
  std::memcpy(frame + kAddressBytes, &type, sizeof(type));
}

inline void DecrementTtl(IpFamily family, uint8_t* ip_header) {
  if (family == IpFamily::kIpv6) {
    --reinterpret_cast<Ipv6Header*>(ip_header)->hop_limit;
    return;
  }
  auto* ip = reinterpret_cast<Ipv4Header*>(ip_header);
  --ip->ttl;
  // The TTL is the high byte of a checksummed word w: ~w + (w - 0x0100), whatever w is.
  constexpr Be16 kDelta(0xfeff);
  ip->checksum = UpdateChecksum(ip->checksum, uint64_t{kDelta.wire()});
}

// Bytes between outer and inner IP header.
template <PlainOuter kOuter>
uint32_t PlainShimBytes(const Packet& packet, const Backend& backend) {
  if constexpr (kOuter == PlainOuter::kGreIpv4) return kGreBytes;
  if constexpr (kOuter != PlainOuter::kGueIpv4) return 0;
  return 12u + 4u * backend.gue_hop_list + 4u * (packet.alternate != nullptr);
}

// As WriteGue() does, over IPv4.
inline void WritePlainGue(const Packet& packet, const Backend& backend, uint8_t* ip_header,
                          uint32_t shim_bytes, IpProtocol inner_protocol) {
  auto* words = reinterpret_cast<Be32*>(ip_header - shim_bytes);
  words[0] =
      Be32(uint32_t{TunnelSourcePort(packet.flow_hash).host()} << 16 | backend.gue_port.host());
  words[1] = Be32((shim_bytes + packet.ip_length_bytes) << 16);  // and no checksum
  words[2] =
      Be32((shim_bytes - 12) / 4 << 24 | uint32_t{static_cast<uint8_t>(inner_protocol)} << 16);
  if (!backend.gue_hop_list) return;
  words[3] = Be32(uint32_t{kGueHopsIpv4} << 16 | (packet.alternate != nullptr));
  if (packet.alternate != nullptr) words[4] = packet.alternate->outer_destination.ipv4();
}

// Writes the outer header, and what is between it and `ip_header`. Returns the Ethernet type.
template <PlainOuter kOuter>
Be16 WritePlainOuter(const Packet& packet, const Backend& backend, uint8_t* ip_header,
                     uint32_t shim_bytes, PathState& state) {
  if constexpr (kOuter == PlainOuter::kL2) {
    return packet.family == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6;
  }
  InnerPacket inner = DescribeInner(packet.family, ip_header, packet.ip_length_bytes);
  if constexpr (kOuter == PlainOuter::kIpv6) {
    WriteOuterIpv6(ip_header - sizeof(Ipv6Header), inner, backend.outer_source,
                   backend.outer_destination, static_cast<uint32_t>(packet.flow_hash));
    return ether_type::kIpv6;
  }
  if constexpr (kOuter == PlainOuter::kGueIpv4) {
    WritePlainGue(packet, backend, ip_header, shim_bytes, inner.protocol);
    inner = BehindShim(inner, IpProtocol::kUdp, shim_bytes);
  }
  if constexpr (kOuter == PlainOuter::kGreIpv4) {
    WriteGre(ip_header - shim_bytes, inner.protocol);
    inner = BehindShim(inner, IpProtocol::kGre, shim_bytes);
  }
  const uint32_t identification = inner.dont_fragment ? 0u : state.next_ipv4_id++;
  WriteOuterIpv4(ip_header - shim_bytes - sizeof(Ipv4Header), inner, backend.outer_source.ipv4(),
                 backend.outer_destination.ipv4(), identification);
  return ether_type::kIpv4;
}

template <PlainOuter kOuter>
[[gnu::always_inline]] inline bool ForwardPlain(Packet& packet, const Backend& backend,
                                                PathState& state) {
  constexpr uint32_t kLinkBytes = sizeof(EthernetHeader);
  constexpr uint32_t kOuterBytes = kOuter == PlainOuter::kL2     ? 0
                                   : kOuter == PlainOuter::kIpv6 ? sizeof(Ipv6Header)
                                                                 : sizeof(Ipv4Header);
  const uint32_t shim_bytes = PlainShimBytes<kOuter>(packet, backend);
  const uint32_t more_bytes = kOuterBytes + shim_bytes;
  const uint32_t out_bytes = more_bytes + packet.ip_length_bytes;
  const bool lowers_mss = packet.max_segment_size != 0 && (packet.tcp_flags & kTcpSyn) != 0;
  if (out_bytes > backend.next_hop.mtu_bytes || lowers_mss ||
      more_bytes + kLinkBytes > uint32_t{packet.headroom_bytes} + packet.l3_offset) [[unlikely]] {
    return false;
  }
  uint8_t* ip_header = packet.frame + packet.l3_offset;
  DecrementTtl(packet.family, ip_header);
  const Be16 type = WritePlainOuter<kOuter>(packet, backend, ip_header, shim_bytes, state);
  packet.frame = ip_header - more_bytes - kLinkBytes;
  WriteEthernet(packet.frame, backend.next_hop, type);
  packet.length_bytes = kLinkBytes + out_bytes;
  packet.transmit_port = backend.next_hop.port;
  packet.verdict = Verdict::kForward;
  return true;
}

// False: Forward() in encapsulate.cc is to decide, and nothing has been written.
inline bool ForwardPlain(Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  switch (backend.plain_outer) {
    case PlainOuter::kNone:
      return false;
    case PlainOuter::kIpv4:
      return ForwardPlain<PlainOuter::kIpv4>(packet, backend, state);
    case PlainOuter::kIpv6:
      return ForwardPlain<PlainOuter::kIpv6>(packet, backend, state);
    case PlainOuter::kGreIpv4:
      return ForwardPlain<PlainOuter::kGreIpv4>(packet, backend, state);
    case PlainOuter::kGueIpv4:
      return ForwardPlain<PlainOuter::kGueIpv4>(packet, backend, state);
    case PlainOuter::kL2:
      return ForwardPlain<PlainOuter::kL2>(packet, backend, state);
  }
  return false;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FORWARD_PLAIN_H_
