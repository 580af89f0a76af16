// See shrink.h.
#include "lib/config/shrink.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "lib/config/meant.h"

namespace guideway {

namespace {

// The backends of each pool that take new flows, as "name/address", of pools with a VIP.
using Takers = std::map<std::string, std::set<std::string>>;

Takers TakersByPool(const v1::Config& config) {
  std::set<std::string> led_to;
  for (const v1::Vip& vip : config.vips()) led_to.insert(vip.pool());
  Takers takers;
  for (const v1::Pool& pool : config.pools()) {
    if (!led_to.contains(pool.name())) continue;
    std::set<std::string>& of_pool = takers[pool.name()];
    for (const v1::Backend& backend : pool.backends()) {
      if (IsMeantToTakeFlows(backend)) {
        of_pool.insert(absl::StrCat(backend.name(), "/", backend.address()));
      }
    }
  }
  return takers;
}

size_t CountLeft(const std::set<std::string>& before, const std::set<std::string>& after) {
  size_t left = 0;
  for (const std::string& backend : before) left += after.contains(backend) ? 1 : 0;
  return left;
}

std::set<std::string> PoolNames(const v1::Config& config) {
  std::set<std::string> names;
  for (const v1::Pool& pool : config.pools()) names.insert(pool.name());
  return names;
}

std::string RemovalText(const std::string& pool, size_t removed, size_t had, uint32_t allowed) {
  return absl::StrCat("pool ", pool, ": ", removed, " of ", had, " backends (", 100 * removed / had,
                      "%) would take no new flows any more; allowed ",
                      allowed == 0 ? "is one at a time" : absl::StrCat("are ", allowed, "%"));
}

}  // namespace

std::vector<std::string> DangerousShrinks(const v1::Config& before, const v1::Config& after) {
  std::vector<std::string> reasons;
  if (before.vips_size() > 0 && after.vips_size() == 0) reasons.push_back("no VIP is left");
  const uint32_t allowed = before.change_safety().max_removed_percent();
  const Takers old_takers = TakersByPool(before);
  const Takers new_takers = TakersByPool(after);
  const std::set<std::string> still_there = PoolNames(after);
  for (const auto& [pool, had] : old_takers) {
    if (had.empty()) continue;
    const auto found = new_takers.find(pool);
    if (found == new_takers.end()) {
      // No VIP leads to it any more. That is a switch if it lives on, else it is a removal.
      if (!still_there.contains(pool)) {
        reasons.push_back(absl::StrCat("pool ", pool, ", which a VIP leads to, would be gone with ",
                                       had.size(), had.size() == 1 ? " backend" : " backends"));
      }
      continue;
    }
    if (found->second.empty()) {
      reasons.push_back(absl::StrCat("pool ", pool, ": no backend is left that takes new flows"));
      continue;
    }
    const size_t removed = had.size() - CountLeft(had, found->second);
    if (removed > 1 && 100 * removed > allowed * had.size()) {
      reasons.push_back(RemovalText(pool, removed, had.size(), allowed));
    }
  }
  for (const auto& [pool, has] : new_takers) {
    if (has.empty() && !old_takers.contains(pool)) {
      reasons.push_back(
          absl::StrCat("pool ", pool, ": a VIP leads to it, and no backend takes new flows"));
    }
  }
  return reasons;
}

}  // namespace guideway
