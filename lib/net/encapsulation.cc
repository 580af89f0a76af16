#include "lib/net/encapsulation.h"

#include <cstring>

#include "lib/net/checksum.h"

namespace guideway {
namespace {

IpProtocol ProtocolOf(IpFamily inner_family) {
  return inner_family == IpFamily::kIpv4 ? IpProtocol::kIpip : IpProtocol::kIpv6;
}

}  // namespace

void WriteOuterIpv4(uint8_t* outer, const InnerPacket& inner, Be32 source, Be32 destination,
                    uint16_t identification) {
  // By words, summed before they are stored: reading fresh small stores back as words would stall.
  const uint32_t length_bytes = uint32_t{sizeof(Ipv4Header)} + inner.length_bytes;
  const uint32_t version_to_length =
      0x45u << 24 | uint32_t{inner.traffic_class} << 16 | length_bytes;
  const uint32_t identification_and_fragment = inner.dont_fragment
                                                   ? uint32_t{Ipv4Header::kDontFragment.host()}
                                                   : uint32_t{identification} << 16;
  const uint32_t ttl_and_protocol =
      uint32_t{kOuterTtl} << 24 | uint32_t{static_cast<uint8_t>(ProtocolOf(inner.family))} << 16;
  const auto checksum =
      static_cast<uint16_t>(~FoldSum(uint64_t{version_to_length} + identification_and_fragment +
                                     ttl_and_protocol + source.host() + destination.host()));
  auto* words = reinterpret_cast<Be32*>(outer);
  words[0] = Be32(version_to_length);
  words[1] = Be32(identification_and_fragment);
  words[2] = Be32(ttl_and_protocol | checksum);
  words[3] = source;
  words[4] = destination;
}

void WriteOuterIpv6(uint8_t* outer, const InnerPacket& inner, const IpAddress& source,
                    const IpAddress& destination, uint32_t flow_label) {
  auto* header = reinterpret_cast<Ipv6Header*>(outer);
  header->version_class_label =
      Be32(6u << 28 | uint32_t{inner.traffic_class} << 20 | (flow_label & 0xfffff));
  header->payload_length = Be16(inner.length_bytes);
  header->next_header = ProtocolOf(inner.family);
  header->hop_limit = kOuterTtl;
  std::memcpy(header->source, source.bytes.data(), sizeof(header->source));
  std::memcpy(header->destination, destination.bytes.data(), sizeof(header->destination));
}

}  // namespace guideway
