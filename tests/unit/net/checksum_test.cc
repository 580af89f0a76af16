// The Internet checksum against published examples, and against itself done the slow way.
#include "lib/net/checksum.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace guideway {
namespace {

// Word by word, as RFC 1071 words it.
uint16_t SlowSum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

TEST_CASE("the example of RFC 1071, section 3") {
  const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK(OnesComplementSum(data, sizeof(data)).host() == 0xddf2);
  CHECK(InternetChecksum(data, sizeof(data)).host() == 0x220d);
}

TEST_CASE("sums of every length agree with the slow way") {
  std::mt19937_64 random(1);
  for (size_t length = 0; length < 100; ++length) {
    std::vector<uint8_t> bytes(length);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    CHECK(OnesComplementSum(bytes.data(), length).host() == SlowSum(bytes));
  }
  std::vector<uint8_t> ones(65535, 0xff);
  CHECK(OnesComplementSum(ones.data(), ones.size()).host() == SlowSum(ones));
}

TEST_CASE("the example of RFC 1624, section 4") {
  // Equation 1 of RFC 1141 would give 0xffff here.
  CHECK(UpdateChecksum(Be16(0xdd2f), Be16(0x5555), Be16(0x3285)).host() == 0x0000);
}

TEST_CASE("an update equals a new sum") {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1000; ++i) {
    std::vector<uint8_t> bytes(20);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    bytes[0] = 0x45;
    bytes[10] = bytes[11] = 0;
    const Be16 before_sum = InternetChecksum(bytes.data(), bytes.size());
    const size_t at = 8;
    const Be16 before(static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]));
    const Be16 after(static_cast<uint16_t>(random()));
    bytes[at] = static_cast<uint8_t>(after.host() >> 8);
    bytes[at + 1] = static_cast<uint8_t>(after.host());
    const Be16 updated = UpdateChecksum(before_sum, before, after);
    CHECK(updated.host() == InternetChecksum(bytes.data(), bytes.size()).host());
    bytes[10] = static_cast<uint8_t>(updated.host() >> 8);
    bytes[11] = static_cast<uint8_t>(updated.host());
    CHECK(Ipv4ChecksumIsRight(*reinterpret_cast<const Ipv4Header*>(bytes.data())));
    bytes[3] ^= 0x10;
    CHECK_FALSE(Ipv4ChecksumIsRight(*reinterpret_cast<const Ipv4Header*>(bytes.data())));
  }
}

TEST_CASE("a TTL that is one less updates every checksum as RFC 1624 does") {
  size_t wrong = 0;
  for (uint32_t ttl = 1; ttl < 256; ++ttl) {
    for (uint32_t checksum = 0; checksum <= 0xffff; ++checksum) {
      Ipv4Header header{};
      header.ttl = static_cast<uint8_t>(ttl);
      header.protocol = IpProtocol::kUdp;
      header.checksum = Be16(static_cast<uint16_t>(checksum));
      const Be16 before(static_cast<uint16_t>(ttl << 8 | 17));
      const Be16 after(static_cast<uint16_t>((ttl - 1) << 8 | 17));
      const Be16 expected = UpdateChecksum(header.checksum, before, after);
      DecrementIpv4Ttl(&header);
      wrong += header.ttl != ttl - 1 || header.protocol != IpProtocol::kUdp ||
               header.checksum != expected;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("multiples of 0xffff, and only they, fold to ones") {
  std::mt19937_64 random(3);
  size_t wrong = 0, ones = 0;
  const auto check = [&](uint64_t sum) {
    const bool folds = FoldSum(sum) == 0xffff;
    wrong += FoldsToOnes(sum) != folds;
    ones += folds;
  };
  for (uint64_t i = 0; i < 200'000; ++i) {
    check(i);
    check(~i);
    const uint64_t any = random();
    check(any);
    check(any / 0xffff * 0xffff);
    check(any >> 32);
  }
  CHECK(wrong == 0);
  CHECK(ones > 200'000);
}

}  // namespace
}  // namespace guideway
