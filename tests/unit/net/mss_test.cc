// Any bytes as TCP options. The golden packets have the cases that are known to matter.
#include "lib/net/mss.h"

#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <vector>

namespace guideway {
namespace {

uint32_t Sum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] * 256u : bytes[i];
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum == 0 ? 0xffff : sum;  // the two zeros are one
}

// Where a reader of the options finds values of MSS options.
std::vector<size_t> MssValues(const std::vector<uint8_t>& tcp) {
  std::vector<size_t> found;
  const size_t end = std::min<size_t>((tcp[12] >> 4) * 4u, tcp.size());
  for (size_t at = 20; at < end && tcp[at] != 0;) {
    if (tcp[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= end || tcp[at + 1] < 2 || at + tcp[at + 1] > end) break;
    if (tcp[at] == 2 && tcp[at + 1] == 4) found.push_back(at + 2);
    at += tcp[at + 1];
  }
  return found;
}

TEST_CASE("any options: values above the limit become it, the sum and all else stay") {
  std::mt19937 random(7);
  constexpr uint16_t kLimit = 1300;
  int lowered_count = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::vector<uint8_t> tcp(20 + random() % 44);
    for (uint8_t& byte : tcp) byte = static_cast<uint8_t>(random());
    // Mostly what options are made of.
    for (size_t at = 20; at < tcp.size() && random() % 8 != 0; ++at) {
      const uint8_t usual[] = {0, 1, 2, 2, 2, 3, 4, 4, 8};
      tcp[at] = usual[random() % sizeof(usual)];
    }
    if (random() % 4 != 0) tcp[12] = static_cast<uint8_t>((tcp.size() / 4) << 4);
    // At the end of its allocation, so that a sanitizer sees reads beyond it.
    auto bytes = std::make_unique<uint8_t[]>(tcp.size());
    std::copy(tcp.begin(), tcp.end(), bytes.get());
    const bool lowered = LowerMss(bytes.get(), static_cast<uint32_t>(tcp.size()), kLimit);
    const std::vector<uint8_t> after(bytes.get(), bytes.get() + tcp.size());
    REQUIRE(Sum(after) == Sum(tcp));
    std::vector<uint8_t> expected = tcp;
    expected[16] = after[16];
    expected[17] = after[17];
    bool expect_lowered = false;
    for (const size_t value : MssValues(tcp)) {
      if (tcp[value] * 256 + tcp[value + 1] <= kLimit) continue;
      expect_lowered = true;
      expected[value] = kLimit >> 8;
      expected[value + 1] = kLimit & 0xff;
    }
    REQUIRE(lowered == expect_lowered);
    REQUIRE(after == expected);
    if (!lowered) REQUIRE(after == tcp);
    lowered_count += lowered ? 1 : 0;
  }
  CHECK(lowered_count > 1000);
}

}  // namespace
}  // namespace guideway
