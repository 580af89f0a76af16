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
  } else {
    DecrementIpv4Ttl(reinterpret_cast<Ipv4Header*>(ip_header));
  }
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

// The header in front of an IP header that is not written yet: 16 bytes at once, of which the last
// two are that header's.
inline void WriteEthernetFirst(uint8_t* frame, const Backend& backend, Be16 type) {
  constexpr size_t kAddressesAt = offsetof(Backend, next_hop) + offsetof(NextHop, destination_mac);
  constexpr size_t kCopiedBytes = 16;
  static_assert(kAddressesAt + kCopiedBytes <= sizeof(Backend));
  std::memcpy(frame, reinterpret_cast<const uint8_t*>(&backend) + kAddressesAt, kCopiedBytes);
  std::memcpy(frame + offsetof(EthernetHeader, type), &type, sizeof(type));
}

// Writes outer IP header and shim in front of `ip_header`.
template <PlainOuter kOuter, IpFamily kFamily>
void WritePlainOuter(const Packet& packet, const Backend& backend, uint8_t* ip_header,
                     uint32_t shim_bytes, PathState& state) {
  InnerPacket inner = DescribeInner(kFamily, ip_header, packet.ip_length_bytes);
  if constexpr (kOuter == PlainOuter::kIpv6) {
    return WriteOuterIpv6(ip_header - sizeof(Ipv6Header), inner, backend.outer_source,
                          backend.outer_destination, static_cast<uint32_t>(packet.flow_hash));
  }
  if constexpr (kOuter == PlainOuter::kGueIpv4) {
    WritePlainGue(packet, backend, ip_header, shim_bytes, inner.protocol);
    inner = BehindShim(inner, IpProtocol::kUdp, shim_bytes);
  }
  if constexpr (kOuter == PlainOuter::kGreIpv4) {
    WriteGre(ip_header - shim_bytes, inner.protocol);
    inner = BehindShim(inner, IpProtocol::kGre, shim_bytes);
  }
  Be32 fragment_word = kDontFragmentWord;
  if (!inner.dont_fragment) fragment_word = Be32(uint32_t{state.next_ipv4_id++} << 16);
  WriteOuterIpv4(ip_header - shim_bytes - sizeof(Ipv4Header), inner, backend.outer_source.ipv4(),
                 backend.outer_destination.ipv4(), fragment_word);
}

template <PlainOuter kOuter, IpFamily kFamily>
[[gnu::always_inline]] inline bool ForwardPlain(Packet& packet, const Backend& backend,
                                                PathState& state) {
  constexpr uint32_t kLinkBytes = sizeof(EthernetHeader);
  constexpr bool kL2 = kOuter == PlainOuter::kL2;
  constexpr IpFamily kOuterFamily = kL2                           ? kFamily
                                    : kOuter == PlainOuter::kIpv6 ? IpFamily::kIpv6
                                                                  : IpFamily::kIpv4;
  constexpr Be16 kType = kOuterFamily == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6;
  const uint32_t shim_bytes = PlainShimBytes<kOuter>(packet, backend);
  // At most kShortCutHeadroomBytes:
  const uint32_t more_bytes = (kL2 ? 0 : OuterHeaderBytes(kOuterFamily)) + shim_bytes;
  const uint32_t out_bytes = more_bytes + packet.ip_length_bytes;
  const bool lowers_mss = packet.max_segment_size != 0 && (packet.tcp_flags & kTcpSyn) != 0;
  if (out_bytes > backend.next_hop.mtu_bytes || lowers_mss) [[unlikely]]
    return false;
  uint8_t* ip_header = packet.frame + kLinkBytes;
  DecrementTtl(kFamily, ip_header);
  packet.frame -= more_bytes;
  if constexpr (kL2) {
    WriteEthernet(packet.frame, backend.next_hop, kType);
  } else {
    WriteEthernetFirst(packet.frame, backend, kType);
    WritePlainOuter<kOuter, kFamily>(packet, backend, ip_header, shim_bytes, state);
  }
  packet.length_bytes = kLinkBytes + out_bytes;
  packet.transmit_port = backend.next_hop.port;
  packet.verdict = Verdict::kForward;
  return true;
}

// What is known of outer header and packet when the code is chosen, as one number.
constexpr uint32_t PlainKind(PlainOuter outer, ShortCut short_cut) {
  return static_cast<uint32_t>(outer) + static_cast<uint32_t>(short_cut);
}

// Of a packet that is pending and has a backend. False: Encapsulate() is to decide, and nothing has
// been written.
[[gnu::always_inline]] inline bool ForwardPlain(Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  switch (PlainKind(backend.plain_outer, packet.short_cut)) {
#define GW_FORWARD_PLAIN(outer, family)                \
  case PlainKind(PlainOuter::outer, ShortCut::family): \
    return ForwardPlain<PlainOuter::outer, IpFamily::family>(packet, backend, state);
    GW_FORWARD_PLAIN(kIpv4, kIpv4)
    GW_FORWARD_PLAIN(kIpv4, kIpv6)
    GW_FORWARD_PLAIN(kIpv6, kIpv4)
    GW_FORWARD_PLAIN(kIpv6, kIpv6)
    GW_FORWARD_PLAIN(kGreIpv4, kIpv4)
    GW_FORWARD_PLAIN(kGreIpv4, kIpv6)
    GW_FORWARD_PLAIN(kGueIpv4, kIpv4)
    GW_FORWARD_PLAIN(kGueIpv4, kIpv6)
    GW_FORWARD_PLAIN(kL2, kIpv4)
    GW_FORWARD_PLAIN(kL2, kIpv6)
#undef GW_FORWARD_PLAIN
    default:
      return false;
  }
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FORWARD_PLAIN_H_
