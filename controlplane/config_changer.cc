// See config_changer.h.
#include "controlplane/config_changer.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace guideway {

namespace {

std::string RefusalText(const absl::Status& status) {
  return absl::StrCat("refused: ", status.message());
}

}  // namespace

ConfigChanger::ConfigChanger(ConfigStore* store, SetConfig set_config, AuditLog* audit)
    : store_(store), set_config_(std::move(set_config)), audit_(audit) {}

void ConfigChanger::Run(ChangeOrigin origin, Edit edit, Done done) {
  Waiting waiting{std::move(origin), std::move(edit), std::move(done)};
  if (stopped_) {
    Refuse(waiting);
    return;
  }
  waiting_.push_back(std::move(waiting));
  if (!started_.has_value()) Next();
}

void ConfigChanger::Stop() {
  stopped_ = true;
  for (const Waiting& waiting : std::exchange(waiting_, {})) Refuse(waiting);
}

void ConfigChanger::Refuse(const Waiting& waiting) {
  const absl::Status why = absl::UnavailableError("the control plane is stopping");
  Record(waiting.origin, {}, RefusalText(why));
  waiting.done(why);
}

void ConfigChanger::RecordOrder(const ChangeOrigin& origin, const std::string& change,
                                const absl::Status& status) {
  std::vector<std::string> changes;
  if (!change.empty()) changes.push_back(change);
  Record(origin, changes, status.ok() ? "in force" : RefusalText(status));
}

void ConfigChanger::Record(const ChangeOrigin& origin, const std::vector<std::string>& changes,
                           const std::string& result) {
  if (audit_ != nullptr && !origin.dry_run) {
    audit_->Append({absl::Now(), origin.who, origin.action, changes, store_->version(), result});
  }
  if (on_change_) on_change_();
}

void ConfigChanger::Next() {
  while (!started_.has_value() && !waiting_.empty()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    Start(std::move(next));
  }
}

void ConfigChanger::Start(Waiting waiting) {
  ConfigStore::Snapshot before = store_->TakeSnapshot();
  store_->SetOrigin(waiting.origin.who.ToString(), waiting.origin.action);
  auto change = waiting.edit(store_);
  if (!change.ok()) {
    Record(waiting.origin, {}, RefusalText(change.status()));
    waiting.done(change.status());
    return;
  }
  Result result{*std::move(change), store_->version()};
  if (result.version == before.current.info.version) {  // a dry run, a confirmation, or no change
    const bool confirmed =
        before.current.info.unconfirmed.has_value() && !store_->unconfirmed().has_value();
    Record(waiting.origin, result.change.changes, confirmed ? "confirmed" : "unchanged");
    waiting.done(std::move(result));
    return;
  }
  for (const std::string& line : result.change.changes) {
    LOG(INFO) << "configuration version " << result.version << ": " << line;
  }
  for (const std::string& line : result.change.warnings) {
    LOG(WARNING) << "configuration version " << result.version << ": " << line;
  }
  started_ = Started{std::move(before), std::move(waiting.origin), std::move(result),
                     std::move(waiting.done)};
  set_config_(store_->config(), [this](const CommitOutcome& outcome) {
    const Started started = *std::move(started_);
    started_.reset();
    Finish(started, outcome);
    Next();
  });
}

void ConfigChanger::Finish(const Started& change, const CommitOutcome& outcome) {
  const auto& [before, origin, made, done] = change;
  Result result = made;
  if (outcome.kind == CommitOutcome::kRefused) {
    LOG(ERROR) << "configuration version " << result.version
               << " is taken back: " << outcome.reason;
    store_->Restore(before);
    set_config_(store_->config(), [](const CommitOutcome&) {});
    Record(origin, result.change.changes, absl::StrCat("taken back: ", outcome.reason));
    done(absl::FailedPreconditionError(
        absl::StrCat("the data plane does not take it, all stays as it was: ", outcome.reason)));
    return;
  }
  for (const std::string& line : outcome.warnings) {
    LOG(WARNING) << "configuration version " << result.version << ": " << line;
    result.change.warnings.push_back(line);
  }
  if (outcome.kind == CommitOutcome::kNotYet) {
    result.change.warnings.push_back(absl::StrCat("kept, but not yet in force: ", outcome.reason));
    LOG(WARNING) << "configuration version " << result.version << ": "
                 << result.change.warnings.back();
  }
  Record(origin, result.change.changes,
         outcome.kind == CommitOutcome::kNotYet ? result.change.warnings.back() : "in force");
  done(std::move(result));
}

}  // namespace guideway
