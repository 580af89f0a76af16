// See roles.h.
#include "controlplane/compiler/roles.h"

#include <algorithm>

#include "lib/config/meant.h"

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
  if (!IsMeantToTakeFlows(backend) || condition.unreachable) return Rank::kNever;
  const bool backup = backend.backup();
  const bool healthy = settling || condition.health == HealthState::kHealthy ||
                       condition.health == HealthState::kUnprobed;
  if (!healthy) return backup ? Rank::kAbleBackup : Rank::kAble;
  if (condition.ejected) return backup ? Rank::kEjectedBackup : Rank::kEjected;
  return backup ? Rank::kFitBackup : Rank::kFit;
}

// Whether fewer of those whose turn it is are healthy than the pool wants. Of those that wait for
// their first verdict nothing is known, so they do not count.
bool TooFewAreHealthy(const v1::Pool& pool, absl::Span<const Rank> ranks,
                      absl::Span<const BackendCondition> conditions, bool backups) {
  uint64_t healthy = 0, unhealthy = 0;
  for (int i = 0; i < pool.backends_size(); ++i) {
    const size_t place = static_cast<size_t>(i);
    if (ranks[place] == Rank::kNever || pool.backends(i).backup() != backups) continue;
    const bool able_only = ranks[place] == Rank::kAble || ranks[place] == Rank::kAbleBackup;
    healthy += able_only ? 0 : 1;
    unhealthy += able_only && conditions[place].health == HealthState::kUnhealthy ? 1 : 0;
  }
  return healthy * 100 < pool.fail_open_below() * (healthy + unhealthy);
}

}  // namespace

bool NoneIsReachable(const v1::Pool& pool, absl::Span<const BackendCondition> conditions) {
  bool any_meant = false;
  for (int i = 0; i < pool.backends_size(); ++i) {
    if (!IsMeantToTakeFlows(pool.backends(i))) continue;
    if (!conditions[static_cast<size_t>(i)].unreachable) return false;
    any_meant = true;
  }
  return any_meant;
}

PoolRoles AssignRoles(const v1::Pool& pool, absl::Span<const BackendCondition> given, bool settling,
                      bool in_use) {
  PoolRoles roles;
  std::vector<BackendCondition> conditions(given.begin(), given.end());
  roles.none_reachable = NoneIsReachable(pool, given);
  if (roles.none_reachable) {
    for (BackendCondition& condition : conditions) {
      condition.unreachable = condition.gives_up_flows = false;
    }
  }
  std::vector<Rank> ranks;
  Rank best = Rank::kNever;
  for (int i = 0; i < pool.backends_size(); ++i) {
    ranks.push_back(RankOf(pool.backends(i), conditions[static_cast<size_t>(i)], settling));
    best = std::min(best, ranks.back());
  }
  roles.failed_open = best == Rank::kAble || best == Rank::kAbleBackup;
  roles.backups_serve =
      best == Rank::kFitBackup || best == Rank::kEjectedBackup || best == Rank::kAbleBackup;
  roles.failed_open =
      roles.failed_open || TooFewAreHealthy(pool, ranks, conditions, roles.backups_serve);
  for (int i = 0; i < pool.backends_size(); ++i) {
    const v1::Backend& backend = pool.backends(i);
    const size_t place = static_cast<size_t>(i);
    const bool open = settling || (roles.failed_open && in_use && backend.state() == v1::ENABLED);
    BackendRole role;
    const BackendCondition& condition = conditions[place];
    role.keeps_known_flows =
        backend.state() != v1::DISABLED && !condition.gives_up_flows &&
        (open || condition.keeps_though_unhealthy || condition.health != HealthState::kUnhealthy);
    const bool may_take = ranks[place] != Rank::kNever && backend.backup() == roles.backups_serve;
    if (may_take && (roles.failed_open || ranks[place] == best)) role.weight = backend.weight();
    roles.backends.push_back(role);
  }
  return roles;
}

}  // namespace guideway
