#include "controlplane/health/probe_statistics.h"

#include <utility>

namespace guideway {

void ProbeCounts::Add(ProbeResult::Outcome outcome, absl::Duration took) {
  switch (outcome) {
    case ProbeResult::Outcome::kSuccess:
      ++succeeded;
      break;
    case ProbeResult::Outcome::kFailure:
      ++failed;
      break;
    case ProbeResult::Outcome::kNotRun:
      ++not_run;
      return;
  }
  last_duration = took;
}

void ProbeStatistics::SetPools(const std::map<std::string, std::string>& pool_of_key) {
  BeginPools();
  for (const auto& [key, pool] : pool_of_key) SetPool(key, pool);
  while (EndPools()) {
  }
}

void ProbeStatistics::BeginPools() {
  ++round_;
  set_backends_ = 0;
  set_pools_.clear();
  forgets_.reset();
  looked_at_backends_ = false;
  looked_at_.clear();
}

void ProbeStatistics::SetPool(const std::string& key, const std::string& pool) {
  Backend& backend = backends_[key];
  if (backend.round != round_) ++set_backends_;
  backend.round = round_;
  if (backend.pool != pool) {
    all_pools_[pool];
    backend.pool = pool;
  }
  set_pools_.insert(pool);
}

// What is gone may come back - disabled backends do - and must not count from 0 then. Not for ever,
// though.
bool ProbeStatistics::EndPools() {
  if (!looked_at_backends_) {
    if (!forgets_.has_value()) forgets_ = backends_.size() > 2 * set_backends_ + kFormer;
    const auto next = backends_.upper_bound(looked_at_);
    if (next != backends_.end()) {
      looked_at_ = next->first;
      if (next->second.round == round_) return true;
      next->second.pool.clear();
      if (*forgets_) backends_.erase(next);
      return true;
    }
    looked_at_backends_ = true;
    looked_at_.clear();
    probed_pools_ = std::move(set_pools_);
    forgets_ = all_pools_.size() > 2 * probed_pools_.size() + kFormer;
  }
  const auto next = all_pools_.upper_bound(looked_at_);
  if (!*forgets_ || next == all_pools_.end()) return false;
  looked_at_ = next->first;
  if (!probed_pools_.contains(next->first)) all_pools_.erase(next);
  return true;
}

std::map<std::string, ProbeStatistics::Pool> ProbeStatistics::pools() const {
  std::map<std::string, Pool> pools;
  for (const std::string& name : probed_pools_) pools.emplace(name, all_pools_.at(name));
  return pools;
}

void ProbeStatistics::Record(const std::string& key, ProbeResult::Outcome outcome,
                             absl::Duration took) {
  const auto found = backends_.find(key);
  if (found == backends_.end() || found->second.pool.empty()) return;
  found->second.counts.Add(outcome, took);
  Pool& pool = all_pools_.at(found->second.pool);
  pool.counts.Add(outcome, took);
  if (outcome != ProbeResult::Outcome::kNotRun) pool.durations.Add(absl::ToDoubleSeconds(took));
}

const ProbeCounts* ProbeStatistics::Find(const std::string& key) const {
  const auto found = backends_.find(key);
  return found == backends_.end() ? nullptr : &found->second.counts;
}

}  // namespace guideway
