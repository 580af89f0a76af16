// A lock that processes of one network namespace share by its name: a file in a directory that only
// trusted users write, locked by flock(2), so that nobody else can take it in advance.
//
// The file stays when the process ends; the kernel frees the lock, however it ends. Processes that
// see another directory at this path (containers) do not see each other. Thread safety: safe.
#ifndef GUIDEWAY_LIB_BASE_NAMED_LOCK_H_
#define GUIDEWAY_LIB_BASE_NAMED_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// Where the daemons keep theirs.
inline constexpr char kLockDirectory[] = "/run/guideway";

// Held as long as the descriptor is open. AlreadyExists if another process, or this one, holds it:
// the message is "process 123", or "another process" if it is not known which. `directory` is made
// if there is none. Whatever else goes wrong (a disk that is full or read-only, no right to it, a
// directory that anybody can write to) keeps nobody from working: *problem says it, and the
// descriptor is none.
absl::StatusOr<UniqueFd> TakeNamedLock(const std::string& directory, const std::string& name,
                                       std::string* problem);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_NAMED_LOCK_H_
