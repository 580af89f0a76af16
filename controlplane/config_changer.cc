// See config_changer.h.
#include "controlplane/config_changer.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace guideway {

ConfigChanger::ConfigChanger(ConfigStore* store, SetConfig set_config)
    : store_(store), set_config_(std::move(set_config)) {}

void ConfigChanger::Run(Edit edit, Done done) {
  waiting_.push_back({std::move(edit), std::move(done)});
  if (!busy_) Next();
}

void ConfigChanger::Next() {
  while (!busy_ && !waiting_.empty()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    Start(std::move(next));
  }
}

void ConfigChanger::Start(Waiting waiting) {
  const ConfigStore::Snapshot before = store_->TakeSnapshot();
  auto change = waiting.edit(store_);
  if (!change.ok()) {
    waiting.done(change.status());
    return;
  }
  Result result{*std::move(change), store_->version()};
  if (result.version == before.version) {  // a dry run, or nothing changes
    waiting.done(std::move(result));
    return;
  }
  for (const std::string& line : result.change.changes) {
    LOG(INFO) << "configuration version " << result.version << ": " << line;
  }
  busy_ = true;
  set_config_(store_->config(),
              [this, before, result, done = std::move(waiting.done)](const CommitOutcome& outcome) {
                busy_ = false;
                Finish(before, result, done, outcome);
                Next();
              });
}

void ConfigChanger::Finish(const ConfigStore::Snapshot& before, Result result, const Done& done,
                           const CommitOutcome& outcome) {
  if (outcome.kind == CommitOutcome::kRefused) {
    LOG(ERROR) << "configuration version " << result.version
               << " is taken back: " << outcome.reason;
    store_->Restore(before);
    set_config_(store_->config(), [](const CommitOutcome&) {});
    done(absl::FailedPreconditionError(
        absl::StrCat("the data plane does not take it, all stays as it was: ", outcome.reason)));
    return;
  }
  if (outcome.kind == CommitOutcome::kNotYet) {
    result.change.warnings.push_back(absl::StrCat("kept, but not yet in force: ", outcome.reason));
    LOG(WARNING) << "configuration version " << result.version << ": "
                 << result.change.warnings.back();
  }
  done(std::move(result));
}

}  // namespace guideway
