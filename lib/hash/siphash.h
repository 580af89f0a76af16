// SipHash-2-4 (Aumasson, Bernstein, 2012): a keyed hash of bytes, the same on every CPU.
//
// Used off the packet path: to derive keys, permutations and digests. Thread safety: pure function.
#ifndef GUIDEWAY_LIB_HASH_SIPHASH_H_
#define GUIDEWAY_LIB_HASH_SIPHASH_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace guideway {

// The key's two words are those of the reference: its 16 bytes read as little-endian integers.
struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

uint64_t SipHash24(const SipKey& key, const void* data, size_t length_bytes);

inline uint64_t SipHash24(const SipKey& key, const std::string& bytes) {
  return SipHash24(key, bytes.data(), bytes.size());
}

// `value` as its 8 little-endian bytes.
uint64_t SipHash24(const SipKey& key, uint64_t value);

// An integer as it stands in memory on a little-endian machine: makes hashes portable.
constexpr uint64_t LittleEndian(uint64_t value) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return value;
#else
  return __builtin_bswap64(value);
#endif
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_HASH_SIPHASH_H_
