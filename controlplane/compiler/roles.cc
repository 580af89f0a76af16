// See roles.h.
#include "controlplane/compiler/roles.h"

namespace guideway {
namespace {

bool MayTakeNewFlows(const v1::Backend& backend) {
  return backend.state() == v1::ENABLED && backend.weight() != 0;
}

bool CountsAsHealthy(HealthState health) {
  return health == HealthState::kHealthy || health == HealthState::kUnprobed;
}

}  // namespace

PoolRoles AssignRoles(const v1::Pool& pool, absl::Span<const HealthState> health, bool settling) {
  PoolRoles roles;
  bool any_enabled = false;
  bool anybody = false;
  for (int i = 0; i < pool.backends_size(); ++i) {
    if (!MayTakeNewFlows(pool.backends(i))) continue;
    any_enabled = true;
    anybody = anybody || settling || CountsAsHealthy(health[static_cast<size_t>(i)]);
  }
  roles.failed_open = any_enabled && !anybody;
  for (int i = 0; i < pool.backends_size(); ++i) {
    const v1::Backend& backend = pool.backends(i);
    const HealthState state = health[static_cast<size_t>(i)];
    const bool open = settling || (roles.failed_open && backend.state() == v1::ENABLED);
    BackendRole role;
    role.keeps_known_flows =
        backend.state() != v1::DISABLED && (open || state != HealthState::kUnhealthy);
    if (MayTakeNewFlows(backend) && (open || CountsAsHealthy(state))) {
      role.weight = backend.weight();
    }
    roles.backends.push_back(role);
  }
  return roles;
}

}  // namespace guideway
