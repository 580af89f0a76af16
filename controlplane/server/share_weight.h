// A backend's weight from the share of new flows that it is to get (a canary's 5%).
//
// Thread safety: a pure function.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_SHARE_WEIGHT_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_SHARE_WEIGHT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// The weight at which `pool`'s backend number `index` gets `percent` of the new flows beside the
// other enabled ones, backups among backups, as if all were healthy. INVALID_ARGUMENT: not above 0
// and below 100; FAILED_PRECONDITION: nobody else is enabled, or the others' weights are so small
// or large that no weight comes within a tenth of the share, or of the others' if that is less.
absl::StatusOr<uint32_t> WeightForShare(const v1::Pool& pool, int index, double percent);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_SHARE_WEIGHT_H_
