// Pacer: an even rate; late senders withhold instead of making a burst.
#include "perf/generator/pacer.h"

#include <catch2/catch.hpp>

namespace guideway {
namespace {

constexpr uint64_t kStart = 1'000'000;

TEST_CASE("The first packet is due at the start, each next one a period later") {
  Pacer pacer(kStart, 100, 64);
  CHECK(pacer.Due(kStart - 1, 32) == 0);
  CHECK(pacer.Due(kStart, 32) == 1);
  CHECK(pacer.Due(kStart, 32) == 0);
  CHECK(pacer.Due(kStart + 99, 32) == 0);
  CHECK(pacer.Due(kStart + 100, 32) == 1);
  CHECK(pacer.Due(kStart + 399, 32) == 2);
  CHECK(pacer.withheld() == 0);
}

TEST_CASE("What does not fit into a burst stays due") {
  Pacer pacer(kStart, 100, 64);
  CHECK(pacer.Due(kStart + 4'999, 32) == 32);
  CHECK(pacer.Due(kStart + 4'999, 32) == 18);
  CHECK(pacer.Due(kStart + 4'999, 32) == 0);
  CHECK(pacer.withheld() == 0);
}

TEST_CASE("Who was away for long sends no more than most_behind, and the rest counts as withheld") {
  Pacer pacer(kStart, 100, 64);
  CHECK(pacer.Due(kStart, 32) == 1);
  CHECK(pacer.Due(kStart + 100'000, 32) == 32);
  CHECK(pacer.withheld() == 1000 - 64);
  CHECK(pacer.Due(kStart + 100'000, 32) == 32);
  CHECK(pacer.Due(kStart + 100'000, 32) == 0);
  // And goes on at the rate.
  CHECK(pacer.Due(kStart + 100'100, 32) == 1);
  CHECK(pacer.withheld() == 1000 - 64);
}

TEST_CASE("While the clock stands still nothing becomes due") {
  Pacer pacer(kStart, 100, 64);
  CHECK(pacer.Due(kStart + 199, 32) == 2);
  pacer.Skip(1'000'000);
  CHECK(pacer.Due(kStart + 200, 32) == 0);
  CHECK(pacer.Due(kStart + 1'000'199, 32) == 0);
  CHECK(pacer.Due(kStart + 1'000'200, 32) == 1);
  CHECK(pacer.withheld() == 0);
}

TEST_CASE(
    "A clock that stood still for a part of what was sent makes nothing due before its time") {
  Pacer pacer(kStart, 100, 64);
  CHECK(pacer.Due(kStart + 199, 32) == 2);
  pacer.Skip(150);
  CHECK(pacer.Due(kStart + 200, 32) == 0);
  CHECK(pacer.Due(kStart + 349, 32) == 0);
  CHECK(pacer.Due(kStart + 350, 32) == 1);
  CHECK(pacer.withheld() == 0);
}

TEST_CASE("Periods of a fraction of a tick add up over billions of ticks") {
  constexpr double kTicksPerPacket = 2.7;
  Pacer pacer(kStart, kTicksPerPacket, 1000);
  uint64_t sent = 0;
  uint64_t now = kStart;
  for (; now < kStart + 3'000'000'000; now += 2'000) sent += pacer.Due(now, 1000);
  const double expected = static_cast<double>(now - 2'000 - kStart) / kTicksPerPacket;
  CHECK(static_cast<double>(sent) == Approx(expected).margin(2));
  CHECK(pacer.withheld() == 0);
}

}  // namespace
}  // namespace guideway
