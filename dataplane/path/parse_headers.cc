// HOT PATH: no allocation, lock, log, system call or exception.
//
// First stage: bytes -> kind and FlowKey. What nearly every packet is - untagged, IPv4 without
// options or IPv6 without extension headers, whole, TCP or UDP, nothing wrong with it - is decided
// here in one go; all else is left to ParseFrame(), which says the same of such packets.
#include <cstddef>
#include <cstring>

#include "dataplane/path/parse_frame.h"
#include "dataplane/path/path.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

template <typename T>
T Load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Bit f: flags f (FIN to URG; the rest is congestion control) are no contradiction.
constexpr uint64_t GoodTcpFlags() {
  uint64_t good = 0;
  for (uint32_t flags = 1; flags < 64; ++flags) {
    const bool syn_with_end = (flags & kTcpSyn) != 0 && (flags & (kTcpFin | kTcpRst)) != 0;
    if (!syn_with_end) good |= uint64_t{1} << flags;
  }
  return good;
}

// Not the loopback, multicast, unspecified or broadcast address: a class A, B or C address outside
// 0.0.0.0 and 127/8.
bool IsPlainSource(Be32 source) {
  const uint32_t host = source.host();
  return host - 1 < 0xdfffffff && host >> 24 != 127;
}

// `length_bytes`: of the transport header and what follows, at least a TCP header's.
bool IsPlainTransport(Packet& packet, IpProtocol protocol, const uint8_t* at,
                      uint32_t length_bytes) {
  if (protocol == IpProtocol::kTcp) {
    const auto& tcp = *reinterpret_cast<const TcpHeader*>(at);
    packet.tcp_flags = tcp.flags;
    return tcp.header_bytes() - sizeof(TcpHeader) <= length_bytes - sizeof(TcpHeader) &&
           (GoodTcpFlags() >> (tcp.flags & 63) & 1) != 0;
  }
  packet.tcp_flags = 0;
  const uint32_t udp_bytes = reinterpret_cast<const UdpHeader*>(at)->length.host();
  return protocol == IpProtocol::kUdp && udp_bytes >= sizeof(UdpHeader) &&
         udp_bytes <= length_bytes;
}

void SetPlain(Packet& packet, IpFamily family, uint32_t ip_bytes, uint32_t transport_at,
              IpProtocol protocol) {
  packet.verdict = Verdict::kPending;
  packet.kind = PacketKind::kPlain;
  packet.family = family;
  packet.l3_offset = sizeof(EthernetHeader);
  packet.new_flow = false;
  packet.defective = false;
  packet.defect = DropReason::l4_truncated;  // without a meaning: makes one store of all these
  packet.ports_known = true;
  packet.transport_offset = static_cast<uint16_t>(transport_at);
  packet.ip_length_bytes = static_cast<uint16_t>(ip_bytes);
  // Two words: both ports; the protocol and the zeros behind it.
  auto* key = reinterpret_cast<uint8_t*>(&packet.key);
  const uint8_t* transport = packet.frame + sizeof(EthernetHeader) + transport_at;
  std::memcpy(key + offsetof(FlowKey, source_port), transport, 2 * sizeof(Be16));
  const Be32 protocol_and_zeros(uint32_t{static_cast<uint8_t>(protocol)} << 24);
  static_assert(offsetof(FlowKey, protocol) + sizeof(protocol_and_zeros) == sizeof(FlowKey));
  std::memcpy(key + offsetof(FlowKey, protocol), &protocol_and_zeros, sizeof(protocol_and_zeros));
  packet.vip = kNoVip;
  packet.max_segment_size = 0;
  packet.fragment_mtu_bytes = 0;
  packet.backend = nullptr;
  packet.alternate = nullptr;
}

bool ParsePlainIpv4(Packet& packet) {
  const auto& ip = *reinterpret_cast<const Ipv4Header*>(packet.frame + sizeof(EthernetHeader));
  const uint32_t ip_bytes = ip.total_length.host();
  const bool good = ip.version_ihl == 0x45 && ip_bytes >= sizeof(Ipv4Header) + sizeof(TcpHeader) &&
                    ip_bytes <= packet.length_bytes - sizeof(EthernetHeader) && !ip.is_fragment() &&
                    ip.ttl > 1 && Ipv4ChecksumIsRight(ip) && IsPlainSource(ip.source) &&
                    ip.source != ip.destination;
  if (!good) [[unlikely]]
    return false;
  constexpr uint32_t kTransportAt = sizeof(Ipv4Header);
  const auto* transport = reinterpret_cast<const uint8_t*>(&ip) + kTransportAt;
  if (!IsPlainTransport(packet, ip.protocol, transport, ip_bytes - kTransportAt)) return false;
  packet.key.source = IpAddress::FromIpv4(ip.source);
  packet.key.destination = IpAddress::FromIpv4(ip.destination);
  SetPlain(packet, IpFamily::kIpv4, ip_bytes, kTransportAt, ip.protocol);
  return true;
}

bool ParsePlainIpv6(Packet& packet) {
  const auto& ip = *reinterpret_cast<const Ipv6Header*>(packet.frame + sizeof(EthernetHeader));
  const uint32_t payload_bytes = ip.payload_length.host();
  const uint32_t ip_bytes = payload_bytes + uint32_t{sizeof(Ipv6Header)};
  const IpAddress source = IpAddress::FromIpv6(ip.source);
  const IpAddress destination = IpAddress::FromIpv6(ip.destination);
  // Unspecified, loopback and mapped addresses begin with 64 bits of 0.
  const bool good =
      reinterpret_cast<const uint8_t*>(&ip)[0] >> 4 == 6 && payload_bytes >= sizeof(TcpHeader) &&
      ip_bytes <= packet.length_bytes - sizeof(EthernetHeader) && ip_bytes <= 0xffff &&
      ip.hop_limit > 1 && Load<uint64_t>(ip.source) != 0 && Load<uint64_t>(ip.destination) != 0 &&
      ip.source[0] != 0xff && source != destination;
  if (!good) [[unlikely]]
    return false;
  constexpr uint32_t kTransportAt = sizeof(Ipv6Header);
  const auto* transport = reinterpret_cast<const uint8_t*>(&ip) + kTransportAt;
  if (!IsPlainTransport(packet, ip.next_header, transport, payload_bytes)) return false;
  packet.key.source = source;
  packet.key.destination = destination;
  SetPlain(packet, IpFamily::kIpv6, ip_bytes, kTransportAt, ip.next_header);
  return true;
}

// False: ParseFrame() is to decide; nothing that it does not set afresh has been set.
bool ParsePlain(Packet& packet) {
  constexpr uint32_t kShortestIpv4 =
      sizeof(EthernetHeader) + sizeof(Ipv4Header) + sizeof(TcpHeader);
  constexpr uint32_t kShortestIpv6 =
      sizeof(EthernetHeader) + sizeof(Ipv6Header) + sizeof(TcpHeader);
  if (packet.length_bytes < kShortestIpv4) return false;
  const Be16 type = reinterpret_cast<const EthernetHeader*>(packet.frame)->type;
  if (type == ether_type::kIpv4) return ParsePlainIpv4(packet);
  return type == ether_type::kIpv6 && packet.length_bytes >= kShortestIpv6 &&
         ParsePlainIpv6(packet);
}

}  // namespace

void ParseHeaders(Burst& burst) {
  for (Packet& packet : burst) {
    if (!ParsePlain(packet)) [[unlikely]]
      ParseFrame(packet);
  }
}

}  // namespace guideway
