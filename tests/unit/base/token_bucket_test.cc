// The token bucket, in time that the tests make.
#include "lib/base/token_bucket.h"

#include <catch2/catch.hpp>
#include <limits>
#include <random>

namespace guideway {
namespace {

uint64_t TakeAll(TokenBucket& bucket, uint64_t now_ms, uint64_t most = 10'000) {
  uint64_t taken = 0;
  while (taken < most && bucket.Take(now_ms)) ++taken;
  return taken;
}

TEST_CASE("a bucket begins full and holds what one second gives") {
  TokenBucket bucket(100);
  CHECK(TakeAll(bucket, 0) == 100);
  CHECK(TakeAll(bucket, 0) == 0);
  CHECK(TakeAll(bucket, 1000) == 100);
  CHECK(TakeAll(bucket, 1'000'000'000) == 100);  // no more, however long nobody asked
  CHECK(TakeAll(bucket, 1'000'000'000) == 0);
}

TEST_CASE("tokens come one by one") {
  TokenBucket bucket(100);
  TakeAll(bucket, 5000);
  CHECK_FALSE(bucket.Take(5009));
  CHECK(bucket.Take(5010));
  CHECK_FALSE(bucket.Take(5010));
  CHECK(TakeAll(bucket, 5035) == 2);
  CHECK(bucket.Take(5040));  // the half token of before was not lost
}

TEST_CASE("a rate below one in a millisecond and above") {
  for (const uint32_t rate : {1u, 3u, 999u, 1000u, 1001u, 7777u}) {
    CAPTURE(rate);
    TokenBucket bucket(rate);
    TakeAll(bucket, 0);
    uint64_t taken = 0;
    for (uint64_t now_ms = 1; now_ms <= 10'000; ++now_ms) taken += TakeAll(bucket, now_ms);
    CHECK(taken == 10 * uint64_t{rate});
  }
}

TEST_CASE("no span gives more than its share and one second's worth") {
  std::mt19937 random(1);
  constexpr uint32_t kRate = 250;
  TokenBucket bucket(kRate);
  uint64_t now_ms = 12345;
  const uint64_t began_ms = now_ms;
  uint64_t taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    now_ms += random() % 4;
    taken += bucket.Take(now_ms) ? 1 : 0;
    REQUIRE(taken * 1000 <= (now_ms - began_ms + 1000) * kRate);
  }
  CHECK(taken * 1000 > (now_ms - began_ms) * kRate - 1000);  // asked often enough, all are given
}

TEST_CASE("none at all, and as many as can be said") {
  TokenBucket none(0);
  CHECK_FALSE(none.Take(0));
  CHECK_FALSE(none.Take(1'000'000));
  constexpr uint32_t kMost = std::numeric_limits<uint32_t>::max();
  TokenBucket most(kMost);
  CHECK(TakeAll(most, 0) == 10'000);
  CHECK(TakeAll(most, std::numeric_limits<uint64_t>::max()) == 10'000);
}

TEST_CASE("a clock that steps back gives nothing") {
  TokenBucket bucket(10);
  TakeAll(bucket, 10'000);
  CHECK_FALSE(bucket.Take(0));
  CHECK_FALSE(bucket.Take(10'099));
  CHECK(bucket.Take(10'100));
}

}  // namespace
}  // namespace guideway
