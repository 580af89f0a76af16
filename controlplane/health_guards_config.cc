// The guards' part of putting a configuration in force, step by step. See health_guards.h.
#include <algorithm>
#include <string>
#include <utility>

#include "controlplane/compiler/backend_registry.h"
#include "controlplane/health_guards.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

// Longer than default probes take to find a short fault of their way over, see CommonFailures.
constexpr absl::Duration kCommonFailureBound = absl::Seconds(60);

}  // namespace

void HealthGuards::SetConfig(const v1::Config& config) {
  BeginConfig(&config);
  while (StepConfig()) {
  }
}

void HealthGuards::BeginConfig(const v1::Config* config) {
  change_ = Change{};
  change_.config = config;
  change_.pools = PoolsByName(*config);
}

void HealthGuards::Change::Next(Phase next_phase) {
  phase = next_phase;
  after = {};
  after_name.clear();
  next = 0;
}

bool HealthGuards::StepConfig() {
  if (change_.config == nullptr) return false;
  switch (change_.phase) {
    case Change::kForced:
      StepForced();
      return true;
    case Change::kForcedKeys:
      StepForcedKeys();
      return true;
    case Change::kPaused:
      StepPaused();
      return true;
    case Change::kLimits:
      StepLimits();
      return true;
    case Change::kOldLimits:
      StepOldLimits();
      return true;
    case Change::kVips:
      StepVips();
      return true;
    case Change::kOldVips:
      return StepOldVips();
  }
  return false;
}

// Orders for backends: those that stay count for the address that they have now.
void HealthGuards::StepForced() {
  const auto next = overrides_.forced().upper_bound(change_.after);
  if (next == overrides_.forced().end()) {
    change_.Next(Change::kForcedKeys);
    return;
  }
  const auto [backend, healthy] = *next;
  change_.after = backend;
  if (const v1::Backend* found = change_.pools.Find(backend.first, backend.second)) {
    forced_[BackendKey(backend.first, backend.second, found->address())] = healthy;
  } else {
    forgotten_ |= overrides_.Force(backend, std::nullopt);
  }
}

void HealthGuards::StepForcedKeys() {
  const auto next = forced_.upper_bound(change_.after_name);
  if (next == forced_.end()) {
    change_.Next(Change::kPaused);
    return;
  }
  change_.after_name = next->first;
  if (!change_.pools.HasBackend(next->first)) forced_.erase(next);
}

void HealthGuards::StepPaused() {
  const auto next = overrides_.paused().upper_bound(change_.after_name);
  if (next == overrides_.paused().end()) {
    if (std::exchange(forgotten_, false) && on_forgotten_) on_forgotten_();
    change_.Next(Change::kLimits);
    return;
  }
  change_.after_name = *next;
  if (change_.pools.Find(change_.after_name) != nullptr) return;
  forgotten_ |= overrides_.Pause(change_.after_name, false);
}

void HealthGuards::StepLimits() {
  if (change_.next == change_.config->pools_size()) {
    change_.Next(Change::kOldLimits);
    return;
  }
  const v1::Pool& pool = change_.config->pools(change_.next++);
  if (!pool.has_ejection_limit()) return;
  EjectionLimiter::Limit limit{
      pool.ejection_limit().percent(), FromProto(pool.ejection_limit().interval()), {}};
  for (const v1::Backend& backend : pool.backends()) {
    std::string key = BackendKey(pool.name(), backend.name(), backend.address());
    if (prober_->Find(key) != nullptr) limit.keys.insert(std::move(key));
  }
  limiter_.SetPool(pool.name(), std::move(limit),
                   [this](const std::string& key) { return change_.pools.HasBackend(key); });
}

void HealthGuards::StepOldLimits() {
  const std::string* next = limiter_.NextPool(change_.after_name);
  if (next == nullptr) {
    change_.Next(Change::kVips);
    announcing_.BeginVips();
    return;
  }
  change_.after_name = *next;
  const v1::Pool* pool = change_.pools.Find(change_.after_name);
  if (pool == nullptr || !pool->has_ejection_limit()) limiter_.RemovePool(change_.after_name);
}

void HealthGuards::StepVips() {
  if (change_.next == change_.config->vips_size()) {
    // Each of these is known to whoever decides about announcing.
    vips_of_pool_.swap(change_.vips_of_pool);
    change_.Next(Change::kOldVips);
    return;
  }
  const v1::Vip& vip = change_.config->vips(change_.next++);
  announcing_.SetVip(vip.name(), {vip.withdraw_below(), vip.announce_from()});
  change_.vips_of_pool[vip.pool()].push_back(vip.name());
}

bool HealthGuards::StepOldVips() {
  if (announcing_.EndVips()) return true;
  if (!change_.vips_of_pool.empty()) {
    change_.vips_of_pool.erase(change_.vips_of_pool.begin());
    return true;
  }
  change_ = Change{};
  return false;
}

void HealthGuards::BeginProbes(const ProbeTargets* targets,
                               const std::map<std::string, std::string>* configured,
                               const std::map<std::string, std::string>* lingering) {
  probes_change_ = {targets, configured, lingering, targets->begin()};
  common_.BeginMembers(targets->size(), kCommonFailureBound);
}

bool HealthGuards::StepProbes(absl::Duration now) {
  if (probes_change_.targets == nullptr) return false;
  if (probes_change_.next == probes_change_.targets->end()) {
    if (common_.EndMembers(now)) return true;
    probes_change_ = {};
    return false;
  }
  const auto& [key, target] = *probes_change_.next++;
  auto pool = probes_change_.configured->find(key);
  CommonFailures::Member member;
  member.lingers = pool == probes_change_.configured->end();
  if (member.lingers) {
    pool = probes_change_.lingering->find(key);
    if (pool == probes_change_.lingering->end()) return true;
  }
  // What no VIP leads to finishes its flows, too.
  member.lingers = member.lingers || !vips_of_pool_.contains(pool->second);
  member.pool = pool->second;
  member.address = key.substr(key.rfind('/') + 1);  // see BackendKey()
  member.fall = 1;
  for (const ProbeTarget& probe : target.probes) {
    member.fall = std::max(member.fall, probe.fall);
    member.round =
        std::max(member.round, probe.interval * (1 + probe.jitter) + probe.request.timeout);
  }
  member.verdict = Probed(key);
  common_.SetMember(key, std::move(member), now);
  return true;
}

}  // namespace guideway
