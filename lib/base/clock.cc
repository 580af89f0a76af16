#include "lib/base/clock.h"

#include <ctime>
#include <fstream>

namespace guideway {
namespace {

absl::Duration Read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

absl::Duration MonotonicNow() { return Read(CLOCK_MONOTONIC); }

absl::Duration BootClockNow() { return Read(CLOCK_BOOTTIME); }

std::string BootId() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace guideway
