// Tells whether something that should change several times a second still does.
//
// The silence is what was looked at: each look adds at most kLongestGap, however long ago the one
// before was, so that who was stopped himself (or his machine was) suspects nobody. Not
// thread-safe.
#ifndef GUIDEWAY_LIB_CHANNEL_BEAT_WATCH_H_
#define GUIDEWAY_LIB_CHANNEL_BEAT_WATCH_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace guideway::channel {

class BeatWatch {
 public:
  static constexpr absl::Duration kLongestGap = absl::Milliseconds(400);

  // `beat` is any value that differs from the one before while all is well; `now` monotonic.
  void Look(uint64_t beat, absl::Duration now) {
    if (!looked_ || beat != beat_) {
      silence_ = absl::ZeroDuration();
    } else {
      silence_ += std::clamp(now - last_look_, absl::ZeroDuration(), kLongestGap);
    }
    looked_ = true;
    beat_ = beat;
    last_look_ = now;
  }
  // For how long looks have found no change.
  absl::Duration silence() const { return silence_; }

 private:
  bool looked_ = false;
  uint64_t beat_ = 0;
  absl::Duration last_look_;
  absl::Duration silence_;
};

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_BEAT_WATCH_H_
