// HOT PATH (Encrypt, Decrypt): no allocation, lock, log, system call or exception.
#include "lib/net/aes128.h"

#include <algorithm>

#ifdef __x86_64__
#include <wmmintrin.h>
#endif

namespace guideway {
namespace {

using Block = Aes128::Block;

// Multiplication by x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
constexpr uint8_t TimesX(uint8_t a) {
  return static_cast<uint8_t>(a << 1 ^ ((a & 0x80) != 0 ? 0x1b : 0));
}

constexpr uint8_t Times(uint8_t a, uint8_t b) {
  uint8_t product = 0;
  for (; b != 0; b = static_cast<uint8_t>(b >> 1), a = TimesX(a)) {
    if ((b & 1) != 0) product ^= a;
  }
  return product;
}

constexpr uint8_t RotateLeft(uint8_t a, int bits) {
  return static_cast<uint8_t>(a << bits | a >> (8 - bits));
}

struct Boxes {
  uint8_t forward[256] = {};
  uint8_t inverse[256] = {};
};

// FIPS 197, section 5.1.1. 3 generates all of GF(2^8) but 0: while `a` runs through its powers, `b`
// runs through their inverses, the powers of 1/3.
constexpr Boxes MakeBoxes() {
  Boxes boxes;
  uint8_t a = 1, b = 1;
  do {
    a = Times(a, 3);
    b = Times(b, 0xf6);
    const auto s = static_cast<uint8_t>(b ^ RotateLeft(b, 1) ^ RotateLeft(b, 2) ^ RotateLeft(b, 3) ^
                                        RotateLeft(b, 4) ^ 0x63);
    boxes.forward[a] = s;
    boxes.inverse[s] = a;
  } while (a != 1);
  boxes.forward[0] = 0x63;
  boxes.inverse[0x63] = 0;
  return boxes;
}
constexpr Boxes kBoxes = MakeBoxes();

// A column times the matrix whose first row is `row`, the others rotated.
void MixColumns(uint8_t* block, const uint8_t (&row)[4]) {
  for (uint8_t* column = block; column < block + Aes128::kBlockBytes; column += 4) {
    uint8_t mixed[4] = {};
    for (size_t i = 0; i < 4; ++i) {
      for (size_t k = 0; k < 4; ++k) mixed[i] ^= Times(column[k], row[(k + 4 - i) % 4]);
    }
    std::copy(std::begin(mixed), std::end(mixed), column);
  }
}
constexpr uint8_t kMix[4] = {2, 3, 1, 1};
constexpr uint8_t kUnmix[4] = {14, 11, 13, 9};

void AddKey(Block* block, const uint8_t* key) {
  for (size_t i = 0; i < Aes128::kBlockBytes; ++i) (*block)[i] ^= key[i];
}

// Either direction: they differ in box, rotation of the rows, matrix and keys.
template <size_t kRounds>
Block Plain(Block block, const uint8_t (&keys)[kRounds][Aes128::kBlockBytes],
            const uint8_t (&box)[256], size_t rotation, const uint8_t (&row)[4]) {
  AddKey(&block, keys[0]);
  for (size_t round = 1; round < kRounds; ++round) {
    Block next;
    for (size_t i = 0; i < next.size(); ++i) {
      next[i] = box[block[(i + i % 4 * rotation) % Aes128::kBlockBytes]];
    }
    if (round + 1 < kRounds) MixColumns(next.data(), row);
    AddKey(&next, keys[round]);
    block = next;
  }
  return block;
}

#ifdef __x86_64__
bool CpuHasAes() { return __builtin_cpu_supports("aes") != 0; }

__attribute__((target("aes"))) void EncryptWithInstructions(const Block& from,
                                                            const uint8_t (*keys)[16], Block* to) {
  const auto* key = reinterpret_cast<const __m128i*>(keys);
  __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from.data()));
  x = _mm_xor_si128(x, key[0]);
  for (int round = 1; round < 10; ++round) x = _mm_aesenc_si128(x, key[round]);
  x = _mm_aesenclast_si128(x, key[10]);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to->data()), x);
}

__attribute__((target("aes"))) void DecryptWithInstructions(const Block& from,
                                                            const uint8_t (*keys)[16], Block* to) {
  const auto* key = reinterpret_cast<const __m128i*>(keys);
  __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from.data()));
  x = _mm_xor_si128(x, key[0]);
  for (int round = 1; round < 10; ++round) x = _mm_aesdec_si128(x, key[round]);
  x = _mm_aesdeclast_si128(x, key[10]);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to->data()), x);
}
#else
bool CpuHasAes() { return false; }
void EncryptWithInstructions(const Block&, const uint8_t (*)[16], Block*) {}  // never called
void DecryptWithInstructions(const Block&, const uint8_t (*)[16], Block*) {}
#endif

}  // namespace

Aes128::Aes128(const Block& key, bool use_instructions)
    : uses_instructions_(use_instructions && CpuHasAes()) {
  // FIPS 197, section 5.2; the schedule as one row of bytes.
  uint8_t* bytes = &encrypt_.keys[0][0];
  std::copy(key.begin(), key.end(), bytes);
  uint8_t round_constant = 1;
  for (size_t at = kBlockBytes; at < sizeof(encrypt_.keys); at += 4) {
    uint8_t word[4];
    std::copy(bytes + at - 4, bytes + at, word);
    if (at % kBlockBytes == 0) {
      std::rotate(word, word + 1, word + 4);
      for (uint8_t& byte : word) byte = kBoxes.forward[byte];
      word[0] ^= round_constant;
      round_constant = TimesX(round_constant);
    }
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = bytes[at + i - kBlockBytes] ^ word[i];
  }
  for (size_t round = 0; round <= kRounds; ++round) {
    uint8_t* to = decrypt_.keys[round];
    std::copy_n(encrypt_.keys[kRounds - round], kBlockBytes, to);
    if (round != 0 && round != kRounds) MixColumns(to, kUnmix);
  }
}

void Aes128::Encrypt(const Block& from, Block* to) const {
  if (uses_instructions_) return EncryptWithInstructions(from, encrypt_.keys, to);
  *to = Plain(from, encrypt_.keys, kBoxes.forward, 4, kMix);
}

void Aes128::Decrypt(const Block& from, Block* to) const {
  if (uses_instructions_) return DecryptWithInstructions(from, decrypt_.keys, to);
  *to = Plain(from, decrypt_.keys, kBoxes.inverse, 12, kUnmix);
}

}  // namespace guideway
