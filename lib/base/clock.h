// The kernel's clocks that nobody can set, and which boot of the host they count from.
//
// Each call is one system call at most (a vDSO read); BootId() reads a file. Thread safety: any
// thread.
#ifndef GUIDEWAY_LIB_BASE_CLOCK_H_
#define GUIDEWAY_LIB_BASE_CLOCK_H_

#include <string>

#include "absl/time/time.h"

namespace guideway {

// CLOCK_MONOTONIC: stands still while the host sleeps. For waits, and for what processes of this
// boot tell each other.
absl::Duration MonotonicNow();
// CLOCK_BOOTTIME: goes on while the host sleeps. The flow tables' clock.
absl::Duration BootClockNow();
// Of the host's last boot, 36 characters; empty if the kernel does not say.
std::string BootId();

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_CLOCK_H_
