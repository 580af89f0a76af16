// Written from the paper "SipHash: a fast short-input PRF", section 2.
#include "lib/hash/siphash.h"

#include <bit>
#include <cstring>

namespace guideway {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  explicit State(const SipKey& key)
      : v0(key.k0 ^ 0x736f6d6570736575),
        v1(key.k1 ^ 0x646f72616e646f6d),
        v2(key.k0 ^ 0x6c7967656e657261),
        v3(key.k1 ^ 0x7465646279746573) {}

  void Rounds(int count) {
    while (count-- > 0) {
      v0 += v1;
      v2 += v3;
      v1 = std::rotl(v1, 13) ^ v0;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 = std::rotl(v0, 32);
      v2 += v1;
      v0 += v3;
      v1 = std::rotl(v1, 17) ^ v2;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 = std::rotl(v2, 32);
    }
  }

  void Absorb(uint64_t word) {
    v3 ^= word;
    Rounds(2);
    v0 ^= word;
  }

  uint64_t Finish() {
    v2 ^= 0xff;
    Rounds(4);
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

uint64_t SipHash24(const SipKey& key, const void* data, size_t length_bytes) {
  State state(key);
  const auto* at = static_cast<const uint8_t*>(data);
  size_t left = length_bytes;
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    state.Absorb(LittleEndian(word));
  }
  uint64_t last = static_cast<uint64_t>(length_bytes) << 56;
  for (size_t i = 0; i < left; ++i) last |= uint64_t{at[i]} << (8 * i);
  state.Absorb(last);
  return state.Finish();
}

uint64_t SipHash24(const SipKey& key, uint64_t value) {
  const uint64_t bytes = LittleEndian(value);
  return SipHash24(key, &bytes, sizeof(bytes));
}

}  // namespace guideway
