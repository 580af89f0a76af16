// The ends of drains: backends whose disable_at has come count as disabled.
//
// Thread safety: a pure function, but that it logs.
#ifndef GUIDEWAY_CONTROLPLANE_DRAIN_DEADLINES_H_
#define GUIDEWAY_CONTROLPLANE_DRAIN_DEADLINES_H_

#include "absl/time/time.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// Sets the state of each drained backend whose time has come at `now` (wall clock) to disabled.
// `config` is valid. Returns the next such time after `now`; InfiniteFuture() if there is none.
absl::Time ApplyDrainDeadlines(absl::Time now, v1::Config* config);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_DRAIN_DEADLINES_H_
