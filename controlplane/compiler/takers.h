// Who of a pool takes new flows: the healthy ones, else the healthy backups, else it fails open.
//
// Able to take flows is who is enabled and has a weight above 0. As long as one of those that are
// no backup is healthy, the healthy ones of them take the flows; else the healthy backups do. If
// nobody is healthy the pool fails open: all that are no backups take flows, or all backups if
// there are only these. Thread safety: pure functions and values.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_TAKERS_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_TAKERS_H_

#include <functional>

#include "lib/config/guideway.pb.h"

namespace guideway {

struct TakerRule {
  bool backups = false;      // it is their turn
  bool failed_open = false;  // health does not count

  bool Takes(const v1::Backend& backend, bool healthy) const;
};

// `is_healthy` says whether a backend counts as healthy; called for those who could take flows
// only.
TakerRule ChooseTakers(const v1::Pool& pool,
                       const std::function<bool(const v1::Backend&)>& is_healthy);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_TAKERS_H_
