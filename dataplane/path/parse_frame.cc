// HOT PATH: no allocation, lock, log, system call or exception.
//
// Any frame at all: VLAN tags, options, extension headers, fragments, ICMP, and whatever is broken.
#include "dataplane/path/parse_frame.h"

#include "dataplane/path/header_chain.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint32_t kMaxVlanTags = 2;

struct Bytes {
  const uint8_t* at;
  uint32_t length;

  void Skip(uint32_t count) {
    at += count;
    length -= count;
  }
  template <typename Header>
  const Header& As() const {
    return *reinterpret_cast<const Header*>(at);
  }
};

void ParseTcp(Packet& packet, Bytes l4) {
  if (l4.length < sizeof(TcpHeader)) return packet.SetDefect(DropReason::l4_truncated);
  const auto& tcp = l4.As<TcpHeader>();
  packet.tcp_flags = tcp.flags;
  if (tcp.header_bytes() < sizeof(TcpHeader) || tcp.header_bytes() > l4.length ||
      !TcpFlagsAreGood(tcp.flags)) {
    packet.SetDefect(DropReason::tcp_header_bad);
  }
}

void ParseUdp(Packet& packet, Bytes l4) {
  if (l4.length < sizeof(UdpHeader)) return packet.SetDefect(DropReason::l4_truncated);
  const uint16_t length_bytes = l4.As<UdpHeader>().length.host();
  if (length_bytes < sizeof(UdpHeader) || length_bytes > l4.length) {
    packet.SetDefect(DropReason::udp_header_bad);
  }
}

void SetFragment(Packet& packet, IpProtocol protocol) {
  packet.kind = PacketKind::kFragment;
  if (protocol != IcmpOf(packet.family)) return;
  packet.kind = PacketKind::kIcmp;
  packet.SetDefect(DropReason::icmp_bad);
}

void ParseTransport(Packet& packet, IpProtocol protocol, Bytes l4) {
  packet.transport_offset = static_cast<uint16_t>(l4.at - packet.frame - packet.l3_offset);
  if (protocol != IpProtocol::kTcp && protocol != IpProtocol::kUdp) {
    const bool icmp = protocol == IcmpOf(packet.family);
    packet.kind = icmp ? PacketKind::kIcmp : PacketKind::kOtherProtocol;
    return;
  }
  packet.key.protocol = protocol;
  // TCP and UDP begin alike: with both ports.
  if (l4.length < 4) return packet.SetDefect(DropReason::l4_truncated);
  packet.key.source_port = l4.As<UdpHeader>().source_port;
  packet.key.destination_port = l4.As<UdpHeader>().destination_port;
  packet.ports_known = true;
  protocol == IpProtocol::kTcp ? ParseTcp(packet, l4) : ParseUdp(packet, l4);
}

// RFC 1122, section 3.2.1.3: a source that nobody can be answered at, or only we.
bool Ipv4SourceIsBad(Be32 source, Be32 destination) {
  const uint32_t host = source.host();
  const bool multicast = host >> 28 == 0xe;
  const bool loopback = host >> 24 == 127;
  return multicast || loopback || host == 0 || host == 0xffffffff || source == destination;
}

// The same by RFC 4291, section 2; IPv4-mapped addresses must not be seen on the wire.
bool Ipv6SourceIsBad(const FlowKey& key) {
  return key.source.IsMulticast() || key.source.IsLoopback() || key.source.IsUnspecified() ||
         key.source.IsIpv4() || key.source == key.destination;
}

void ParseIpv4(Packet& packet, Bytes l3) {
  if (l3.length < sizeof(Ipv4Header)) return packet.Drop(DropReason::frame_truncated);
  const auto& ip = l3.As<Ipv4Header>();
  const uint32_t header_bytes = ip.header_bytes();
  if (ip.version() != 4 || header_bytes < sizeof(Ipv4Header)) {
    return packet.Drop(DropReason::ip_header_bad);
  }
  if (header_bytes > l3.length) return packet.Drop(DropReason::frame_truncated);
  packet.ip_length_bytes = ip.total_length.host();
  if (packet.ip_length_bytes < header_bytes || packet.ip_length_bytes > l3.length) {
    return packet.Drop(DropReason::ip_header_bad);
  }
  if (!Ipv4ChecksumIsRight(ip)) return packet.Drop(DropReason::ip_checksum_bad);

  packet.family = IpFamily::kIpv4;
  packet.key.source = IpAddress::FromIpv4(ip.source);
  packet.key.destination = IpAddress::FromIpv4(ip.destination);
  if (Ipv4SourceIsBad(ip.source, ip.destination)) packet.SetDefect(DropReason::ip_source_bad);
  if (ip.is_fragment()) {
    SetFragment(packet, ip.protocol);
  } else {
    const uint32_t options_bytes = header_bytes - uint32_t{sizeof(Ipv4Header)};
    if (!Ipv4OptionsAreGood(l3.at + sizeof(Ipv4Header), options_bytes)) {
      packet.SetDefect(DropReason::ip_options_bad);
    }
    ParseTransport(packet, ip.protocol,
                   {l3.at + header_bytes, packet.ip_length_bytes - header_bytes});
  }
  // Last: it is then the only defect, and none if the packet ends here.
  if (ip.ttl <= 1) packet.SetDefect(DropReason::ttl_expired);
}

void ParseExtended(Packet& packet, uint8_t next_header, Bytes rest) {
  const ExtensionHeaders headers = WalkExtensionHeaders(next_header, rest.at, rest.length);
  if (headers.bad) return packet.SetDefect(DropReason::ipv6_extension_bad);
  if (headers.fragment) {
    SetFragment(packet, headers.protocol);
    return;
  }
  rest.Skip(headers.length_bytes);
  ParseTransport(packet, headers.protocol, rest);
}

void ParseIpv6(Packet& packet, Bytes l3) {
  if (l3.length < sizeof(Ipv6Header)) return packet.Drop(DropReason::frame_truncated);
  const auto& ip = l3.As<Ipv6Header>();
  if (ip.version() != 6) return packet.Drop(DropReason::ip_header_bad);
  const uint32_t length_bytes = ip.payload_length.host() + uint32_t{sizeof(Ipv6Header)};
  if (length_bytes > l3.length || length_bytes > 0xffff) {
    return packet.Drop(DropReason::ip_header_bad);
  }
  packet.ip_length_bytes = static_cast<uint16_t>(length_bytes);
  packet.family = IpFamily::kIpv6;
  packet.key.source = IpAddress::FromIpv6(ip.source);
  packet.key.destination = IpAddress::FromIpv6(ip.destination);
  // Tables hold IPv4 addresses mapped: such addresses on the wire must not pass for IPv4.
  if (packet.key.destination.IsIpv4()) {
    packet.kind = PacketKind::kNotIp;
    return;
  }
  if (Ipv6SourceIsBad(packet.key)) packet.SetDefect(DropReason::ip_source_bad);
  const Bytes payload{l3.at + sizeof(Ipv6Header), ip.payload_length.host()};
  const auto next_header = static_cast<uint8_t>(ip.next_header);
  ipv6_extension::Is(next_header) ? ParseExtended(packet, next_header, payload)
                                  : ParseTransport(packet, ip.next_header, payload);
  if (ip.hop_limit <= 1) packet.SetDefect(DropReason::ttl_expired);  // last, as above
}

bool IsVlan(Be16 type) { return type == ether_type::kVlan || type == ether_type::kServiceVlan; }

void Reset(Packet& packet) {
  static_cast<PacketFacts&>(packet) = PacketFacts{};
  packet.short_cut = ShortCut::kNone;
  packet.tcp_flags = 0;
  packet.key = FlowKey{};
  packet.max_segment_size = 0;
  packet.vip = kNoVip;
  packet.backend = nullptr;
  packet.alternate = nullptr;
}

}  // namespace

void ParseFrame(Packet& packet) {
  Reset(packet);
  Bytes rest{packet.frame, packet.length_bytes};
  if (rest.length < sizeof(EthernetHeader)) return packet.Drop(DropReason::frame_truncated);
  Be16 type = rest.As<EthernetHeader>().type;
  rest.Skip(sizeof(EthernetHeader));
  for (uint32_t tags = 0; tags < kMaxVlanTags && IsVlan(type); ++tags) {
    if (rest.length < sizeof(VlanTag)) return packet.Drop(DropReason::frame_truncated);
    type = rest.As<VlanTag>().type;
    rest.Skip(sizeof(VlanTag));
  }
  packet.l3_offset = static_cast<uint8_t>(packet.length_bytes - rest.length);
  if (type == ether_type::kIpv4) {
    ParseIpv4(packet, rest);
  } else if (type == ether_type::kIpv6) {
    ParseIpv6(packet, rest);
  } else {
    packet.kind = PacketKind::kNotIp;
  }
}

}  // namespace guideway
