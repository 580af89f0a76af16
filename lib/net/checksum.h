// The Internet checksum: RFC 1071 (sum), RFC 1624 (incremental update), RFC 791 (IPv4 header).
//
// All results are Be16, ready to be stored. Thread safety: pure functions.
#ifndef GUIDEWAY_LIB_NET_CHECKSUM_H_
#define GUIDEWAY_LIB_NET_CHECKSUM_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lib/net/big_endian.h"
#include "lib/net/headers.h"

namespace guideway {

// The one's complement sum of 16-bit words, folded to 16 bits, not complemented. An odd last byte
// is padded with zero. 0xffff over a range that includes its own checksum field means it is right.
Be16 OnesComplementSum(const uint8_t* data, size_t length_bytes);

// The complement of that sum: what stands in a checksum field (which was zero while summing).
Be16 InternetChecksum(const uint8_t* data, size_t length_bytes);

// The checksum after one 16-bit word of the covered range went from `before` to `after`
// (RFC 1624, equation 3).
Be16 UpdateChecksum(Be16 checksum, Be16 before, Be16 after);

// A change of the covered range, for words of 16 or 32 bits as they stand on the wire: deltas of
// several words add up (of up to 2^30 words).
constexpr uint64_t ChecksumDelta(uint32_t before, uint32_t after);
constexpr uint64_t ChecksumDelta(Be16 before, Be16 after);
// The checksum after that change (RFC 1624, equation 3).
Be16 UpdateChecksum(Be16 checksum, uint64_t delta);

// One less; the TTL must not be 0. The checksum follows (RFC 1624, equation 3).
void DecrementIpv4Ttl(Ipv4Header* header);

// Whether the header checksum is right; header.header_bytes() (at least 20) bytes must be readable.
bool Ipv4ChecksumIsRight(const Ipv4Header& header);
// The same of a header without options.
bool FixedIpv4ChecksumIsRight(const Ipv4Header& header);

// Folds a sum of 16- or 32-bit words in wire order to 16 bits: twice the sum of both halves, whose
// carry comes in at the low end because the other half is added below.
constexpr uint16_t FoldSum(uint64_t sum) {
  sum += std::rotl(sum, 32);
  auto half = static_cast<uint32_t>(sum >> 32);
  half += std::rotl(half, 16);
  return static_cast<uint16_t>(half >> 16);
}

// Whether FoldSum(sum) is 0xffff, that of a range with its right checksum: whether `sum` is a
// multiple of 0xffff, and not 0. Multiplied by the inverse modulo 2^64 just the multiples stay
// below 2^64 / 0xffff.
constexpr bool FoldsToOnes(uint64_t sum) {
  constexpr uint64_t kMultiples = 0x0001000100010001;
  static_assert(0xffff * -kMultiples == 1);
  return sum * -kMultiples - 1 < kMultiples;
}

// The sum of sums of 64-bit words: what is carried out comes in at the low end.
constexpr uint64_t AddOnesComplement(uint64_t a, uint64_t b) {
  const uint64_t sum = a + b;
  return sum + (sum < a);
}

// Inline because the packet path calls them for every packet.
inline Be16 UpdateChecksum(Be16 checksum, Be16 before, Be16 after) {
  const uint64_t sum = uint64_t{static_cast<uint16_t>(~checksum.wire())} +
                       static_cast<uint16_t>(~before.wire()) + after.wire();
  return Be16::FromWire(static_cast<uint16_t>(~FoldSum(sum)));
}

constexpr uint64_t ChecksumDelta(uint32_t before, uint32_t after) {
  return uint64_t{~before} + after;
}

constexpr uint64_t ChecksumDelta(Be16 before, Be16 after) {
  return uint64_t{static_cast<uint16_t>(~before.wire())} + after.wire();
}

inline Be16 UpdateChecksum(Be16 checksum, uint64_t delta) {
  const uint64_t sum = uint64_t{static_cast<uint16_t>(~checksum.wire())} + delta;
  return Be16::FromWire(static_cast<uint16_t>(~FoldSum(sum)));
}

inline void DecrementIpv4Ttl(Ipv4Header* header) {
  if constexpr (std::endian::native == std::endian::big) {
    const Be16 before = Be16::FromWire(static_cast<uint16_t>(uint32_t{header->ttl} << 8));
    --header->ttl;
    const Be16 after = Be16::FromWire(static_cast<uint16_t>(uint32_t{header->ttl} << 8));
    header->checksum = UpdateChecksum(header->checksum, before, after);
    return;
  }
  // One word: the TTL in its low byte, the checksum in its high half. The TTL is the high byte of
  // the 16 bits that it is summed with, so the checksum grows by 0x0100, which here is 1.
  constexpr uint32_t kChecksumOne = 1 << 16;
  uint32_t word;
  std::memcpy(&word, &header->ttl, sizeof(word));
  const bool carries = word >= 0xfffe * kChecksumOne;  // 0xffff means 0, and is not written
  word += kChecksumOne - 1;
  if (carries) [[unlikely]]
    word += kChecksumOne;
  std::memcpy(&header->ttl, &word, sizeof(word));
}

// The sum of the header without options.
inline uint64_t FixedIpv4Sum(const Ipv4Header& header) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  uint64_t first, second;
  uint32_t last;
  static_assert(sizeof(first) + sizeof(second) + sizeof(last) == sizeof(Ipv4Header));
  std::memcpy(&first, bytes, sizeof(first));
  std::memcpy(&second, bytes + sizeof(first), sizeof(second));
  std::memcpy(&last, bytes + sizeof(first) + sizeof(second), sizeof(last));
  return AddOnesComplement(AddOnesComplement(first, second), last);
}

inline bool FixedIpv4ChecksumIsRight(const Ipv4Header& header) {
  return FoldsToOnes(FixedIpv4Sum(header));
}

inline bool Ipv4ChecksumIsRight(const Ipv4Header& header) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  const uint32_t options_bytes = header.header_bytes() - uint32_t{sizeof(Ipv4Header)};
  const Be16 options = OnesComplementSum(bytes + sizeof(Ipv4Header), options_bytes);
  return FoldsToOnes(AddOnesComplement(FixedIpv4Sum(header), options.wire()));
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_CHECKSUM_H_
