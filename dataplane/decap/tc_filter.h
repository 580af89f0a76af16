// The tc program's place among the filters of an interface.
//
// The place is always the same, so that another run finds what an earlier one has left. Thread
// safety: functions without state.
#ifndef GUIDEWAY_DATAPLANE_DECAP_TC_FILTER_H_
#define GUIDEWAY_DATAPLANE_DECAP_TC_FILTER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dataplane/bpf/attachment.h"

namespace guideway {

// The id of this tool's program in its place; 0: nothing is there. AlreadyExists, naming the
// program, if the place is taken by another tool.
absl::StatusOr<uint32_t> OwnTcFilter(const Interface& interface);

// Replaces this tool's program. AlreadyExists as above.
absl::Status AttachTcFilter(const Interface& interface, int program_fd);

// Takes off this tool's program; another one stays. Fine if there is none.
absl::Status DetachTcFilter(const Interface& interface);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_TC_FILTER_H_
