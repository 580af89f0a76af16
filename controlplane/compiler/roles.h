// Who of a pool takes new flows, who keeps known ones: the rules, as a pure function.
//
// Healthy are the healthy and the unprobed; while the pool settles everybody; later an unknown
// backend (one just added) waits for its first verdict. Able to take new flows is who is enabled
// and has a weight above 0. Who takes them (is in the pool's Maglev table): of those that are able
// and no backups, the healthy ones that are not ejected; if there are none, such backups; if there
// are none, ejections do not count; if nobody is healthy, or of those with a verdict whose turn it
// is fewer than fail_open_below percent, the pool fails open: all of them, or all that are able and
// no backups, or all backups if there are only these.
// Who cannot be reached takes none, whatever the pool's guards say, and does not count for them:
// what is sent there is lost. Only if nobody who is able can be reached, reachability does not
// count: nothing is gained by moving flows.
// Who keeps known flows: everybody but disabled and unhealthy ones, unless these are to keep them
// all the same, or the pool settles, or fails open and a VIP leads to it (else another pool has the
// flows' next packets); and but those that have been without a way to
// them for so long that they give theirs up, unless nobody can be reached.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_ROLES_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_ROLES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "controlplane/health/state_machine.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

struct BackendCondition {
  HealthState health = HealthState::kUnknown;
  bool ejected = false;                 // its clients fare worse than those of others
  bool unreachable = false;             // see reachability.h
  bool gives_up_flows = false;          // likewise
  bool keeps_though_unhealthy = false;  // its known flows
};

struct BackendRole {
  uint32_t weight = 0;  // of new flows, relative to the pool's others; 0: takes none
  bool keeps_known_flows = false;
};

struct PoolRoles {
  bool failed_open = false;           // health does not count
  bool backups_serve = false;         // it is their turn
  bool none_reachable = false;        // of those that are able: reachability does not count
  std::vector<BackendRole> backends;  // in the pool's order
};

// Whether there are backends that are meant to take flows, and none of them can be reached.
// `conditions` as below; nothing but `unreachable` counts. Thread safety: any thread.
bool NoneIsReachable(const v1::Pool& pool, absl::Span<const BackendCondition> conditions);
// `conditions` are in the order of the pool's backends. Thread safety: any thread.
PoolRoles AssignRoles(const v1::Pool& pool, absl::Span<const BackendCondition> conditions,
                      bool settling, bool in_use = true);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_ROLES_H_
