// The clocks are the kernel's, and the boot is this one.
#include "lib/base/clock.h"

#include <catch2/catch.hpp>
#include <ctime>

namespace guideway {
namespace {

absl::Duration Kernel(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

TEST_CASE("each clock lies between two readings of the kernel's") {
  absl::Duration before = Kernel(CLOCK_MONOTONIC);
  const absl::Duration monotonic = MonotonicNow();
  CHECK(before <= monotonic);
  CHECK(monotonic <= Kernel(CLOCK_MONOTONIC));
  before = Kernel(CLOCK_BOOTTIME);
  const absl::Duration boot = BootClockNow();
  CHECK(before <= boot);
  CHECK(boot <= Kernel(CLOCK_BOOTTIME));
}

TEST_CASE("a boot has one name") {
  CHECK(BootId().size() == 36);
  CHECK(BootId() == BootId());
}

}  // namespace guideway
