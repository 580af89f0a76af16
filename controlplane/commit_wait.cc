// See commit_wait.h.
#include "controlplane/commit_wait.h"

#include <string>
#include <utility>

namespace guideway {
namespace {

// How long a change waits for the data plane's word.
constexpr absl::Duration kPatience = absl::Seconds(2);
// How long until its tables are made: clients wait 10 s.
constexpr absl::Duration kBuildPatience = absl::Seconds(5);

}  // namespace

void CommitWait::Begin(CommitDone done) {
  Finish({CommitOutcome::kNotYet, "a newer configuration has come"});
  if (!done) return;
  done_ = std::move(done);
  sent_ = false;
  if (stopping_) {
    Stop();
    return;
  }
  FinishAfter(kBuildPatience, {CommitOutcome::kNotYet, "its tables are still being made"});
}

void CommitWait::Sent(uint64_t ticket, const absl::Status& sent) {
  if (!done_ || sent_) return;
  sent_ = true;
  ticket_ = ticket;
  if (sent.ok()) {
    FinishAfter(kPatience, {CommitOutcome::kNotYet, "the data plane has not taken it within 2 s"},
                why_late_);
    return;
  }
  const bool waits = absl::IsUnavailable(sent);
  FinishAfter(absl::ZeroDuration(), {waits ? CommitOutcome::kNotYet : CommitOutcome::kRefused,
                                     std::string(sent.message())});
}

void CommitWait::FinishAfter(absl::Duration wait, const CommitOutcome& unless,
                             std::function<std::string()> why) {
  loop_->Cancel(timer_);
  timer_ = loop_->After(wait, [this, unless, why = std::move(why)] {
    timer_ = 0;
    const std::string known = why ? why() : "";
    Finish(known.empty() ? unless : CommitOutcome{CommitOutcome::kNotYet, known});
  });
}

bool CommitWait::OnOutcome(uint64_t ticket, const absl::Status& outcome) {
  if (!done_ || !sent_ || ticket < ticket_) return false;
  Finish(outcome.ok() ? CommitOutcome{}
                      : CommitOutcome{CommitOutcome::kRefused, std::string(outcome.message())});
  return true;
}

void CommitWait::Stop() {
  stopping_ = true;
  Finish({CommitOutcome::kNotYet, "the control plane is stopping"});
}

void CommitWait::Finish(const CommitOutcome& outcome) {
  if (!done_) return;
  loop_->Cancel(timer_);
  timer_ = 0;
  const CommitDone done = std::move(done_);
  done_ = nullptr;
  done(outcome);
}

}  // namespace guideway
