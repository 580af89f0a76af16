#include "lib/net/encapsulation.h"

#include <bit>
#include <cstring>

namespace guideway {

IpAddress SpreadSource(const IpAddress& prefix, uint32_t flow_bits, uint64_t flow_hash) {
  const auto mask = static_cast<uint32_t>((uint64_t{1} << flow_bits) - 1);
  uint32_t bits = static_cast<uint32_t>(flow_hash) & mask;
  if (bits == 0 || bits == mask) bits ^= 1;
  auto words = std::bit_cast<IpAddressWords>(prefix);
  words.ipv4 = Be32(words.ipv4.host() | bits);  // an IPv6 address has its last bytes there
  return std::bit_cast<IpAddress>(words);
}

}  // namespace guideway
