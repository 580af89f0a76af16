// The controller's probes, set anew in turns of the event loop.
#include <memory>
#include <utility>

#include "controlplane/controller_impl.h"
#include "lib/config/schema.h"

namespace guideway {

ProbePlanning::ProbePlanning(const v1::Config& config, v1::Config lingering_config,
                             const ProbePlanner::MakePath& make_path,
                             const ProbePlanner::IsPaused& is_paused)
    : lingering_config_(std::move(lingering_config)),
      configured_(config, make_path, is_paused),
      lingering_(lingering_config_, make_path, is_paused) {}

ProbePlan ProbePlanning::Take() {
  ProbePlan plan = configured_.Take();
  ProbePlan lingering = lingering_.Take();
  plan.targets.merge(lingering.targets);
  plan.uses_tunnel = plan.uses_tunnel || lingering.uses_tunnel;
  return plan;
}

void Controller::Impl::SetProbes() {
  ++plan_;
  planning_ = std::make_unique<ProbePlanning>(
      *config_, lingering_.ProbedConfig(*config_),
      [this](const TunnelTarget& target) { return probe_tunnel_.MakePath(target); },
      [this](const std::string& pool) { return guards_.IsPaused(pool); });
  PlanProbes();
}

void Controller::Impl::PlanProbes() {
  const absl::Duration end = loop_->Now() + EventLoop::kTurn;
  while (planning_->Step()) {
    if (loop_->Now() < end) continue;
    Later("plan_probes", [this] { PlanProbes(); });
    return;
  }
  ApplyProbes(std::make_shared<ProbePlan>(planning_->Take()), 0, end);
}

// Each step at once, but a turn of its own for the next one when time is up.
void Controller::Impl::ApplyProbes(const std::shared_ptr<const ProbePlan>& plan, int step,
                                   absl::Duration end) {
  for (; loop_->Now() < end; ++step) {
    switch (step) {
      case 0:
        pool_of_key_ = plan->pool_of_key;
        probe_statistics_.SetPools(pool_of_key_);
        probe_tunnel_.SetInUse(plan->uses_tunnel);
        break;
      case 1:
        prober_.SetTargets(plan->targets);
        break;
      case 2:
        guards_.SetConfig(*config_);
        break;
      case 3:
        guards_.SetProbes(plan->targets, pool_of_key_, loop_->Now());
        break;
      case 4:
        settling_.SetPools(plan->keys_by_pool, FromProto(config_->settle_time()), loop_->Now());
        UpdateSettling();
        break;
      default:
        background_.Dispose(plan);
        background_.Dispose(std::move(planning_));
        UpdateSoon();
        return;
    }
  }
  Later("set_probes",
        [this, plan, step] { ApplyProbes(plan, step, loop_->Now() + EventLoop::kTurn); });
}

// Of setting the probes: nothing comes of it if they are set anew before.
void Controller::Impl::Later(EventLoop::WorkName work, std::function<void()> step) {
  loop_->Post(
      [this, alive = alive_, plan = plan_, step = std::move(step)] {
        if (*alive && plan == plan_) step();
      },
      work);
}

}  // namespace guideway
