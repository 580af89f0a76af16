// How long packets took: counts in buckets that grow with the value, so that both a microsecond and
// a second are known within 1/32 (HdrHistogram's idea: powers of two, each cut into equal parts).
//
// Values have any unit, the caller's; clock ticks in the generator. Thread safety: a value; one
// thread at a time.
#ifndef GUIDEWAY_PERF_GENERATOR_LATENCY_HISTOGRAM_H_
#define GUIDEWAY_PERF_GENERATOR_LATENCY_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace guideway {

class LatencyHistogram {
 public:
  static constexpr unsigned kPartBits = 5;
  static constexpr uint64_t kParts = uint64_t{1} << kPartBits;  // buckets of a power of two
  // Values below kParts have a bucket each.
  static constexpr size_t kBuckets = (64 - kPartBits + 1) * kParts;

  // For every packet, hence inline.
  void Add(uint64_t value) {
    ++counts_[BucketOf(value)];
    ++count_;
    largest_ = std::max(largest_, value);
  }
  uint64_t count() const { return count_; }
  // Exact; 0 if there are none.
  uint64_t largest() const { return largest_; }
  // The smallest bucket's upper end that at least `share` (0 to 1) of the values do not exceed, and
  // never above largest(): at most 1/32 above the exact percentile, never below. 0 without values.
  uint64_t Percentile(double share) const;

  // The bucket of a value, and the largest value of a bucket.
  static constexpr size_t BucketOf(uint64_t value) {
    if (value < kParts) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kPartBits - 1;
    return (shift + 1) * kParts + ((value >> shift) & (kParts - 1));
  }
  static constexpr uint64_t LargestOf(size_t bucket) {
    if (bucket < kParts) return bucket;
    const uint64_t shift = bucket / kParts - 1;
    return ((kParts + bucket % kParts) << shift) + ((uint64_t{1} << shift) - 1);
  }

 private:
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t largest_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_GENERATOR_LATENCY_HISTOGRAM_H_
