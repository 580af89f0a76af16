// See update_latency.h.
#include "controlplane/update_latency.h"

#include <algorithm>
#include <cmath>

namespace guideway {

void UpdateLatency::Compiled(const std::string& pool) {
  const auto found = changed_.find(pool);
  if (found == changed_.end()) return;
  compiled_.insert(compiled_.end(), found->second.begin(), found->second.end());
  changed_.erase(found);
}

void UpdateLatency::Sent(uint64_t ticket) {
  for (const absl::Duration changed : compiled_) sent_.push_back({ticket, changed});
  compiled_.clear();
}

void UpdateLatency::InForce(uint64_t ticket, absl::Duration since) {
  for (; !sent_.empty() && sent_.front().ticket <= ticket; sent_.pop_front()) {
    if (took_.size() < kNewest) took_.resize(took_.size() + 1);
    took_[count_++ % kNewest] = since - sent_.front().changed;
  }
}

void UpdateLatency::Forget() {
  changed_.clear();
  compiled_.clear();
  sent_.clear();
}

absl::Duration UpdateLatency::Quantile(double share) const {
  if (took_.empty()) return absl::ZeroDuration();
  std::vector<absl::Duration> sorted = took_;
  const size_t last = sorted.size() - 1;
  const size_t rank =
      std::min(last, static_cast<size_t>(std::lround(share * static_cast<double>(last))));
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(rank), sorted.end());
  return sorted[rank];
}

}  // namespace guideway
