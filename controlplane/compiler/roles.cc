// See roles.h.
#include "controlplane/compiler/roles.h"

#include <algorithm>

namespace guideway {
namespace {

// The first of these that somebody has takes the new flows.
enum class Rank : uint8_t {
  kFit,
  kFitBackup,
  kEjected,
  kEjectedBackup,
  kAble,
  kAbleBackup,
  kNever,
};

Rank RankOf(const v1::Backend& backend, const BackendCondition& condition, bool settling) {
  if (backend.state() != v1::ENABLED || backend.weight() == 0) return Rank::kNever;
  const bool backup = backend.backup();
  const bool healthy = settling || condition.health == HealthState::kHealthy ||
                       condition.health == HealthState::kUnprobed;
  if (!healthy) return backup ? Rank::kAbleBackup : Rank::kAble;
  if (condition.ejected) return backup ? Rank::kEjectedBackup : Rank::kEjected;
  return backup ? Rank::kFitBackup : Rank::kFit;
}

}  // namespace

PoolRoles AssignRoles(const v1::Pool& pool, absl::Span<const BackendCondition> conditions,
                      bool settling) {
  std::vector<Rank> ranks;
  Rank best = Rank::kNever;
  for (int i = 0; i < pool.backends_size(); ++i) {
    ranks.push_back(RankOf(pool.backends(i), conditions[static_cast<size_t>(i)], settling));
    best = std::min(best, ranks.back());
  }
  PoolRoles roles;
  roles.failed_open = best == Rank::kAble || best == Rank::kAbleBackup;
  roles.backups_serve =
      best == Rank::kFitBackup || best == Rank::kEjectedBackup || best == Rank::kAbleBackup;
  for (int i = 0; i < pool.backends_size(); ++i) {
    const v1::Backend& backend = pool.backends(i);
    const size_t place = static_cast<size_t>(i);
    const bool open = settling || (roles.failed_open && backend.state() == v1::ENABLED);
    BackendRole role;
    role.keeps_known_flows = backend.state() != v1::DISABLED &&
                             (open || conditions[place].health != HealthState::kUnhealthy);
    if (ranks[place] == best && best != Rank::kNever) role.weight = backend.weight();
    roles.backends.push_back(role);
  }
  return roles;
}

}  // namespace guideway
