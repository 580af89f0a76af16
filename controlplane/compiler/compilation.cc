// Compiling everything, bit by bit: indices, next hops, tables, VIPs. See compiler.h.
//
// A step takes a pool, a VIP or some records of the registry, so that whoever compiles on an event
// loop can stop after each. Tables are built elsewhere meanwhile.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/compiler/compiler.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

// A table of so many slots takes at most some 2 ms.
constexpr uint32_t kShortTable = 131101;
constexpr int kVipsOfStep = 50;
constexpr size_t kRecordsOfRetain = 500;
constexpr int kRecordsOfStep = 1000;

}  // namespace

absl::StatusOr<Compiled> Compiler::Compile(const CompilerInput& input) {
  // Not owned: it outlives the call.
  Begin(std::shared_ptr<const v1::Config>(std::shared_ptr<void>(), input.config));
  const bool at_once = std::exchange(at_once_, true);
  const auto done = Continue(input, [] { return false; });
  at_once_ = at_once;
  if (!done.ok()) return done.status();
  return Take();
}

Compiled Compiler::Take(std::shared_ptr<void>* rest) {
  Compiled result = std::move(job_->result);
  std::shared_ptr<void> left = Abandon();
  if (rest != nullptr) *rest = std::move(left);
  return result;
}

// The job itself ends here: what is built for it elsewhere finds it gone.
std::shared_ptr<void> Compiler::Abandon() {
  if (job_ == nullptr) return nullptr;
  auto left = std::make_shared<Job>(std::move(*job_));
  job_.reset();
  return left;
}

absl::StatusOr<bool> Compiler::Continue(const CompilerInput& input, const TimeIsUp& time_is_up,
                                        const std::function<void(const v1::Pool&)>& prepare) {
  const absl::Status ran = RunSteps(input, time_is_up, prepare);
  if (!ran.ok()) {
    job_.reset();
    return ran;
  }
  job_->first_turn = false;
  return job_->phase == Phase::kDone;
}

absl::Status Compiler::RunSteps(const CompilerInput& input, const TimeIsUp& time_is_up,
                                const std::function<void(const v1::Pool&)>& prepare) {
  while (CanContinue()) {
    GW_RETURN_IF_ERROR(Step(input, prepare));
    if (time_is_up()) break;
  }
  return absl::OkStatus();
}

bool Compiler::AllPoolsAreAssigned() const { return job_->next == job_->config->pools_size(); }

bool Compiler::CanContinue() const {
  if (job_ == nullptr) return false;
  switch (job_->phase) {
    case Phase::kNextHops:
      return !awaits_next_hops_ || !awaits_next_hops_();
    case Phase::kPools:
      return !job_->finished.empty() || !AllPoolsAreAssigned() || job_->building == 0;
    case Phase::kDone:
      return false;
    default:
      return true;
  }
}

void Compiler::NextPhase() {
  job_->phase = static_cast<Phase>(static_cast<int>(job_->phase) + 1);
  job_->next = 0;
  job_->after.clear();
}

void Compiler::RetainSome(const CompilerInput& input) {
  const auto next = registry_->RetainPart(job_->keys, input.steady_now, LingerLimit(*job_->config),
                                          job_->after, kRecordsOfRetain);
  if (next.has_value()) {
    job_->after = *next;
  } else {
    NextPhase();
  }
}

absl::Status Compiler::PoolStep(const CompilerInput& input, const v1::Pool& pool) {
  GW_RETURN_IF_ERROR(PlacePool(input, pool, &job_->result));
  Assignment assignment = Assign(input, pool, job_->gone, job_->result);
  const bool now = !assignment.build.has_value() || build_elsewhere_ == nullptr || at_once_ ||
                   (job_->first_turn && IsShort(*assignment.build));
  if (now) {
    return AssignSlots(assignment, PoolSlotsBuilder::RunIfAny(assignment.build), &job_->result);
  }
  ++job_->building;
  const PoolSlotsBuilder::Build build = *assignment.build;
  build_elsewhere_(build, [this, job = std::weak_ptr<Job>(job_),
                           assignment = std::move(assignment)](auto built) {
    const std::shared_ptr<Job> into = job.lock();
    if (into == nullptr) return;  // given up
    --into->building;
    into->finished.push_back({assignment, std::move(built)});
    on_built_();
  });
  return absl::OkStatus();
}

absl::Status Compiler::Step(const CompilerInput& input,
                            const std::function<void(const v1::Pool&)>& prepare) {
  Job& job = *job_;
  const v1::Config& config = *job.config;
  switch (job.phase) {
    case Phase::kKeys:
    case Phase::kRegister:
      if (AllPoolsAreAssigned()) {
        NextPhase();
        return absl::OkStatus();
      }
      if (job.phase == Phase::kKeys) {
        AddBackendKeys(config.pools(job.next++), &job.keys);
        return absl::OkStatus();
      }
      return Register(input, config.pools(job.next++));
    case Phase::kRetain:
      RetainSome(input);
      return absl::OkStatus();
    case Phase::kIncarnations:
      NoteIncarnations();
      return absl::OkStatus();
    case Phase::kForget:
      reachability_.set_ports_are_known(!input.ports.empty());
      if (!ForgetSome(input.steady_now)) NextPhase();
      return absl::OkStatus();
    case Phase::kRegistered:
      if (on_registered_) on_registered_();
      NextPhase();
      return absl::OkStatus();
    case Phase::kNextHops:
      NextPhase();
      return absl::OkStatus();
    case Phase::kPools: {
      if (!job.finished.empty()) {
        Finished finished = std::move(job.finished.back());
        job.finished.pop_back();
        return Annotate(AssignSlots(finished.assignment, std::move(finished.built), &job.result),
                        absl::StrCat("pool ", finished.assignment.pool->name()));
      }
      if (AllPoolsAreAssigned()) {
        NextPhase();
        return absl::OkStatus();
      }
      const v1::Pool& pool = config.pools(job.next++);
      if (prepare) prepare(pool);
      return Annotate(PoolStep(input, pool), absl::StrCat("pool ", pool.name()));
    }
    case Phase::kLingering:
      return PlaceLingering(input);
    case Phase::kVips:
      for (int i = 0; i < kVipsOfStep && job.next < config.vips_size(); ++i) {
        GW_RETURN_IF_ERROR(PlaceVip(config.vips(job.next++)));
      }
      if (job.next == config.vips_size()) NextPhase();
      return absl::OkStatus();
    case Phase::kForgetSights:
      ForgetSights();
      NextPhase();
      return absl::OkStatus();
    case Phase::kDone:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

// Indices are given now, some records a step: whose index is another's by now is gone.
void Compiler::NoteIncarnations() {
  job_->incarnations.resize(channel::kMaxBackends);
  auto it = registry_->records().upper_bound(job_->after);
  for (int i = 0; i < kRecordsOfStep && it != registry_->records().end(); ++i, ++it) {
    job_->after = it->first;
    job_->incarnations[it->second.index] = it->second.incarnation;
  }
  if (it != registry_->records().end()) return;
  for (size_t index = 0; index < last_incarnations_.size(); ++index) {
    if (last_incarnations_[index] != 0 && job_->incarnations[index] != last_incarnations_[index]) {
      job_->gone.insert(static_cast<uint16_t>(index));
    }
  }
  NextPhase();
}

// What is kept by name, of names that are not there any more; false: all of it.
bool Compiler::ForgetSome(absl::Duration now) {
  std::set<std::string> names;
  if (job_->next == 1) {
    for (const v1::Vip& vip : job_->config->vips()) names.insert(vip.name());
  } else {
    for (const v1::Pool& pool : job_->config->pools()) names.insert(pool.name());
  }
  const auto is_gone = [&](const auto& entry) { return !names.contains(entry.first); };
  switch (job_->next++) {
    case 0:
      pool_indices_.Retain(names);
      return true;
    case 1:
      vips_.Retain(names);
      return true;
    default:
      std::erase_if(slots_, is_gone);
      std::erase_if(slow_starts_, is_gone);
      reachability_.BeginRound(now);
      return false;
  }
}

// Of backends that are not there any more.
void Compiler::ForgetSights() {
  next_hop_indices_.Retain(job_->next_hops_used);
  reachability_.EndRound();
  job_->result.next_step = std::min(job_->result.next_step, reachability_.NextStep());
  last_incarnations_ = std::move(job_->incarnations);
}

absl::StatusOr<bool> Compiler::UpdateHealth(const CompilerInput& input, const v1::Pool& pool,
                                            Compiled* compiled) {
  if (updates_->building.contains(pool.name())) return false;
  Assignment assignment = Assign(input, pool, {}, *compiled);
  if (assignment.build.has_value() && !IsShort(*assignment.build)) {
    updates_->building.insert(pool.name());
    const PoolSlotsBuilder::Build build = *assignment.build;
    // The pool itself may be gone when the table is there; then nobody takes what is finished.
    build_elsewhere_(build, [this, updates = std::weak_ptr<Updates>(updates_), name = pool.name(),
                             assignment = std::move(assignment)](auto built) {
      const std::shared_ptr<Updates> into = updates.lock();
      if (into == nullptr) return;
      into->building.erase(name);
      into->finished.push_back({assignment, std::move(built)});
      on_built_();
    });
    return false;
  }
  GW_RETURN_IF_ERROR(
      Annotate(AssignSlots(assignment, PoolSlotsBuilder::RunIfAny(assignment.build), compiled),
               absl::StrCat("pool ", pool.name())));
  return true;
}

absl::StatusOr<std::vector<std::string>> Compiler::TakeBuilt(Compiled* compiled) {
  std::vector<std::string> pools;
  for (Finished& finished : std::exchange(updates_->finished, {})) {
    const std::string& name = finished.assignment.pool->name();
    GW_RETURN_IF_ERROR(
        Annotate(AssignSlots(finished.assignment, std::move(finished.built), compiled),
                 absl::StrCat("pool ", name)));
    pools.push_back(name);
  }
  return pools;
}

bool Compiler::IsShort(const PoolSlotsBuilder::Build& build) const {
  return build_elsewhere_ == nullptr || build.slot_count <= kShortTable;
}

}  // namespace guideway
