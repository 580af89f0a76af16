// How long something took, in counts by upper bound, as Prometheus' histograms have it.
//
// Thread safety: a value; one thread at a time.
#ifndef GUIDEWAY_LIB_STATS_DURATION_HISTOGRAM_H_
#define GUIDEWAY_LIB_STATS_DURATION_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace guideway {

class DurationHistogram {
 public:
  // Upper bounds, inclusive; what is longer than the last is in the total only.
  static constexpr std::array<double, 13> kBoundsSeconds = {
      1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3, 10};

  void Add(double seconds) {
    ++count_;
    sum_seconds_ += seconds;
    for (size_t i = 0; i < kBoundsSeconds.size(); ++i) {
      if (seconds > kBoundsSeconds[i]) continue;
      ++counts_[i];
      return;
    }
  }
  uint64_t count() const { return count_; }
  double sum_seconds() const { return sum_seconds_; }
  // Above bound i - 1, up to bound i.
  uint64_t CountWithin(size_t i) const { return counts_[i]; }

 private:
  std::array<uint64_t, kBoundsSeconds.size()> counts_{};
  uint64_t count_ = 0;
  double sum_seconds_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_STATS_DURATION_HISTOGRAM_H_
