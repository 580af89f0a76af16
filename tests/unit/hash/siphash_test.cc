// SipHash-2-4 against the vectors published with the reference implementation.
#include "lib/hash/siphash.h"

#include <catch2/catch.hpp>

namespace guideway {
namespace {

TEST_CASE("SipHash-2-4 reference vectors: key 00..0f, input of n bytes 00..n-1") {
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  uint8_t input[64];
  for (uint8_t i = 0; i < 64; ++i) input[i] = i;
  CHECK(SipHash24(key, input, 0) == 0x726fdb47dd0e0e31);
  CHECK(SipHash24(key, input, 1) == 0x74f839c593dc67fd);
  CHECK(SipHash24(key, input, 2) == 0x0d6c8009d9a94f5a);
  CHECK(SipHash24(key, input, 3) == 0x85676696d7fb7e2d);
  CHECK(SipHash24(key, input, 8) == 0x93f5f5799a932462);
  CHECK(SipHash24(key, input, 15) == 0xa129ca6149be45e5);
}

TEST_CASE("an integer is hashed as its little-endian bytes") {
  const SipKey key{1, 2};
  const uint8_t bytes[] = {0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
  CHECK(SipHash24(key, uint64_t{0x0102030405060708}) == SipHash24(key, bytes, 8));
}

}  // namespace
}  // namespace guideway
