#include "dataplane/ports/interface_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "lib/base/status.h"

namespace guideway {

absl::StatusOr<UniqueFd> LockInterface(const std::string& interface_name) {
  UniqueFd lock(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!lock.valid()) return ErrnoStatus(errno, "socket");
  // An abstract name begins with a zero byte and is as long as the length says.
  const std::string name = absl::StrCat("guideway-port-", interface_name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(lock.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    if (errno != EADDRINUSE) return ErrnoStatus(errno, absl::StrCat("locking ", interface_name));
    return absl::FailedPreconditionError(
        absl::StrCat("--port=", interface_name, ": another data plane is using the interface"));
  }
  return lock;
}

}  // namespace guideway
