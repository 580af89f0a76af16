#include "lib/net/encapsulation.h"

#include <bit>
#include <cstring>

#include "lib/net/checksum.h"

namespace guideway {

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
      uint32_t{kOuterTtl} << 24 | uint32_t{static_cast<uint8_t>(inner.protocol)} << 16;
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
  header->next_header = inner.protocol;
  header->hop_limit = kOuterTtl;
  std::memcpy(header->source, source.bytes.data(), sizeof(header->source));
  std::memcpy(header->destination, destination.bytes.data(), sizeof(header->destination));
}

void WriteGre(uint8_t* gre, IpProtocol inner_protocol) {
  const Be16 type = inner_protocol == IpProtocol::kIpip ? ether_type::kIpv4 : ether_type::kIpv6;
  *reinterpret_cast<Be32*>(gre) = Be32(type.host());  // no flags, version 0
}

IpAddress SpreadSource(const IpAddress& prefix, uint32_t flow_bits, uint64_t flow_hash) {
  const auto mask = static_cast<uint32_t>((uint64_t{1} << flow_bits) - 1);
  uint32_t bits = static_cast<uint32_t>(flow_hash) & mask;
  if (bits == 0 || bits == mask) bits ^= 1;
  auto words = std::bit_cast<IpAddressWords>(prefix);
  words.ipv4 = Be32(words.ipv4.host() | bits);  // an IPv6 address has its last bytes there
  return std::bit_cast<IpAddress>(words);
}

}  // namespace guideway
