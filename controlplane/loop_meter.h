// How long the event loop's turns take, by the work that they do.
//
// A turn is one call of a handler: whatever else is due waits until it is over. Wall time counts,
// because that is what a probe's answer waits for; a long turn's processor time is measured as well
// (at most 1 ms too much) and tells work from waiting for a disk or for a processor that others
// have. Work is named by a string literal: EventLoop takes the caller's file name unless it is told
// better. Thread safety: the loop's thread.
#ifndef GUIDEWAY_CONTROLPLANE_LOOP_METER_H_
#define GUIDEWAY_CONTROLPLANE_LOOP_METER_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>

#include "absl/time/time.h"
#include "lib/stats/duration_histogram.h"

namespace guideway {

class LoopMeter {
 public:
  // A turn that is logged.
  static constexpr absl::Duration kSlow = absl::Milliseconds(50);
  // A turn that others notice: a problem if there are some in several of the last seconds. A disk
  // that takes its time over one fsync is none.
  static constexpr absl::Duration kTooSlow = absl::Milliseconds(200);

  struct Work {
    uint64_t turns = 0;
    absl::Duration total;
    absl::Duration longest;            // ever
    absl::Duration longest_processor;  // ever, of turns longer than 1 ms
    absl::Duration recent, before;     // longest of this minute and of the one before
  };

  // Around a turn; times are monotonic.
  void Begin(absl::Duration now);
  void End(const char* work, absl::Duration begin, absl::Duration now);

  const DurationHistogram& turns() const { return turns_; }
  // By name of the work: a file's name without folder and ending, or what the caller said.
  std::map<std::string, Work> ByWork() const;
  // The longest turn of the last one to two minutes, of the work of this name.
  static absl::Duration RecentOf(const Work& work) { return std::max(work.recent, work.before); }
  // What is slow time and again, in words; empty: nothing is.
  std::string Problem(absl::Duration now) const;
  // Forgets the longest turns.
  void Reset();
  // Of a loop that may take its time.
  void DoNotLog() { logs_ = false; }

 private:
  struct SlowTurn {
    absl::Duration at, took;
    const char* work;
  };
  void Rotate(absl::Duration now);
  void OnSlow(const char* work, absl::Duration took, absl::Duration processor, absl::Duration now);
  absl::Duration ReadProcessor(absl::Duration now);

  DurationHistogram turns_;
  std::unordered_map<const char*, Work> work_;
  absl::Duration minute_began_;
  absl::Duration processor_, processor_at_;  // the thread's processor time, and when it was read
  std::deque<SlowTurn> slow_;                // too slow, of the last seconds
  absl::Duration logged_at_ = -absl::InfiniteDuration();
  uint64_t not_logged_ = 0;
  bool logs_ = true;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_LOOP_METER_H_
