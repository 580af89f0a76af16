#include "lib/base/named_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "lib/base/status.h"

namespace guideway {

absl::StatusOr<UniqueFd> TakeNamedLock(const std::string& name) {
  UniqueFd lock(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!lock.valid()) return ErrnoStatus(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof(address.sun_path)) return ErrnoStatus(ENAMETOOLONG, name);
  // An abstract name begins with a zero byte and is as long as the length says.
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(lock.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0) return lock;
  if (errno != EADDRINUSE) return ErrnoStatus(errno, absl::StrCat("locking ", name));
  return absl::AlreadyExistsError(absl::StrCat("another process holds ", name));
}

}  // namespace guideway
