#include "dataplane/ports/interface_lock.h"

#include "lib/base/named_lock.h"
#include "lib/base/status.h"

namespace guideway {

absl::StatusOr<UniqueFd> LockInterface(const std::string& interface_name) {
  absl::StatusOr<UniqueFd> lock = TakeNamedLock(absl::StrCat("guideway-port-", interface_name));
  if (!absl::IsAlreadyExists(lock.status())) return lock;
  return absl::FailedPreconditionError(
      absl::StrCat("--port=", interface_name, ": another data plane is using the interface"));
}

}  // namespace guideway
