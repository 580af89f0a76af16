// Sums are made over words as they stand in memory: the one's complement sum does not depend on
// byte order (RFC 1071, section 2(B)), so nothing is swapped.
#include "lib/net/checksum.h"

#include <cstring>

namespace guideway {
namespace {

uint16_t Fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace

Be16 OnesComplementSum(const uint8_t* data, size_t length_bytes) {
  uint64_t sum = 0;  // cannot overflow below 2^32 words
  while (length_bytes >= 4) {
    uint32_t word;
    std::memcpy(&word, data, sizeof(word));
    sum += word;
    data += 4;
    length_bytes -= 4;
  }
  if (length_bytes != 0) {
    // The zero padding stands behind the last byte, on every byte order.
    uint32_t word = 0;
    std::memcpy(&word, data, length_bytes);
    sum += word;
  }
  return Be16::FromWire(Fold(sum));
}

Be16 InternetChecksum(const uint8_t* data, size_t length_bytes) {
  return Be16::FromWire(static_cast<uint16_t>(~OnesComplementSum(data, length_bytes).wire()));
}

Be16 UpdateChecksum(Be16 checksum, Be16 before, Be16 after) {
  const uint64_t sum = uint64_t{static_cast<uint16_t>(~checksum.wire())} +
                       static_cast<uint16_t>(~before.wire()) + after.wire();
  return Be16::FromWire(static_cast<uint16_t>(~Fold(sum)));
}

bool Ipv4ChecksumIsRight(const Ipv4Header& header) {
  return OnesComplementSum(reinterpret_cast<const uint8_t*>(&header), header.header_bytes())
             .wire() == 0xffff;
}

}  // namespace guideway
