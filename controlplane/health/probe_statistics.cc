#include "controlplane/health/probe_statistics.h"

#include <set>

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
  std::erase_if(pools_, [&](const auto& entry) { return !names.contains(entry.first); });
  std::erase_if(backends_, [&](const auto& entry) { return !pool_of_key.contains(entry.first); });
  for (const auto& [key, pool] : pool_of_key) backends_[key].pool = &pools_[pool];
}

void ProbeStatistics::Record(const std::string& key, ProbeResult::Outcome outcome,
                             absl::Duration took) {
  const auto found = backends_.find(key);
  if (found == backends_.end()) return;
  found->second.counts.Add(outcome, took);
  Pool& pool = *found->second.pool;
  pool.counts.Add(outcome, took);
  if (outcome != ProbeResult::Outcome::kNotRun) pool.durations.Add(absl::ToDoubleSeconds(took));
}

const ProbeCounts* ProbeStatistics::Find(const std::string& key) const {
  const auto found = backends_.find(key);
  return found == backends_.end() ? nullptr : &found->second.counts;
}

}  // namespace guideway
