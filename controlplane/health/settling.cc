// Bookkeeping of the settle rule.
#include "controlplane/health/settling.h"

#include <algorithm>

namespace guideway {

void Settling::SetPools(const std::map<std::string, std::set<std::string>>& probed_keys_by_pool,
                        absl::Duration settle_time, absl::Duration now) {
  BeginPools();
  for (const auto& [name, keys] : probed_keys_by_pool) SetPool(name, keys, settle_time, now);
  while (EndPools()) {
  }
}

void Settling::SetPool(const std::string& name, const std::set<std::string>& probed_keys,
                       absl::Duration settle_time, absl::Duration now) {
  const auto [it, is_new] = pools_.try_emplace(name);
  Pool& pool = it->second;
  pool.round = round_.number();
  // Also a pool that is probed from now on: its backends had flows without any verdict.
  const bool begins = is_new || (!pool.has_probes && !probed_keys.empty());
  pool.has_probes = !probed_keys.empty();
  if (begins) {
    pool.settled = false;
    pool.deadline = now + settle_time;
    pool.waiting_for = probed_keys;
  } else {
    std::erase_if(pool.waiting_for,
                  [&](const std::string& key) { return !probed_keys.contains(key); });
  }
}

bool Settling::Update(const HasVerdict& has_verdict, absl::Duration now) {
  bool any = false;
  for (auto& [name, pool] : pools_) any |= Update(has_verdict, now, &pool);
  return any;
}

bool Settling::UpdatePool(const std::string& name, const HasVerdict& has_verdict,
                          absl::Duration now) {
  const auto found = pools_.find(name);
  return found != pools_.end() && Update(has_verdict, now, &found->second);
}

bool Settling::Update(const HasVerdict& has_verdict, absl::Duration now, Pool* pool) {
  if (pool->settled) return false;
  // Only as far as the first that has none: this is called for every verdict, and there may be
  // ten thousand.
  while (!pool->waiting_for.empty() && has_verdict(*pool->waiting_for.begin())) {
    pool->waiting_for.erase(pool->waiting_for.begin());
  }
  if (!pool->waiting_for.empty() && now < pool->deadline) return false;
  pool->settled = true;
  pool->waiting_for.clear();
  return true;
}

bool Settling::OnVerdict(const std::string& pool, const std::string& key) {
  const auto found = pools_.find(pool);
  if (found == pools_.end() || found->second.settled) return false;
  found->second.waiting_for.erase(key);
  found->second.settled = found->second.waiting_for.empty();
  return found->second.settled;
}

bool Settling::IsSettling(const std::string& pool) const {
  const auto found = pools_.find(pool);
  return found != pools_.end() && !found->second.settled;
}

bool Settling::AnySettling() const {
  return std::any_of(pools_.begin(), pools_.end(),
                     [](const auto& entry) { return !entry.second.settled; });
}

absl::Duration Settling::NextDeadline() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [name, pool] : pools_) {
    if (!pool.settled) next = std::min(next, pool.deadline);
  }
  return next;
}

}  // namespace guideway
