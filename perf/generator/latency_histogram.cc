#include "perf/generator/latency_histogram.h"

#include <cmath>

namespace guideway {

uint64_t LatencyHistogram::Percentile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen > 0 && seen >= wanted) return std::min(LargestOf(bucket), largest_);
  }
  return largest_;
}

}  // namespace guideway
