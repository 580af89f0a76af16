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
  std::set<std::string> names;
  for (const auto& [key, pool] : pool_of_key) names.insert(pool);
  // What is gone may come back - disabled backends do - and must not count from 0 then. Not for
  // ever, though.
  if (backends_.size() > 2 * pool_of_key.size() + kFormer) {
    std::erase_if(backends_, [&](const auto& entry) { return !pool_of_key.contains(entry.first); });
  }
  if (all_pools_.size() > 2 * names.size() + kFormer) {
    std::erase_if(all_pools_, [&](const auto& entry) { return !names.contains(entry.first); });
  }
  for (auto& [key, backend] : backends_) backend.pool.clear();
  for (const auto& [key, pool] : pool_of_key) backends_[key].pool = pool;
  for (const std::string& name : names) all_pools_[name];
  probed_pools_ = std::move(names);
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
