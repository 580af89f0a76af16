// The controller's probes, set anew in turns of the event loop.
//
// Each part of the controller that has to do with probes says itself what is true between two of
// its steps. What holds over all of them:
// - Tables are not made before all is done, so that they never mix two configurations.
// - Backends that are new, or are asked something new, are not probed before the guards know them.
// - Verdicts and results that come in between go where they would go else; what they mean for
//   tables waits.
// - A newer change begins with the first part, from wherever this one has got to. Who has left the
//   configuration is found out against the last one that this was found out for.
#include <memory>
#include <utility>

#include "controlplane/controller_impl.h"
#include "lib/config/schema.h"

namespace guideway {

void Controller::Impl::SetProbes() {
  if (probe_change_ != nullptr) background_.Dispose(std::move(probe_change_));
  probe_change_ = std::make_shared<ProbeChange>();
  probe_change_->config = config_;
  // Not for a turn: what has led here has needed some of it.
  ContinueProbes(loop_->Now() + EventLoop::kTurn / 2);
}

void Controller::Impl::ContinueProbes(absl::Duration end) {
  ProbeChange& change = *probe_change_;
  const bool plans = change.part < ProbeChange::kBegin;
  while (change.part != ProbeChange::kDone) {
    if (!change.begun) {
      change.begun = true;
      BeginProbesPart();
    }
    if (!StepProbes()) {
      change.part = static_cast<ProbeChange::Part>(change.part + 1);
      change.begun = false;
    }
    if (loop_->Now() < end) continue;
    loop_->Post(
        [this, alive = alive_, which = std::weak_ptr<ProbeChange>(probe_change_)] {
          if (*alive && probe_change_ != nullptr && which.lock() == probe_change_) {
            ContinueProbes(loop_->Now() + EventLoop::kTurn);
          }
        },
        plans ? "plan_probes" : "set_probes");
    return;
  }
  background_.Dispose(std::move(probe_change_));
  UpdateSoon();
}

void Controller::Impl::BeginProbesPart() {
  ProbeChange& change = *probe_change_;
  switch (change.part) {
    case ProbeChange::kLingering:
      if (lingering_config_ == nullptr) {
        lingering_.BeginTakeUp(&tables_.registry(), change.config.get(), change.config.get());
      } else if (lingering_config_ != change.config) {
        lingering_.BeginChange(lingering_config_.get(), change.config.get());
      }
      break;
    case ProbeChange::kFormer:
      if (former_ != nullptr) {
        lingering_.BeginTakeUp(&tables_.registry(), change.config.get(), former_.get());
      }
      break;
    case ProbeChange::kLingeringConfig:
      change.lingering_config_maker.emplace(&lingering_, change.config.get());
      break;
    case ProbeChange::kPlan:
      MakePlanner(*change.config, &change.planner);
      break;
    case ProbeChange::kLingeringPlan:
      MakePlanner(change.lingering_config, &change.lingering_planner);
      break;
    case ProbeChange::kStatistics:
      probe_statistics_.BeginPools();
      change.next_key = pool_of_key_.begin();
      break;
    case ProbeChange::kTargets:
      prober_.BeginTargets(&change.plan.targets);
      break;
    case ProbeChange::kGuards:
      guards_.BeginConfig(change.config.get());
      break;
    case ProbeChange::kGuardsProbes:
      guards_.BeginProbes(&change.plan.targets, &pool_of_key_, &change.lingering_plan.pool_of_key);
      break;
    case ProbeChange::kSettling:
      settling_.BeginPools();
      change.next_pool = change.plan.keys_by_pool.begin();
      break;
    default:
      break;
  }
}

// False: the part is done.
bool Controller::Impl::StepProbes() {
  ProbeChange& change = *probe_change_;
  switch (change.part) {
    case ProbeChange::kLingering:
      return StepLingering();
    case ProbeChange::kFormer:
      if (lingering_.StepChange()) return true;
      // What is remembered of them counts for tables, also if their probes change nothing.
      if (former_ != nullptr) tables_.AllChanged();
      background_.Dispose(std::exchange(former_, nullptr));
      return false;
    case ProbeChange::kLingeringConfig:
      if (change.lingering_config_maker->Step()) return true;
      change.lingering_config = change.lingering_config_maker->Take();
      return false;
    case ProbeChange::kPlan:
      if (change.planner->Step()) return true;
      change.plan = change.planner->Take();
      return false;
    case ProbeChange::kLingeringPlan:
      if (change.lingering_planner->Step()) return true;
      change.lingering_plan = change.lingering_planner->Take();
      return false;
    case ProbeChange::kMerge:
      return StepMerge();
    case ProbeChange::kBegin:
      pool_of_key_.swap(change.plan.pool_of_key);
      probe_tunnel_.SetInUse(change.plan.uses_tunnel);
      return false;
    case ProbeChange::kStatistics:
      return StepStatistics();
    case ProbeChange::kTargets:
      return prober_.StepTargets();
    case ProbeChange::kGuards:
      return guards_.StepConfig();
    case ProbeChange::kGuardsProbes:
      return guards_.StepProbes(loop_->Now());
    case ProbeChange::kSettling:
      return StepSettling();
    case ProbeChange::kStarts:
      return prober_.StepStarts();
    case ProbeChange::kDone:
      return false;
  }
  return false;
}

void Controller::Impl::MakePlanner(const v1::Config& config, std::optional<ProbePlanner>* planner) {
  planner->emplace(
      config, [this](const TunnelTarget& target) { return probe_tunnel_.MakePath(target); },
      [this](const std::string& pool) { return guards_.IsPaused(pool); });
}

bool Controller::Impl::StepLingering() {
  if (lingering_.StepChange()) return true;
  if (lingering_config_ == nullptr && !lingering_.pools_not_found().empty()) {
    FindFormer(
        std::make_shared<FormerPools>(options_.state_directory, lingering_.pools_not_found()));
  }
  if (lingering_config_ != probe_change_->config) {
    background_.Dispose(std::exchange(lingering_config_, probe_change_->config));
  }
  return false;
}

// Version by version, so that nothing else waits for long.
void Controller::Impl::FindFormer(const std::shared_ptr<FormerPools>& search) {
  auto goes_on = std::make_shared<bool>();
  background_.Run([search, goes_on] { *goes_on = search->Step(); },
                  [this, search, goes_on] {
                    if (*goes_on) return FindFormer(search);
                    auto found = std::make_shared<v1::Config>(search->Take());
                    if (found->pools_size() == 0) return;
                    former_ = std::move(found);
                    SetProbes();
                  });
}

// Who lingers is probed like everybody, but of no pool that is shown.
bool Controller::Impl::StepMerge() {
  ProbePlan& plan = probe_change_->plan;
  ProbePlan& lingering = probe_change_->lingering_plan;
  plan.uses_tunnel = plan.uses_tunnel || lingering.uses_tunnel;
  if (lingering.targets.empty()) return false;
  plan.targets.insert(lingering.targets.extract(lingering.targets.begin()));
  return true;
}

bool Controller::Impl::StepStatistics() {
  auto& next = probe_change_->next_key;
  if (next == pool_of_key_.end()) return probe_statistics_.EndPools();
  probe_statistics_.SetPool(next->first, next->second);
  ++next;
  return true;
}

bool Controller::Impl::StepSettling() {
  auto& next = probe_change_->next_pool;
  if (next == probe_change_->plan.keys_by_pool.end()) return settling_.EndPools();
  const auto& [name, keys] = *next++;
  settling_.SetPool(name, keys, FromProto(config_->settle_time()), loop_->Now());
  settling_.UpdatePool(
      name, [this](const std::string& key) { return HealthOf(key) != HealthState::kUnknown; },
      loop_->Now());
  return true;
}

}  // namespace guideway
