// Who of a pool takes new flows, who keeps known ones: the rules, as a pure function.
//
// Who takes new flows (is in the pool's Maglev table): backends that are enabled, have a weight
// above 0, and are healthy or unprobed. While the pool settles every state counts as healthy; later
// an unknown backend (one just added) waits for its first verdict. If that leaves nobody, the pool
// fails open: all enabled backends count as healthy.
// Who keeps known flows: everybody but disabled and unhealthy ones, unless the pool settles or
// fails open.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_ROLES_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_ROLES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "controlplane/health/state_machine.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

struct BackendRole {
  uint32_t weight = 0;  // of new flows, relative to the pool's others; 0: takes none
  bool keeps_known_flows = false;
};

struct PoolRoles {
  bool failed_open = false;
  std::vector<BackendRole> backends;  // in the pool's order
};

// `health` is in the order of the pool's backends. Thread safety: any thread.
PoolRoles AssignRoles(const v1::Pool& pool, absl::Span<const HealthState> health, bool settling);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_ROLES_H_
