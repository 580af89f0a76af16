#include "dataplane/ports/interface_lock.h"

#include "lib/base/status.h"

namespace guideway {

absl::StatusOr<UniqueFd> LockInterface(const std::string& interface_name,
                                       const std::string& directory) {
  absl::StatusOr<UniqueFd> lock = TakeNamedLock(directory, absl::StrCat("port-", interface_name));
  if (!absl::IsAlreadyExists(lock.status())) return lock;
  return absl::FailedPreconditionError(absl::StrCat("--port=", interface_name,
                                                    ": another data plane is using the interface (",
                                                    std::string(lock.status().message()), ")"));
}

}  // namespace guideway
