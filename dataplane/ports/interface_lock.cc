#include "dataplane/ports/interface_lock.h"

#include "glog/logging.h"
#include "lib/base/status.h"

namespace guideway {

absl::StatusOr<UniqueFd> LockInterface(const std::string& interface_name,
                                       const std::string& directory) {
  std::string problem;
  absl::StatusOr<UniqueFd> lock =
      TakeNamedLock(directory, absl::StrCat("port-", interface_name), &problem);
  LOG_IF(WARNING, !problem.empty()) << "--port=" << interface_name << ": " << problem;
  if (!absl::IsAlreadyExists(lock.status())) return lock;
  return absl::FailedPreconditionError(absl::StrCat("--port=", interface_name,
                                                    ": another data plane is using the interface (",
                                                    std::string(lock.status().message()), ")"));
}

}  // namespace guideway
