// First stage: bytes -> kind and FlowKey. What nearly every packet is - untagged, IPv4 without
// options or IPv6 without extension headers, whole, TCP or UDP, nothing wrong with it - is decided
// here in one go; all else is left to ParseFrame(), which says the same of such packets.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure: reads the frame, nothing
// beyond it, whatever lengths it claims. Inline, so that LookupVip has what is found in registers.
#ifndef GUIDEWAY_DATAPLANE_PATH_PARSE_HEADERS_H_
#define GUIDEWAY_DATAPLANE_PATH_PARSE_HEADERS_H_

#include <bit>
#include <cstddef>
#include <cstring>

#include "dataplane/path/parse_frame.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {

inline constexpr uint32_t kPlainIpAt = sizeof(EthernetHeader);

template <typename T>
T LoadAt(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Not the loopback, multicast, unspecified or broadcast address: a class A, B or C address outside
// 0/8 and 127/8.
inline bool IsPlainSource(uint32_t first_byte) { return first_byte - 1 < 223 && first_byte != 127; }

// `length_bytes`: of the transport header and what follows, at least a TCP header's.
[[gnu::always_inline]] inline bool ParsePlainTransport(Packet& packet, IpProtocol protocol,
                                                       const uint8_t* at, uint32_t length_bytes) {
  if (protocol == IpProtocol::kTcp) [[likely]] {
    const auto& tcp = *reinterpret_cast<const TcpHeader*>(at);
    packet.tcp_flags = tcp.flags;
    return tcp.header_bytes() - sizeof(TcpHeader) <= length_bytes - sizeof(TcpHeader) &&
           TcpFlagsAreGood(tcp.flags);
  }
  packet.tcp_flags = 0;
  const uint32_t udp_bytes = reinterpret_cast<const UdpHeader*>(at)->length.host();
  return protocol == IpProtocol::kUdp && udp_bytes >= sizeof(UdpHeader) &&
         udp_bytes <= length_bytes;
}

// All but addresses and TCP flags.
template <IpFamily kFamily>
void SetPlain(Packet& packet, uint32_t ip_bytes, IpProtocol protocol, const uint8_t* transport) {
  constexpr bool kIpv4 = kFamily == IpFamily::kIpv4;
  constexpr auto kFacts = std::bit_cast<uint64_t>(PacketFacts{
      .kind = PacketKind::kPlain, .family = kFamily, .l3_offset = kPlainIpAt, .ports_known = true});
  std::memcpy(static_cast<void*>(&packet), &kFacts, sizeof(kFacts));
  packet.short_cut = kIpv4 ? ShortCut::kIpv4 : ShortCut::kIpv6;
  packet.transport_offset = kIpv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  packet.ip_length_bytes = static_cast<uint16_t>(ip_bytes);
  // Ports, protocol and the zeros behind it as one word: the flow hash reads it as one, at once.
  const uint64_t ports = LoadAt<Be32>(transport).wire();
  const uint64_t protocol_byte = static_cast<uint8_t>(protocol);
  const uint64_t word = std::endian::native == std::endian::little
                            ? ports | protocol_byte << 32
                            : ports << 32 | protocol_byte << 24;
  std::memcpy(reinterpret_cast<uint8_t*>(&packet.key) + offsetof(FlowKey, source_port), &word,
              sizeof(word));
  packet.pool = packet.max_segment_size = 0;
  packet.vip = kNoVip;
  packet.backend = nullptr;
  packet.alternate = nullptr;
}

[[gnu::always_inline]] inline bool ParsePlainIpv4(Packet& packet) {
  const uint8_t* at = packet.frame + kPlainIpAt;
  const auto& ip = *reinterpret_cast<const Ipv4Header*>(at);
  const uint32_t ip_bytes = ip.total_length.host();
  const bool good = ip_bytes >= sizeof(Ipv4Header) + sizeof(TcpHeader) &&
                    ip_bytes <= packet.length_bytes - kPlainIpAt && !ip.is_fragment() &&
                    ip.ttl > 1 && FixedIpv4ChecksumIsRight(ip) &&
                    IsPlainSource(at[offsetof(Ipv4Header, source)]) && ip.source != ip.destination;
  if (!good) [[unlikely]]
    return false;
  const uint8_t* transport = at + sizeof(Ipv4Header);
  const uint32_t transport_bytes = ip_bytes - uint32_t{sizeof(Ipv4Header)};
  if (!ParsePlainTransport(packet, ip.protocol, transport, transport_bytes)) [[unlikely]]
    return false;
  packet.key.source = IpAddress::FromIpv4(ip.source);
  packet.key.destination = IpAddress::FromIpv4(ip.destination);
  SetPlain<IpFamily::kIpv4>(packet, ip_bytes, ip.protocol, transport);
  return true;
}

[[gnu::always_inline]] inline bool ParsePlainIpv6(Packet& packet) {
  const uint8_t* at = packet.frame + kPlainIpAt;
  const auto& ip = *reinterpret_cast<const Ipv6Header*>(at);
  const uint32_t payload_bytes = ip.payload_length.host();
  const uint32_t ip_bytes = payload_bytes + uint32_t{sizeof(Ipv6Header)};
  const IpAddress source = IpAddress::FromIpv6(ip.source);
  const IpAddress destination = IpAddress::FromIpv6(ip.destination);
  // Unspecified, loopback and mapped addresses begin with 64 bits of 0.
  const bool good =
      payload_bytes >= sizeof(TcpHeader) && ip_bytes <= packet.length_bytes - kPlainIpAt &&
      ip_bytes <= 0xffff && ip.hop_limit > 1 && LoadAt<uint64_t>(ip.source) != 0 &&
      LoadAt<uint64_t>(ip.destination) != 0 && ip.source[0] != 0xff && source != destination;
  if (!good) [[unlikely]]
    return false;
  const uint8_t* transport = at + sizeof(Ipv6Header);
  if (!ParsePlainTransport(packet, ip.next_header, transport, payload_bytes)) [[unlikely]]
    return false;
  packet.key.source = source;
  packet.key.destination = destination;
  SetPlain<IpFamily::kIpv6>(packet, ip_bytes, ip.next_header, transport);
  return true;
}

// Whether the frame is long enough for a plain packet of the family and begins as one.
template <IpFamily kFamily>
bool BeginsPlain(const Packet& packet) {
  constexpr bool kIpv4 = kFamily == IpFamily::kIpv4;
  constexpr uint32_t kIpBytes = kIpv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  constexpr uint32_t kShortest = kPlainIpAt + kIpBytes + sizeof(TcpHeader);
  // The Ethernet type, and what the IP header begins with: version, for IPv4 also its length.
  constexpr uint32_t kMask = (kIpv4 ? Be32(0xffffff00) : Be32(0xfffff000)).wire();
  constexpr uint32_t kBegin = (kIpv4 ? Be32(0x08004500) : Be32(0x86dd6000)).wire();
  return packet.length_bytes >= kShortest &&
         (LoadAt<Be32>(packet.frame + offsetof(EthernetHeader, type)).wire() & kMask) == kBegin;
}

// False: ParseFrame() is to decide; nothing that it does not set afresh has been set.
template <IpFamily kFamily>
[[gnu::always_inline]] inline bool ParsePlain(Packet& packet) {
  if (!BeginsPlain<kFamily>(packet) || packet.headroom_bytes < kShortCutHeadroomBytes) return false;
  if constexpr (kFamily == IpFamily::kIpv4) return ParsePlainIpv4(packet);
  return ParsePlainIpv6(packet);
}

inline void ParseHeaders(Packet& packet) {
  if (ParsePlain<IpFamily::kIpv4>(packet) || ParsePlain<IpFamily::kIpv6>(packet)) return;
  ParseFrame(packet);
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_PARSE_HEADERS_H_
