// A lock that processes of one network namespace share by its name. It is an abstract Unix socket:
// no file is left behind, and the kernel frees it when the process ends, however it ends.
//
// Thread safety: safe.
#ifndef GUIDEWAY_LIB_BASE_NAMED_LOCK_H_
#define GUIDEWAY_LIB_BASE_NAMED_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// Held as long as the descriptor is open. AlreadyExists if another process, or this one, holds it.
// `name` has at most 100 bytes.
absl::StatusOr<UniqueFd> TakeNamedLock(const std::string& name);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_NAMED_LOCK_H_
