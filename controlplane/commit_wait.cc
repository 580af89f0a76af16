// See commit_wait.h.
#include "controlplane/commit_wait.h"

#include <string>
#include <utility>

namespace guideway {
namespace {

// How long a change waits for the data plane's word.
constexpr absl::Duration kPatience = absl::Seconds(2);

}  // namespace

void CommitWait::Begin(CommitDone done, uint64_t first_ticket, uint64_t last_ticket,
                       const absl::Status& sent) {
  Finish({CommitOutcome::kNotYet, "a newer configuration has come"});
  if (!done) return;
  done_ = std::move(done);
  first_ticket_ = first_ticket;
  last_ticket_ = last_ticket;
  absl::Duration wait = kPatience;
  CommitOutcome unless{CommitOutcome::kNotYet, "the data plane has not taken it within 2 s"};
  if (!sent.ok()) {
    wait = absl::ZeroDuration();
    unless.reason = std::string(sent.message());
    if (!absl::IsUnavailable(sent)) unless.kind = CommitOutcome::kRefused;
  }
  if (stopping_) {
    Stop();
    return;
  }
  timer_ = loop_->After(wait, [this, unless, sent = sent.ok()] {
    timer_ = 0;
    const std::string why = sent && why_late_ ? why_late_() : "";
    Finish(why.empty() ? unless : CommitOutcome{CommitOutcome::kNotYet, why});
  });
}

bool CommitWait::OnOutcome(uint64_t ticket, const absl::Status& outcome) {
  if (!done_) return false;
  if (outcome.ok()) {
    if (ticket < last_ticket_) return false;
    Finish({});
  } else {
    if (ticket < first_ticket_) return false;
    Finish({CommitOutcome::kRefused, std::string(outcome.message())});
  }
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
