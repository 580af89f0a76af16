// Sums are made over words as they stand in memory: the one's complement sum does not depend on
// byte order (RFC 1071, section 2(B)), so nothing is swapped.
#include "lib/net/checksum.h"

#include <cstring>

namespace guideway {

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
  return Be16::FromWire(FoldSum(sum));
}

Be16 InternetChecksum(const uint8_t* data, size_t length_bytes) {
  return Be16::FromWire(static_cast<uint16_t>(~OnesComplementSum(data, length_bytes).wire()));
}

}  // namespace guideway
