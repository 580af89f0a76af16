// See problem_watch.h.
#include "controlplane/report/problem_watch.h"

#include <algorithm>
#include <utility>

#include "controlplane/report/verdict.h"
#include "glog/logging.h"

namespace guideway {
namespace {

bool IsAmong(const v1::Problem& problem, const std::vector<v1::Problem>& others) {
  return std::any_of(others.begin(), others.end(), [&](const v1::Problem& other) {
    return problem.kind() == other.kind() && problem.thing() == other.thing() &&
           problem.text() == other.text();
  });
}

bool SameThingIsAmong(const v1::Problem& problem, const std::vector<v1::Problem>& others) {
  return std::any_of(others.begin(), others.end(), [&](const v1::Problem& other) {
    return problem.kind() == other.kind() && problem.thing() == other.thing();
  });
}

}  // namespace

ProblemWatch::ProblemWatch(EventLoop* loop, ProblemWatchHooks hooks)
    : loop_(loop), hooks_(std::move(hooks)) {
  LookLater();
}

ProblemWatch::~ProblemWatch() { loop_->Cancel(timer_); }

void ProblemWatch::LookLater() {
  next_look_ = loop_->Now() + kInterval;
  Wait();
}

void ProblemWatch::Wait() {
  const absl::Duration rest = next_look_ - loop_->Now();
  timer_ = loop_->After(hooks_.fill_urgent ? std::min(kGlance, rest) : rest, [this] {
    if (!UrgentHasChanged() && loop_->Now() < next_look_) {
      Wait();
      return;
    }
    cursor_ = StateCursor();
    state_.Clear();
    Continue();
  });
}

bool ProblemWatch::UrgentHasChanged() {
  if (!hooks_.fill_urgent) return false;
  v1::GetStatusResponse status;
  hooks_.fill_urgent(&status);
  std::vector<v1::Problem> now(status.problems().begin(), status.problems().end());
  const bool changed = now.size() != urgent_.size() ||
                       !std::all_of(now.begin(), now.end(), [this](const v1::Problem& problem) {
                         return SameThingIsAmong(problem, urgent_);
                       });
  urgent_ = std::move(now);
  return changed;
}

void ProblemWatch::Continue() {
  if (hooks_.fill_state_part(kItemsPerTurn, &cursor_, &state_)) {
    Conclude();
    LookLater();
    return;
  }
  timer_ = loop_->After(absl::ZeroDuration(), [this] { Continue(); });
}

void ProblemWatch::Conclude() {
  v1::GetStatusResponse status;
  hooks_.fill_status(&status);
  CompleteVerdict(state_, &status);
  std::vector<v1::Problem> now(status.problems().begin(), status.problems().end());
  bool changed = now.size() != known_.size();
  for (const v1::Problem& problem : now) {
    if (IsAmong(problem, known_)) continue;
    changed = true;
    LOG(WARNING) << "problem " << problem.kind() << ": " << problem.text();
  }
  for (const v1::Problem& problem : known_) {
    if (SameThingIsAmong(problem, now)) continue;
    changed = true;
    LOG(INFO) << "no longer a problem: " << problem.kind() << ": " << problem.text();
  }
  known_ = std::move(now);
  if (!changed) return;
  v1::WatchEvent event;
  *event.mutable_problems()->mutable_problems() = {known_.begin(), known_.end()};
  hooks_.publish(std::move(event));
}

}  // namespace guideway
