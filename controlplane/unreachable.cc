// See unreachable.h.
#include "controlplane/unreachable.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace guideway {

void UnreachableBackends::See(const v1::Pool& pool, const Compiled& compiled) {
  for (const v1::Backend& backend : pool.backends()) {
    if (backend.state() == v1::DISABLED) continue;
    const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
    const auto found = compiled.backends.find(key);
    if (found == compiled.backends.end() || !found->second.unreachable) continue;
    // While a way that has come back is watched, what was wrong before says more.
    const auto before = backends_.find(key);
    const std::string& reason = found->second.reachable && before != backends_.end()
                                    ? before->second.reason
                                    : found->second.next_hop;
    now_.emplace(key, Backend{pool.name(), backend.name(), reason});
  }
}

namespace {

// Of one round; a cut cable of thousands of backends is one event, and status names each.
constexpr int kMostLines = 50;

}  // namespace

void UnreachableBackends::EndRound() {
  int lost = 0, found = 0;
  for (const auto& [key, backend] : now_) {
    if (backends_.contains(key)) continue;
    LOG_IF(WARNING, ++lost <= kMostLines)
        << "backend " << key << " cannot be reached: " << backend.reason;
  }
  LOG_IF(WARNING, lost > kMostLines)
      << lost - kMostLines << " more backends cannot be reached, see guideway status";
  for (const auto& [key, backend] : backends_) {
    if (now_.contains(key)) continue;
    LOG_IF(INFO, ++found <= kMostLines) << "backend " << key << " can be reached again, or is gone";
  }
  LOG_IF(INFO, found > kMostLines)
      << found - kMostLines << " more backends can be reached again, or are gone";
  backends_ = std::exchange(now_, {});
}

std::vector<std::string> UnreachableBackends::Warnings(const v1::Config& before,
                                                       const v1::Config& config) const {
  std::set<std::string> affected;
  for (const auto& [key, backend] : backends_) affected.insert(backend.pool);
  std::map<std::string, std::string> was;
  for (const v1::Pool& pool : before.pools()) {
    if (affected.contains(pool.name())) was[pool.name()] = pool.SerializeAsString();
  }
  for (const v1::Pool& pool : config.pools()) {
    const auto found = was.find(pool.name());
    if (found != was.end() && found->second == pool.SerializeAsString()) {
      affected.erase(pool.name());
    }
  }
  std::vector<std::string> lines;
  for (const auto& [key, backend] : backends_) {
    if (!affected.contains(backend.pool)) continue;
    lines.push_back(absl::StrCat("pool ", backend.pool, ": backend ", backend.name,
                                 " cannot be reached and gets no flows: ", backend.reason));
  }
  return lines;
}

}  // namespace guideway
