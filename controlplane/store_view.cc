// See store_view.h.
#include "controlplane/store_view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "controlplane/report/problem.h"

namespace guideway {

void StoreView::Refresh(ConfigStore* store, std::vector<ProblemNote> more) {
  std::vector<ProblemNote> problems = store->Problems();
  std::move(more.begin(), more.end(), std::back_inserter(problems));
  const std::lock_guard<std::mutex> lock(mutex_);
  version_ = store->version();
  source_ = store->source();
  problems_ = std::move(problems);
  confirm_by_.reset();
  if (store->unconfirmed().has_value()) {
    confirm_by_ = store->unconfirmed()->deadline;
    rollback_to_ = store->unconfirmed()->rollback_to;
  }
  last_rollback_ = store->last_rollback();
}

void StoreView::Fill(v1::GetStatusResponse* status) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  status->set_config_version(version_);
  status->set_config_source(source_);
  for (const ProblemNote& problem : problems_) AddProblem(problem, status);
  if (confirm_by_.has_value()) {
    const absl::Duration left = *confirm_by_ - absl::Now();
    status->set_confirm_within_ms(
        static_cast<uint64_t>(std::max<int64_t>(1, absl::ToInt64Milliseconds(left))));
    status->set_confirm_rollback_to(rollback_to_);
  }
  status->set_last_rollback(last_rollback_);
}

bool StoreView::has_problems() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !problems_.empty();
}

}  // namespace guideway
