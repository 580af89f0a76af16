// Encapsulate for nearly every packet: a ShortCut packet, no MSS to lower, and an outer header that
// is PlainOuter. One template for all, so that each kind is straight code.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure but for state.next_ipv4_id.
#ifndef GUIDEWAY_DATAPLANE_PATH_FORWARD_PLAIN_H_
#define GUIDEWAY_DATAPLANE_PATH_FORWARD_PLAIN_H_

#include <cstddef>
#include <cstring>

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"
#include "dataplane/path/tunnel.h"
#include "lib/net/checksum.h"
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

constexpr bool IsGre(PlainOuter outer) {
  return outer == PlainOuter::kGreIpv4 || outer == PlainOuter::kGreIpv6;
}
constexpr bool HasHopList(PlainOuter outer) {
  return outer == PlainOuter::kGueHopsIpv4 || outer == PlainOuter::kGueHopsIpv6;
}
constexpr bool IsGue(PlainOuter outer) {
  return outer == PlainOuter::kGueIpv4 || outer == PlainOuter::kGueIpv6 || HasHopList(outer);
}
constexpr IpFamily OuterFamilyOf(PlainOuter outer, IpFamily inner) {
  if (outer == PlainOuter::kL2) return inner;
  const bool ipv6 = outer == PlainOuter::kIpipIpv6 || outer == PlainOuter::kGreIpv6 ||
                    outer == PlainOuter::kGueIpv6 || outer == PlainOuter::kGueHopsIpv6;
  return ipv6 ? IpFamily::kIpv6 : IpFamily::kIpv4;
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
[[gnu::always_inline]] inline void WritePlainOuter(const Packet& packet, const Backend& backend,
                                                   InnerPacket inner, const GueHeader& gue,
                                                   uint8_t* ip_header, uint32_t outer_bytes,
                                                   PathState& state) {
  uint8_t* outer = ip_header - outer_bytes;
  constexpr IpFamily kOuterFamily = OuterFamilyOf(kOuter, kFamily);
  if constexpr (IsGre(kOuter)) {
    WriteGre(ip_header - kGreBytes, inner.protocol);
    inner = BehindShim(inner, IpProtocol::kGre, kGreBytes);
  }
  if constexpr (IsGue(kOuter)) {
    WriteGue(ip_header - GueBytes(gue), gue, inner.protocol, inner.length_bytes);
    inner = BehindShim(inner, IpProtocol::kUdp, GueBytes(gue));
  }
  if constexpr (kOuterFamily == IpFamily::kIpv6) {
    WriteOuterIpv6(outer, inner, backend.outer_source, backend.outer_destination,
                   static_cast<uint32_t>(packet.flow_hash));
    if (IsGue(kOuter) && !backend.gue_zero_checksum6) FillUdpChecksum(outer);
  } else {
    Be32 fragment_word = kDontFragmentWord;
    if (!inner.dont_fragment) fragment_word = Be32(uint32_t{state.next_ipv4_id++} << 16);
    WriteOuterIpv4(outer, inner, backend.outer_source.ipv4(), backend.outer_destination.ipv4(),
                   fragment_word);
  }
}

// DescribeGue() where list and hop are known, and with them the header's length.
template <PlainOuter kOuter, bool kHop>
[[gnu::always_inline]] inline GueHeader DescribePlainGue(const Packet& packet,
                                                         IpFamily outer_family) {
  GueHeader gue = DescribeGue(packet, outer_family);
  gue.hop_list = HasHopList(kOuter);
  gue.hop = kHop ? &packet.alternate->outer_destination : nullptr;
  return gue;
}

// kHop: the packet has an alternate.
template <PlainOuter kOuter, IpFamily kFamily, bool kHop>
[[gnu::always_inline]] inline bool ForwardPlain(Packet& packet, const Backend& backend,
                                                PathState& state) {
  constexpr uint32_t kLinkBytes = sizeof(EthernetHeader);
  constexpr IpFamily kOuterFamily = OuterFamilyOf(kOuter, kFamily);
  constexpr Be16 kType = kOuterFamily == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6;
  // Read once, before anything is written: the compiler takes a frame for what may be the packet.
  const uint16_t ip_bytes = packet.ip_length_bytes;
  uint8_t* ip_header = packet.frame + kLinkBytes;
  const GueHeader gue =
      IsGue(kOuter) ? DescribePlainGue<kOuter, kHop>(packet, kOuterFamily) : GueHeader{};
  uint32_t outer_bytes = kOuter == PlainOuter::kL2 ? 0 : OuterHeaderBytes(kOuterFamily);
  if constexpr (IsGre(kOuter)) outer_bytes += kGreBytes;
  if constexpr (IsGue(kOuter)) outer_bytes += GueBytes(gue);
  const uint32_t out_bytes = outer_bytes + ip_bytes;
  const bool lowers_mss = packet.max_segment_size != 0 && (packet.tcp_flags & kTcpSyn) != 0;
  if (out_bytes > backend.next_hop.mtu_bytes || lowers_mss) [[unlikely]]
    return false;
  uint8_t* frame = ip_header - outer_bytes - kLinkBytes;
  const InnerPacket inner = DescribeInner(kFamily, ip_header, ip_bytes);
  DecrementTtl(kFamily, ip_header);
  if constexpr (kOuter == PlainOuter::kL2) {
    WriteEthernet(frame, backend.next_hop, kType);
  } else {
    WriteEthernetFirst(frame, backend, kType);
    WritePlainOuter<kOuter, kFamily>(packet, backend, inner, gue, ip_header, outer_bytes, state);
  }
  packet.frame = frame;
  packet.length_bytes = kLinkBytes + out_bytes;
  packet.transmit_port = backend.next_hop.port;
  packet.verdict = Verdict::kForward;
  return true;
}

// What is known of outer header and packet when the code is chosen, as one number.
constexpr uint32_t PlainKind(PlainOuter outer, ShortCut short_cut) {
  return static_cast<uint32_t>(outer) + static_cast<uint32_t>(short_cut);
}

// Of a packet that is pending, has a backend and no alternate. False: Encapsulate() is to decide,
// and nothing has been written.
[[gnu::always_inline]] inline bool ForwardPlainToOne(Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  switch (PlainKind(backend.plain_outer, packet.short_cut)) {
#define GW_FORWARD_PLAIN(outer)                                                             \
  case PlainKind(PlainOuter::outer, ShortCut::kIpv4):                                       \
    return ForwardPlain<PlainOuter::outer, IpFamily::kIpv4, false>(packet, backend, state); \
  case PlainKind(PlainOuter::outer, ShortCut::kIpv6):                                       \
    return ForwardPlain<PlainOuter::outer, IpFamily::kIpv6, false>(packet, backend, state);
    GW_FORWARD_PLAIN(kL2)
    GW_FORWARD_PLAIN(kIpipIpv4)
    GW_FORWARD_PLAIN(kIpipIpv6)
    GW_FORWARD_PLAIN(kGreIpv4)
    GW_FORWARD_PLAIN(kGreIpv6)
    GW_FORWARD_PLAIN(kGueIpv4)
    GW_FORWARD_PLAIN(kGueIpv6)
    GW_FORWARD_PLAIN(kGueHopsIpv4)
    GW_FORWARD_PLAIN(kGueHopsIpv6)
#undef GW_FORWARD_PLAIN
    default:
      return false;
  }
}

// The same of one with an alternate.
[[gnu::always_inline]] inline bool ForwardPlainToTwo(Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  switch (PlainKind(backend.plain_outer, packet.short_cut)) {
#define GW_FORWARD_PLAIN(outer, family)                \
  case PlainKind(PlainOuter::outer, ShortCut::family): \
    return ForwardPlain<PlainOuter::outer, IpFamily::family, true>(packet, backend, state);
    GW_FORWARD_PLAIN(kGueHopsIpv4, kIpv4)
    GW_FORWARD_PLAIN(kGueHopsIpv4, kIpv6)
    GW_FORWARD_PLAIN(kGueHopsIpv6, kIpv4)
    GW_FORWARD_PLAIN(kGueHopsIpv6, kIpv6)
#undef GW_FORWARD_PLAIN
    default:
      return false;
  }
}

[[gnu::always_inline]] inline bool ForwardPlain(Packet& packet, PathState& state) {
  return packet.alternate == nullptr ? ForwardPlainToOne(packet, state)
                                     : ForwardPlainToTwo(packet, state);
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FORWARD_PLAIN_H_
