// See store_thread.h.
#include "controlplane/store_thread.h"

#include <glog/logging.h>

#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "controlplane/report/problem.h"
#include "lib/base/clock.h"
#include "lib/base/start_thread.h"

namespace guideway {
namespace {

// Of who asks for a status beside problems: a disk that hangs is no reason not to answer.
constexpr absl::Duration kFreshPatience = absl::Milliseconds(500);
constexpr absl::Duration kPlaceInterval = absl::Seconds(1);

const CommitOutcome& Stopping() {
  static const auto* const outcome =
      new CommitOutcome{CommitOutcome::kNotYet, "the control plane is stopping"};
  return *outcome;
}

}  // namespace

StoreThread::StoreThread(std::unique_ptr<ConfigStore> store, const std::string& audit_file,
                         Hooks hooks, absl::Duration hung_after)
    : hooks_(std::move(hooks)),
      hung_after_(hung_after),
      store_(std::move(store)),
      audit_(audit_file),
      changer_(
          store_.get(),
          [this](const v1::Config& config, CommitDone done) {
            PutInForce(config, std::move(done));
          },
          &audit_),
      rollback_timer_(loop_.get(), store_.get(), &changer_) {
  loop_->meter().DoNotLog();
  store_->SetCapacityCheck(hooks_.beyond_capacity);
  // Also what FILE changed while nothing ran, and a rollback whose time was up.
  audit_.Append({absl::Now(),
                 PeerIdentity::System(),
                 "start",
                 {},
                 store_->version(),
                 store_->last_rollback().empty() ? store_->source() : store_->last_rollback()});
  changer_.SetOnChange([this] {
    rollback_timer_.Update();
    Refresh();
  });
  Refresh();
}

StoreThread::~StoreThread() {
  loop_->Stop();
  if (thread_.joinable()) thread_.join();
}

absl::Status StoreThread::Start() {
  WatchPlace();
  return StartThread([this] { loop_->Run(); }, &thread_);
}

void StoreThread::Run(ChangeOrigin origin, ConfigChanger::Edit edit, ConfigChanger::Done done) {
  loop_->Post(
      [this, origin = std::move(origin), edit = std::move(edit), done = std::move(done)]() mutable {
        changer_.Run(std::move(origin), std::move(edit), std::move(done));
      });
}

void StoreThread::Reload() {
  Run(
      {PeerIdentity::System(), "reload"}, [](ConfigStore* store) { return store->Reload(); },
      [this](const absl::StatusOr<ConfigChanger::Result>& result) {
        if (!result.ok()) {
          store_->FileRefused(result.status());
          Refresh();
          LOG(ERROR) << "SIGHUP: the configuration stays as it is: " << result.status().message();
          return;
        }
        LOG(INFO) << "SIGHUP: configuration version " << result->version << ", "
                  << result->change.changes.size() << " changes";
      });
}

void StoreThread::StartSucceeded() {
  loop_->Post([this] { store_->StartSucceeded(); });
}

void StoreThread::PutInForce(const v1::Config& config, CommitDone done) {
  // First, since whoever begins to watch is told of it by the event or by the status.
  Refresh();
  const uint64_t ticket = ++last_ticket_;
  awaited_[ticket] = std::move(done);
  bool ending = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending = ending_;
    if (!ending) hooks_.on_version(store_->version());
  }
  if (ending) {
    Conclude(ticket, Stopping());
    return;
  }
  hooks_.set_config(std::make_shared<v1::Config>(config),
                    [this, loop = loop_, ticket](const CommitOutcome& outcome) {
                      loop->Post([this, ticket, outcome] { Conclude(ticket, outcome); });
                    });
}

void StoreThread::Conclude(uint64_t ticket, const CommitOutcome& outcome) {
  const auto found = awaited_.find(ticket);
  if (found == awaited_.end()) return;  // told at the end that it is not awaited any more
  const CommitDone done = std::move(found->second);
  awaited_.erase(found);
  done(outcome);
}

void StoreThread::WatchPlace() {
  if (!store_->WatchDirectory()) {
    hooks_.on_replaced();
    return;
  }
  loop_->After(kPlaceInterval, [this] { WatchPlace(); });
}

void StoreThread::Refresh() {
  std::vector<ProblemNote> more;
  if (!audit_.problem().empty()) {
    more.push_back({ProblemKind::kAuditLog, "audit.log", audit_.problem()});
  }
  view_.Refresh(store_.get(), std::move(more));
}

void StoreThread::AddHung(v1::GetStatusResponse* status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!asked_at_.has_value() || MonotonicNow() - *asked_at_ < hung_after_) return;
  AddProblem(ProblemKind::kStateNotKept, "state directory",
             "checking or writing the configuration takes very long: does the disk of "
             "--state_directory hang?",
             status);
}

void StoreThread::FillStatus(v1::GetStatusResponse* status) {
  view_.Fill(status);
  AddHung(status);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (asked_at_.has_value()) return;
    asked_at_ = MonotonicNow();
  }
  loop_->Post([this] {
    Refresh();
    const std::lock_guard<std::mutex> lock(mutex_);
    asked_at_.reset();
  });
}

void StoreThread::FillFreshStatus(v1::GetStatusResponse* status) {
  if (view_.has_problems()) {
    const auto refreshed = std::make_shared<absl::Notification>();
    loop_->Post([this, refreshed] {
      Refresh();
      refreshed->Notify();
    });
    refreshed->WaitForNotificationWithTimeout(kFreshPatience);
  }
  view_.Fill(status);
  AddHung(status);
}

bool StoreThread::EndChanges(absl::Duration patience) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  if (!thread_.joinable()) return true;  // it could not be started: nothing is being done
  const auto ended = std::make_shared<absl::Notification>();
  loop_->Post([this, ended] {
    // An end in order is no failed start.
    if (store_->HoldsDirectory()) store_->StartSucceeded();
    changer_.Stop();
    while (!awaited_.empty()) Conclude(awaited_.begin()->first, Stopping());
    ended->Notify();
  });
  return ended->WaitForNotificationWithTimeout(patience);
}

}  // namespace guideway
