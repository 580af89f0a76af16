// See lingering.h.
#include "controlplane/lingering.h"

#include <set>
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

void LingeringProbes::Add(const v1::Pool& pool, const v1::Backend& backend,
                          const v1::Config& config) {
  const auto [it, is_new] = pools_.try_emplace(pool.name());
  if (is_new) it->second.settings = WithoutBackends(pool);
  for (const v1::Vip& vip : config.vips()) {
    if (is_new && vip.pool() == pool.name()) it->second.old_vips.emplace(vip.address(), vip);
  }
  backends_[BackendKey(pool.name(), backend.name(), backend.address())] = {pool.name(), backend};
}

void LingeringProbes::ConfigChanged(const v1::Config& before, const v1::Config& after) {
  const std::set<std::string> keys = BackendKeys(after);
  std::erase_if(backends_, [&](const auto& entry) { return keys.contains(entry.first); });
  for (const v1::Pool& pool : before.pools()) {
    std::vector<const v1::Backend*> gone;
    for (const v1::Backend& backend : pool.backends()) {
      if (!keys.contains(BackendKey(pool.name(), backend.name(), backend.address()))) {
        gone.push_back(&backend);
      }
    }
    if (gone.empty()) continue;
    pools_.erase(pool.name());  // as it is now, not as it was when others left
    for (const v1::Backend* backend : gone) Add(pool, *backend, before);
  }
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

void LingeringProbes::TakeUp(const BackendRegistry& registry, const v1::Config& config) {
  const std::set<std::string> keys = BackendKeys(config);
  std::map<std::string, const v1::Pool*> pools;
  for (const v1::Pool& pool : config.pools()) pools[pool.name()] = &pool;
  for (const auto& [key, record] : registry.records()) {
    if (keys.contains(key) || backends_.contains(key)) continue;
    const std::vector<std::string> parts = absl::StrSplit(key, absl::MaxSplits('/', 2));
    const auto pool = pools.find(parts[0]);
    if (parts.size() != 3 || pool == pools.end()) continue;
    v1::Backend backend;
    backend.set_name(parts[1]);
    backend.set_address(parts[2]);
    backend.set_state(v1::ENABLED);
    Add(*pool->second, backend, config);
  }
}

v1::Config LingeringProbes::ProbedConfig(const v1::Config& config) const {
  v1::Config probed;
  if (backends_.empty()) return probed;
  probed.set_source_prefix_ipv4(config.source_prefix_ipv4());
  probed.set_source_prefix_ipv6(config.source_prefix_ipv6());
  std::map<std::string, v1::Pool*> pools;
  for (const auto& [key, backend] : backends_) {
    v1::Pool*& pool = pools[backend.pool];
    if (pool == nullptr) {
      pool = probed.add_pools();
      *pool = pools_.at(backend.pool).settings;
    }
    *pool->add_backends() = backend.settings;
  }
  for (const v1::Vip& vip : config.vips()) {
    if (pools.contains(vip.pool())) *probed.add_vips() = vip;
    for (const auto& [name, pool] : pools_) {
      const auto old = pool.old_vips.find(vip.address());
      if (vip.pool() != name && old != pool.old_vips.end()) *probed.add_vips() = old->second;
    }
  }
  return probed;
}

}  // namespace guideway
