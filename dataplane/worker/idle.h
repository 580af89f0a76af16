// What a worker does when its queues are empty.
//
// Busy: polls on. Adaptive: after a while of empty rounds sleeps, 1 us at first and longer each
// time up to 100 us; the first packet ends it. A packet waits at most one sleep. The drivers of
// kernel interfaces have no receive interrupt to wait for, hence the ramp.
#ifndef GUIDEWAY_DATAPLANE_WORKER_IDLE_H_
#define GUIDEWAY_DATAPLANE_WORKER_IDLE_H_

#include <algorithm>
#include <cstdint>
#include <ctime>

namespace guideway {

enum class IdleMode : uint8_t { kBusy, kAdaptive };

class IdleBackoff {
 public:
  explicit IdleBackoff(IdleMode mode) : mode_(mode) {}

  void OnPackets() {
    empty_rounds_ = 0;
    sleep_ns_ = kFirstSleepNs;
  }
  // True: now Sleep(). In adaptive mode only.
  bool OnEmptyRound() {
    return mode_ == IdleMode::kAdaptive && ++empty_rounds_ >= kRoundsBeforeSleep;
  }
  // The one system call of a worker apart from the drivers' own.
  void Sleep() {
    const timespec pause{.tv_sec = 0, .tv_nsec = sleep_ns_};
    nanosleep(&pause, nullptr);
    sleep_ns_ = std::min(sleep_ns_ * 2, kLongestSleepNs);
  }

 private:
  static constexpr uint32_t kRoundsBeforeSleep = 256;
  static constexpr long kFirstSleepNs = 1'000;
  static constexpr long kLongestSleepNs = 100'000;

  IdleMode mode_;
  uint32_t empty_rounds_ = 0;
  long sleep_ns_ = kFirstSleepNs;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_WORKER_IDLE_H_
