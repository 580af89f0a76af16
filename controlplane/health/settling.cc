// Bookkeeping of the settle rule.
#include "controlplane/health/settling.h"

#include <algorithm>

namespace guideway {

void Settling::SetPools(const std::map<std::string, std::set<std::string>>& probed_keys_by_pool,
                        absl::Duration settle_time, absl::Duration now) {
  for (auto it = pools_.begin(); it != pools_.end();) {
    it = probed_keys_by_pool.contains(it->first) ? std::next(it) : pools_.erase(it);
  }
  for (const auto& [name, keys] : probed_keys_by_pool) {
    const auto [it, is_new] = pools_.try_emplace(name);
    Pool& pool = it->second;
    // Also a pool that is probed from now on: its backends had flows without any verdict.
    const bool begins = is_new || (!pool.has_probes && !keys.empty());
    pool.has_probes = !keys.empty();
    if (begins) {
      pool.settled = false;
      pool.deadline = now + settle_time;
      pool.waiting_for = keys;
    } else {
      std::erase_if(pool.waiting_for,
                    [&still = keys](const std::string& key) { return !still.contains(key); });
    }
  }
}

bool Settling::Update(const std::function<bool(const std::string&)>& has_verdict,
                      absl::Duration now) {
  bool any = false;
  for (auto& [name, pool] : pools_) {
    if (pool.settled) continue;
    // Only as far as the first that has none: this is called for every verdict, and there may be
    // ten thousand.
    while (!pool.waiting_for.empty() && has_verdict(*pool.waiting_for.begin())) {
      pool.waiting_for.erase(pool.waiting_for.begin());
    }
    if (!pool.waiting_for.empty() && now < pool.deadline) continue;
    pool.settled = true;
    pool.waiting_for.clear();
    any = true;
  }
  return any;
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
