// See lingering.h.
#include "controlplane/lingering.h"

#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "controlplane/compiler/compiler.h"

namespace guideway {
namespace {

v1::Pool WithoutBackends(const v1::Pool& pool) {
  v1::Pool settings = pool;
  settings.clear_backends();
  return settings;
}

}  // namespace

std::shared_ptr<const LingeringProbes::Pool> LingeringProbes::AsItIs(const v1::Pool& pool,
                                                                     const v1::Config& config) {
  auto made = std::make_shared<Pool>();
  made->settings = WithoutBackends(pool);
  for (const v1::Vip& vip : config.vips()) {
    if (vip.pool() == pool.name()) made->old_vips.emplace(vip.address(), vip);
  }
  return made;
}

void LingeringProbes::Add(const v1::Pool& pool, const v1::Backend& backend,
                          std::shared_ptr<const Pool> was) {
  backends_[BackendKey(pool.name(), backend.name(), backend.address())] = {pool.name(), backend,
                                                                           std::move(was)};
}

void LingeringProbes::BeginChange(const v1::Config* before, const v1::Config* after) {
  change_ = Change{};
  change_.before = before;
  change_.after = after;
  change_.configured = PoolsByName(*after);
}

void LingeringProbes::BeginTakeUp(const BackendRegistry* registry, const v1::Config* config,
                                  const v1::Config* pools) {
  change_ = Change{};
  pools_not_found_.clear();
  change_.registry = registry;
  change_.after = config;
  change_.configured = PoolsByName(*config);
  change_.former = pools;
  change_.pools = PoolsByName(*pools);
}

bool LingeringProbes::StepChange() {
  if (change_.registry != nullptr) return StepTakeUp();
  if (change_.before == nullptr) return false;
  if (!change_.are_back) {
    const auto next = backends_.upper_bound(change_.after_key);
    if (next == backends_.end()) {
      change_.are_back = true;
      return true;
    }
    change_.after_key = next->first;
    if (change_.configured.HasBackend(next->first)) backends_.erase(next);
    return true;
  }
  if (change_.next_pool == change_.before->pools_size()) {
    change_ = Change{};
    return false;
  }
  AddGone(change_.before->pools(change_.next_pool++));
  return true;
}

// Those of a pool as it was who are not there any more.
void LingeringProbes::AddGone(const v1::Pool& pool) {
  const v1::Pool* now = change_.configured.Find(pool.name());
  std::set<std::pair<absl::string_view, absl::string_view>> there;  // names and addresses
  if (now != nullptr) {
    for (const v1::Backend& backend : now->backends()) {
      there.emplace(backend.name(), backend.address());
    }
  }
  std::shared_ptr<const Pool> was;
  for (const v1::Backend& backend : pool.backends()) {
    if (there.contains({backend.name(), backend.address()})) continue;
    if (was == nullptr) was = pools_[pool.name()] = AsItIs(pool, *change_.before);
    Add(pool, backend, was);
  }
}

bool LingeringProbes::StepTakeUp() {
  const auto& records = change_.registry->records();
  const auto next = records.upper_bound(change_.after_key);
  if (next == records.end()) {
    change_ = Change{};
    return false;
  }
  const std::string& key = next->first;
  change_.after_key = key;
  if (change_.configured.HasBackend(key)) {
    backends_.erase(key);  // taken up for a configuration that was given up
    return true;
  }
  if (backends_.contains(key)) return true;
  const std::vector<std::string> parts = absl::StrSplit(key, absl::MaxSplits('/', 2));
  const v1::Pool* pool = change_.pools.Find(parts[0]);
  if (parts.size() != 3) return true;
  if (pool == nullptr) {
    pools_not_found_.insert(parts[0]);
    return true;
  }
  v1::Backend backend;
  backend.set_name(parts[1]);
  backend.set_address(parts[2]);
  backend.set_state(v1::ENABLED);
  std::shared_ptr<const Pool>& was = pools_[pool->name()];
  if (was == nullptr) was = AsItIs(*pool, *change_.former);
  Add(*pool, backend, was);
  return true;
}

bool LingeringProbes::Retain(const BackendRegistry& registry) {
  const auto dropped = std::erase_if(backends_, [&](const auto& entry) {
    const auto found = registry.records().find(entry.first);
    return found == registry.records().end() || !found->second.lingers();
  });
  std::set<std::string> used;
  for (const auto& [key, backend] : backends_) used.insert(backend.pool);
  std::erase_if(pools_, [&](const auto& entry) { return !used.contains(entry.first); });
  return dropped != 0;
}

LingeringProbes::ProbedConfig::ProbedConfig(const LingeringProbes* lingering,
                                            const v1::Config* config)
    : lingering_(*lingering), config_(*config) {
  if (lingering_.backends_.empty()) return;
  made_.set_source_prefix_ipv4(config_.source_prefix_ipv4());
  made_.set_source_prefix_ipv6(config_.source_prefix_ipv6());
}

bool LingeringProbes::ProbedConfig::Step() {
  if (lingering_.backends_.empty()) return false;
  if (!backends_are_in_) {
    const auto next = lingering_.backends_.upper_bound(after_);
    if (next != lingering_.backends_.end()) {
      after_ = next->first;
      AddBackend(next->second);
    } else {
      backends_are_in_ = true;
    }
    return true;
  }
  if (next_vip_ == config_.vips_size()) return false;
  AddVip(config_.vips(next_vip_++));
  return true;
}

void LingeringProbes::ProbedConfig::AddBackend(const Backend& backend) {
  v1::Pool*& pool = pools_[backend.was.get()];
  if (pool == nullptr) {
    pool = made_.add_pools();
    const Pool& was = *backend.was;
    *pool = was.settings;
    pool_names_.insert(backend.pool);
    for (const auto& [address, vip] : was.old_vips) old_by_address_[address].push_back(&vip);
  }
  *pool->add_backends() = backend.settings;
}

void LingeringProbes::ProbedConfig::AddVip(const v1::Vip& vip) {
  if (pool_names_.contains(vip.pool())) *made_.add_vips() = vip;
  const auto old = old_by_address_.find(vip.address());
  if (old == old_by_address_.end()) return;
  for (const v1::Vip* was : old->second) {
    if (was->pool() != vip.pool()) *made_.add_vips() = *was;
  }
}

}  // namespace guideway
