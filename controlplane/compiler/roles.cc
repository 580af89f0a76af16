// See roles.h.
#include "controlplane/compiler/roles.h"

namespace guideway {
namespace {

bool IsAble(const v1::Backend& backend) {
  return backend.state() == v1::ENABLED && backend.weight() != 0;
}

bool IsHealthy(HealthState health, bool settling) {
  return settling || health == HealthState::kHealthy || health == HealthState::kUnprobed;
}

// Whose turn it is, and whether health counts.
PoolRoles Begin(const v1::Pool& pool, absl::Span<const HealthState> health, bool settling) {
  bool any_able[2] = {}, any_healthy[2] = {};  // [1]: of the backups
  for (int i = 0; i < pool.backends_size(); ++i) {
    if (!IsAble(pool.backends(i))) continue;
    const int kind = pool.backends(i).backup() ? 1 : 0;
    any_able[kind] = true;
    any_healthy[kind] = any_healthy[kind] || IsHealthy(health[static_cast<size_t>(i)], settling);
  }
  PoolRoles roles;
  const bool anybody_healthy = any_healthy[0] || any_healthy[1];
  roles.failed_open = !anybody_healthy && (any_able[0] || any_able[1]);
  roles.backups_serve = !any_healthy[0] && (any_healthy[1] || (!any_able[0] && any_able[1]));
  return roles;
}

}  // namespace

PoolRoles AssignRoles(const v1::Pool& pool, absl::Span<const HealthState> health, bool settling) {
  PoolRoles roles = Begin(pool, health, settling);
  for (int i = 0; i < pool.backends_size(); ++i) {
    const v1::Backend& backend = pool.backends(i);
    const HealthState state = health[static_cast<size_t>(i)];
    const bool open = settling || (roles.failed_open && backend.state() == v1::ENABLED);
    BackendRole role;
    role.keeps_known_flows =
        backend.state() != v1::DISABLED && (open || state != HealthState::kUnhealthy);
    if (IsAble(backend) && backend.backup() == roles.backups_serve &&
        (roles.failed_open || IsHealthy(state, settling))) {
      role.weight = backend.weight();
    }
    roles.backends.push_back(role);
  }
  return roles;
}

}  // namespace guideway
