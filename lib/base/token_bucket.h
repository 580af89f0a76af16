// TokenBucket: at most so many per second, with as many saved up as one second gives.
//
// Exact in integers: nothing is lost to rounding, however often it is asked. Time is given by the
// caller in milliseconds of any clock that does not go back (a step back gives no tokens). Thread
// safety: none; owned and used by one thread.
#ifndef GUIDEWAY_LIB_BASE_TOKEN_BUCKET_H_
#define GUIDEWAY_LIB_BASE_TOKEN_BUCKET_H_

#include <algorithm>
#include <cstdint>

namespace guideway {

class TokenBucket {
 public:
  // Full. 0: never a token.
  explicit constexpr TokenBucket(uint32_t per_second)
      : per_second_(per_second), level_(uint64_t{per_second} * kThousandths) {}

  // Takes one token, if there is one.
  constexpr bool Take(uint64_t now_ms) {
    if (now_ms > last_ms_) {
      // A second fills it, whatever it holds; so the product cannot overflow.
      const uint64_t elapsed_ms = std::min(now_ms - last_ms_, kThousandths);
      level_ = std::min(level_ + elapsed_ms * per_second_, per_second_ * kThousandths);
      last_ms_ = now_ms;
    }
    if (level_ < kThousandths) return false;
    level_ -= kThousandths;
    return true;
  }

  constexpr uint64_t per_second() const { return per_second_; }

 private:
  static constexpr uint64_t kThousandths = 1000;  // of a token; also milliseconds in a second

  uint64_t per_second_;
  uint64_t level_;  // in thousandths of a token
  uint64_t last_ms_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_TOKEN_BUCKET_H_
