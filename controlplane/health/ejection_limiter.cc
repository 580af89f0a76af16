// See ejection_limiter.h.
#include "controlplane/health/ejection_limiter.h"

#include <algorithm>
#include <utility>

namespace guideway {
namespace {

std::string AddressOf(const std::string& key) {
  return key.substr(key.rfind('/') + 1);  // see BackendKey()
}

}  // namespace

void EjectionLimiter::SetPools(const std::map<std::string, Limit>& limits) {
  std::set<std::string> gone;
  for (const auto& [name, pool] : pools_) {
    if (!limits.contains(name)) gone.insert(name);
  }
  for (const std::string& name : gone) RemovePool(name);
  for (const auto& [name, limit] : limits) SetPool(name, limit);
}

bool EjectionLimiter::WasHeld(const std::string& key, const IsConfigured& is_configured) const {
  if (remembered_.contains(key)) return true;
  const std::string address = AddressOf(key);
  const auto is_former = [&](const std::string& held) {
    return AddressOf(held) == address && !(is_configured && is_configured(held));
  };
  return std::any_of(held_.begin(), held_.end(), is_former) ||
         std::any_of(remembered_.begin(), remembered_.end(), is_former);
}

void EjectionLimiter::SetPool(const std::string& name, Limit limit,
                              const IsConfigured& is_configured) {
  Pool& pool = pools_[name];
  for (const std::string& key : limit.keys) {
    if (pool.limit.keys.contains(key) || !WasHeld(key, is_configured)) continue;
    pool.in_service.insert(key);
    pool.budget_is_unknown = true;
    remembered_.erase(key);
  }
  for (const std::string& key : pool.limit.keys) {
    if (limit.keys.contains(key)) continue;
    pool.in_service.erase(key);
    held_.erase(key);
  }
  pool.limit = std::move(limit);
}

void EjectionLimiter::RemovePool(const std::string& name) {
  const auto found = pools_.find(name);
  if (found == pools_.end()) return;
  for (const std::string& key : found->second.limit.keys) held_.erase(key);
  pools_.erase(found);
}

const std::string* EjectionLimiter::NextPool(const std::string& name) const {
  const auto found = pools_.upper_bound(name);
  return found == pools_.end() ? nullptr : &found->first;
}

std::set<std::string> EjectionLimiter::Held() const {
  std::set<std::string> keys = held_;
  keys.insert(remembered_.begin(), remembered_.end());
  return keys;
}

void EjectionLimiter::Remember(std::set<std::string> keys, absl::Duration now) {
  remembered_ = std::move(keys);
  remembered_until_ = now + kRememberFor;
}

void EjectionLimiter::Update(const std::function<HealthState(const std::string&)>& state_of,
                             absl::Duration now) {
  if (now >= remembered_until_) remembered_.clear();
  for (auto& [name, pool] : pools_) UpdatePool(state_of, now, &pool);
}

void EjectionLimiter::UpdatePool(const std::function<HealthState(const std::string&)>& state_of,
                                 absl::Duration now, Pool* pool) {
  while (!pool->ejections.empty() && pool->ejections.front() + pool->limit.interval <= now) {
    pool->ejections.pop_front();
  }
  const size_t room = std::max<size_t>(1, pool->limit.keys.size() * pool->limit.percent / 100);
  if (std::exchange(pool->budget_is_unknown, false)) pool->ejections.assign(room, now);
  pool->holds = false;
  for (const std::string& key : pool->limit.keys) {
    const HealthState state = state_of(key);
    if (state == HealthState::kHealthy) {
      pool->in_service.insert(key);
      held_.erase(key);
      continue;
    }
    if (state != HealthState::kUnhealthy || !pool->in_service.contains(key)) continue;
    if (pool->ejections.size() < room) {
      pool->ejections.push_back(now);
      pool->in_service.erase(key);
      held_.erase(key);
    } else {
      held_.insert(key);
      pool->holds = true;
    }
  }
}

absl::Duration EjectionLimiter::NextRoom() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [name, pool] : pools_) {
    if (pool.holds) next = std::min(next, pool.ejections.front() + pool.limit.interval);
  }
  return next;
}

}  // namespace guideway
