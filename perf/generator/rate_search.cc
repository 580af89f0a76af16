#include "perf/generator/rate_search.h"

namespace guideway {

std::optional<double> RateSearch::Next() const {
  if (trials_ >= options_.trials) return std::nullopt;
  if (!any_failed_) return passed_ < failed_ ? std::optional(failed_) : std::nullopt;
  if (failed_ - passed_ <= options_.resolution) return std::nullopt;
  return (passed_ + failed_) / 2;
}

void RateSearch::Report(bool passed) {
  const std::optional<double> rate = Next();
  if (!rate.has_value()) return;
  ++trials_;
  if (passed) {
    passed_ = *rate;
    failures_of_rate_ = 0;
  } else if (++failures_of_rate_ >= options_.attempts) {
    failed_ = *rate;
    any_failed_ = true;
    failures_of_rate_ = 0;
  }
}

}  // namespace guideway
