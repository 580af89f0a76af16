#include "lib/net/encapsulation.h"

#include <cstring>

#include "lib/net/checksum.h"

namespace guideway {
namespace {

IpProtocol ProtocolOf(IpFamily inner_family) {
  return inner_family == IpFamily::kIpv4 ? IpProtocol::kIpip : IpProtocol::kIpv6;
}

}  // namespace

InnerPacket DescribeInner(IpFamily family, const uint8_t* ip_header, uint16_t length_bytes) {
  InnerPacket inner;
  inner.family = family;
  inner.length_bytes = length_bytes;
  if (family == IpFamily::kIpv4) {
    const auto* ip = reinterpret_cast<const Ipv4Header*>(ip_header);
    inner.traffic_class = ip->dscp_ecn;
    inner.dont_fragment = ip->dont_fragment();
  } else {
    inner.traffic_class = reinterpret_cast<const Ipv6Header*>(ip_header)->traffic_class();
    inner.dont_fragment = true;
  }
  return inner;
}

void WriteOuterIpv4(uint8_t* outer, const InnerPacket& inner, Be32 source, Be32 destination,
                    uint16_t identification) {
  Ipv4Header header;
  header.version_ihl = 0x45;
  header.dscp_ecn = inner.traffic_class;
  header.total_length = Be16(static_cast<uint16_t>(sizeof(Ipv4Header) + inner.length_bytes));
  header.identification = Be16(inner.dont_fragment ? uint16_t{0} : identification);
  header.fragment = inner.dont_fragment ? Ipv4Header::kDontFragment : Be16(0);
  header.ttl = kOuterTtl;
  header.protocol = ProtocolOf(inner.family);
  header.checksum = Be16(0);
  header.source = source;
  header.destination = destination;
  header.checksum = InternetChecksum(reinterpret_cast<const uint8_t*>(&header), sizeof(header));
  std::memcpy(outer, &header, sizeof(header));
}

void WriteOuterIpv6(uint8_t* outer, const InnerPacket& inner, const IpAddress& source,
                    const IpAddress& destination, uint32_t flow_label) {
  Ipv6Header header;
  header.version_class_label =
      Be32(6u << 28 | uint32_t{inner.traffic_class} << 20 | (flow_label & 0xfffff));
  header.payload_length = Be16(inner.length_bytes);
  header.next_header = ProtocolOf(inner.family);
  header.hop_limit = kOuterTtl;
  std::memcpy(header.source, source.bytes.data(), sizeof(header.source));
  std::memcpy(header.destination, destination.bytes.data(), sizeof(header.destination));
  std::memcpy(outer, &header, sizeof(header));
}

}  // namespace guideway
