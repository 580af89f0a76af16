// The controller's care for backends that linger or cannot be reached, and what it says of them.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/controller_impl.h"
#include "controlplane/report/problem.h"
#include "lib/config/pool_probes.h"

namespace guideway {
namespace {

// So long it is named that removed backends had to give way.
constexpr absl::Duration kEvictionShown = absl::Minutes(10);
// A piece of work there takes some milliseconds, or as long as the disk does.
constexpr absl::Duration kBackgroundHangs = absl::Seconds(2);
// Pools and backends without a probe, a second.
constexpr int kLookedAt = 2000, kAskedFor = 100;

}  // namespace

void Controller::Impl::OnProbed(const std::string& key, ProbeResult::Outcome outcome,
                                absl::Duration took) {
  probe_statistics_.Record(key, outcome, took);
  if (outcome != ProbeResult::Outcome::kNotRun) {
    guards_.OnAnswer(key, loop_->Now() - took, loop_->Now());
  }
  if (outcome != ProbeResult::Outcome::kFailure) return;
  // It may be gone, and the kernel would not notice: it does not see the packets sent there.
  const auto address = IpAddress::Parse(key.substr(key.rfind('/') + 1));  // see BackendKey()
  if (address.ok()) resolver_.Doubt(*address);
}

// Removed backends go when they have no flows any more; those that have some are looked after.
void Controller::Impl::ObserveLingering() {
  if (counted_instance_ != session_.welcome().instance) tables_.ForgetFlowCounts();
  counted_instance_ = session_.welcome().instance;
  tables_.ObserveFlows(
      [this](uint16_t index) { return counters_->backend_flows[index].active_flows; },
      loop_->Now());
  tables_.registry().ForEachLingering([this](const BackendRegistry::Record& record) {
    if (record.empty_since == absl::InfiniteDuration()) resolver_.Doubt(record.address);
  });
  if (tables_.changed()) UpdateSoon();
}

// Nothing else would tell that a backend without a probe is dead: the kernel believes for a minute
// in neighbours that it does not hear of. A part of them, each second.
void Controller::Impl::DoubtUnprobed() {
  int looked = 0, asked = 0;
  for (; looked < kLookedAt && asked < kAskedFor && config_->pools_size() > 0; ++looked) {
    if (doubted_pool_ >= config_->pools_size()) doubted_pool_ = 0;
    const v1::Pool& pool = config_->pools(doubted_pool_);
    if (HasProbes(pool) || doubted_backend_ >= pool.backends_size()) {
      ++doubted_pool_;
      doubted_backend_ = 0;
      continue;
    }
    const v1::Backend& backend = pool.backends(doubted_backend_++);
    if (backend.state() == v1::DISABLED) continue;
    const auto address = IpAddress::Parse(backend.address());
    if (!address.ok()) continue;
    resolver_.Doubt(*address);
    ++asked;
  }
}

// Says with the outcome what of the change gets no flows.
CommitDone Controller::Impl::WithWarnings(std::shared_ptr<const v1::Config> before,
                                          CommitDone done) {
  if (done == nullptr) return nullptr;
  return [this, before = std::move(before), done = std::move(done)](CommitOutcome outcome) mutable {
    outcome.warnings = unreachable_.Warnings(*before, *config_);
    background_.Dispose(std::move(before));
    done(outcome);
  };
}

void Controller::Impl::FillProblems(v1::GetStatusResponse* status) const {
  std::string slow = loop_->meter().Problem(loop_->Now());
  if (!slow.empty()) AddProblem(ProblemKind::kLoopSlow, "", std::move(slow), status);
  if (background_.BusyFor() >= kBackgroundHangs) {
    AddProblem(ProblemKind::kStateNotKept, "indices",
               "writing the indices of backends, or making a table, takes very long, and no change "
               "comes into force meanwhile: does the disk of --state_directory hang?",
               status);
  }
  const BackendRegistry::Evictions& evictions = tables_.registry().evictions();
  if (loop_->Now() - evictions.last_at > kEvictionShown) return;
  AddProblem(ProblemKind::kRemovedBackendsCut, "",
             absl::StrCat(evictions.count,
                          " removed backends lost their flows since the start because all backend "
                          "indices are in use, the last one: ",
                          evictions.last_key),
             status);
}

}  // namespace guideway
