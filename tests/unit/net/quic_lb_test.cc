// QUIC-LB against the draft's own vectors; AES-128 against FIPS 197 and OpenSSL.
#include "lib/net/quic_lb.h"

#include <openssl/evp.h>

#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "lib/net/aes128.h"

namespace guideway {
namespace {

using Block = Aes128::Block;

std::vector<uint8_t> Bytes(const std::string& hex) {
  const std::string raw = absl::HexStringToBytes(hex);
  return {raw.begin(), raw.end()};
}

Block BlockOf(const std::string& hex) {
  const std::vector<uint8_t> bytes = Bytes(hex);
  Block block{};
  std::copy(bytes.begin(), bytes.end(), block.begin());
  return block;
}

Block RandomBlock(std::mt19937_64* random) {
  Block block;
  for (uint8_t& byte : block) byte = static_cast<uint8_t>((*random)());
  return block;
}

Block Encrypted(const Aes128& aes, const Block& from) {
  Block to;
  aes.Encrypt(from, &to);
  return to;
}

Block Decrypted(const Aes128& aes, Block block) {
  aes.Decrypt(block, &block);  // in place
  return block;
}

Block ByOpenssl(const Block& key, const Block& from, bool encrypt) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  Block to;
  int length = 0;
  REQUIRE(EVP_CipherInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, key.data(), nullptr,
                            encrypt ? 1 : 0) == 1);
  EVP_CIPHER_CTX_set_padding(context.get(), 0);
  REQUIRE(EVP_CipherUpdate(context.get(), to.data(), &length, from.data(), 16) == 1);
  REQUIRE(length == 16);
  return to;
}

// Exactly as long as it must be, so that a sanitizer sees a read beyond.
std::string DecodeHex(const std::string& cid_hex, uint8_t server_id_bytes, uint8_t nonce_bytes,
                      const std::string& key_hex) {
  const Block key = BlockOf(key_hex);
  const QuicLb config(server_id_bytes, nonce_bytes, key_hex.empty() ? nullptr : &key);
  const std::vector<uint8_t> cid = Bytes(cid_hex);
  REQUIRE(cid.size() == config.min_cid_bytes());
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[cid.size()]);
  std::copy(cid.begin(), cid.end(), exact.get());
  const ServerId id = config.Decode(exact.get());
  for (size_t i = id.length_bytes; i < id.bytes.size(); ++i) CHECK(id.bytes[i] == 0);
  return absl::BytesToHexString(
      std::string(reinterpret_cast<const char*>(id.bytes.data()), id.length_bytes));
}

TEST_CASE("AES-128 of FIPS 197, appendices B and C.1") {
  for (const bool use_instructions : {false, true}) {
    const Aes128 b(BlockOf("2b7e151628aed2a6abf7158809cf4f3c"), use_instructions);
    CHECK(Encrypted(b, BlockOf("3243f6a8885a308d313198a2e0370734")) ==
          BlockOf("3925841d02dc09fbdc118597196a0b32"));
    const Aes128 c(BlockOf("000102030405060708090a0b0c0d0e0f"), use_instructions);
    CHECK(Encrypted(c, BlockOf("00112233445566778899aabbccddeeff")) ==
          BlockOf("69c4e0d86a7b0430d8cdb78070b4c55a"));
    CHECK(Decrypted(c, BlockOf("69c4e0d86a7b0430d8cdb78070b4c55a")) ==
          BlockOf("00112233445566778899aabbccddeeff"));
  }
}

TEST_CASE("AES-128 in plain C++, with instructions, and OpenSSL's agree") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const Block key = RandomBlock(&random), block = RandomBlock(&random);
    const Block encrypted = ByOpenssl(key, block, true), decrypted = ByOpenssl(key, block, false);
    for (const bool use_instructions : {false, true}) {
      const Aes128 aes(key, use_instructions);
      REQUIRE(Encrypted(aes, block) == encrypted);
      REQUIRE(Decrypted(aes, block) == decrypted);
    }
  }
  CHECK_FALSE(Aes128(Block{}, false).uses_instructions());
}

TEST_CASE("connection IDs of the draft's appendix B") {
  const std::string key = "8f95f09245765f80256934e50c66207f";
  // B.1, unencrypted.
  CHECK(DecodeHex("07c4605e4504cc4f", 3, 4, "") == "c4605e");
  // Printed as server ID 350d28b420, nonce 3487d970b: the first digit, a, has got lost.
  CHECK(DecodeHex("20a350d28b4203487d970b", 5, 5, "") == "a350d28b42");
  // B.2, encrypted.
  CHECK(DecodeHex("0720b1d07b359d3c", 3, 4, key) == "ed793a");
  CHECK(DecodeHex("2fcc381bc74cb4fbad2823a3d1f8fed2", 10, 5, key) == "ed793a51d49b8f5fab65");
  CHECK(DecodeHex("504dd2d05a7b0de9b2b9907afb5ecf8cc3", 8, 8, key) == "ed793a51d49b8f5f");
  CHECK(DecodeHex("125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc", 9, 9, key) == "ed793a51d49b8f5fab");
  // Section 5.4.2.4, the encryption example.
  CHECK(DecodeHex("0767947d29be054a", 3, 4, "fdf726a9893ec05c0632d3956680baf0") == "31441a");
}

TEST_CASE("the configuration of a connection ID is in its three high bits") {
  CHECK(QuicLbConfigId(0x07) == 0);
  CHECK(QuicLbConfigId(0x2f) == 1);
  CHECK(QuicLbConfigId(0x50) == 2);
  CHECK(QuicLbConfigId(0xdf) == 6);
  CHECK(QuicLbConfigId(0xe0) == kQuicLbConfigs);
}

TEST_CASE("lengths of server ID and nonce") {
  CHECK(QuicLbLengthsAreRight(1, 4));
  CHECK(QuicLbLengthsAreRight(1, 18));
  CHECK(QuicLbLengthsAreRight(15, 4));
  CHECK_FALSE(QuicLbLengthsAreRight(0, 4));
  CHECK_FALSE(QuicLbLengthsAreRight(1, 3));
  CHECK_FALSE(QuicLbLengthsAreRight(16, 4));
  CHECK_FALSE(QuicLbLengthsAreRight(15, 5));
  CHECK_FALSE(QuicLbLengthsAreRight(2, 18));
}

// The draft's steps for servers, written down again over OpenSSL's AES.
std::vector<uint8_t> Encode(const std::vector<uint8_t>& plaintext, const Block& key) {
  const size_t length = plaintext.size(), half = (length + 1) / 2;
  if (length == 16) {
    Block block;
    std::copy(plaintext.begin(), plaintext.end(), block.begin());
    block = ByOpenssl(key, block, true);
    return {block.begin(), block.end()};
  }
  std::vector<uint8_t> left(plaintext.begin(), plaintext.begin() + half);
  std::vector<uint8_t> right(plaintext.end() - half, plaintext.end());
  const auto clear = [&] {
    if (length % 2 == 0) return;
    left.back() &= 0xf0;
    right.front() &= 0x0f;
  };
  clear();
  for (uint8_t pass = 1; pass <= 4; ++pass) {
    const std::vector<uint8_t>& from = pass % 2 == 1 ? left : right;
    std::vector<uint8_t>& to = pass % 2 == 1 ? right : left;
    Block block{};
    std::copy(from.begin(), from.end(), block.begin());
    block[14] = static_cast<uint8_t>(length);
    block[15] = pass;
    block = ByOpenssl(key, block, true);
    for (size_t i = 0; i < half; ++i) to[i] ^= block[i];
    clear();
  }
  std::vector<uint8_t> result = left;
  size_t at = 0;
  if (length % 2 == 1) result.back() |= right[at++];
  result.insert(result.end(), right.begin() + at, right.end());
  return result;
}

TEST_CASE("what a server encodes is decoded, at every pair of lengths") {
  std::mt19937_64 random(2);
  int pairs = 0;
  for (uint8_t server_id = kMinServerIdBytes; server_id <= kMaxServerIdBytes; ++server_id) {
    for (uint8_t nonce = kMinNonceBytes; QuicLbLengthsAreRight(server_id, nonce); ++nonce) {
      ++pairs;
      for (int i = 0; i < 20; ++i) {
        const Block key = RandomBlock(&random);
        std::vector<uint8_t> plaintext(server_id + nonce);
        for (uint8_t& byte : plaintext) byte = static_cast<uint8_t>(random());
        std::vector<uint8_t> cid = Encode(plaintext, key);
        cid.insert(cid.begin(), static_cast<uint8_t>(random()));
        const ServerId id = QuicLb(server_id, nonce, &key).Decode(cid.data());
        REQUIRE(id.length_bytes == server_id);
        REQUIRE(std::equal(plaintext.begin(), plaintext.begin() + server_id, id.bytes.begin()));
      }
    }
  }
  CHECK(pairs == 120);
}

}  // namespace
}  // namespace guideway
