// Awaits what the data plane says to a configuration, on behalf of whoever has changed it.
//
// One configuration at a time: a newer one ends the wait for the one before. Thread safety: loop
// thread only.
#ifndef GUIDEWAY_CONTROLPLANE_COMMIT_WAIT_H_
#define GUIDEWAY_CONTROLPLANE_COMMIT_WAIT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "controlplane/config_changer.h"
#include "controlplane/event_loop.h"

namespace guideway {

class CommitWait {
 public:
  // `why_late` says what holds up the data plane, if that is known; may be null.
  explicit CommitWait(EventLoop* loop, std::function<std::string()> why_late = nullptr)
      : loop_(loop), why_late_(std::move(why_late)) {}
  ~CommitWait() { loop_->Cancel(timer_); }
  CommitWait(const CommitWait&) = delete;
  CommitWait& operator=(const CommitWait&) = delete;

  // `done` (null: nobody waits) is called once, later: after 5 s if Sent() has not come by then,
  // 2 s after it at the latest.
  void Begin(CommitDone done);
  // The configuration's tables have this ticket, the newest there is: a refusal of it or of newer
  // ones counts, and so does the commit. `sent`: why they are not on their way; ok if they are.
  // Ignored for all tables but the first.
  void Sent(uint64_t ticket, const absl::Status& sent);
  // What became of some tables. True if that was the answer that was awaited.
  bool OnOutcome(uint64_t ticket, const absl::Status& outcome);
  // Ends the wait, and every later one as soon as it begins.
  void Stop();

 private:
  // With `unless`, or with what `why` has to say then.
  void FinishAfter(absl::Duration wait, const CommitOutcome& unless,
                   std::function<std::string()> why = nullptr);
  void Finish(const CommitOutcome& outcome);

  EventLoop* const loop_;
  const std::function<std::string()> why_late_;
  CommitDone done_;
  uint64_t ticket_ = 0;
  bool sent_ = false;  // the ticket is known
  EventLoop::TimerId timer_ = 0;
  bool stopping_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMMIT_WAIT_H_
