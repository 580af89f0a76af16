// See standard_descriptors.h.
#include "lib/base/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "lib/base/status.h"

namespace guideway {

absl::Status OpenStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // Gets the lowest number that is free, which is this one. Programs that we start inherit it.
    if (open("/dev/null", O_RDWR) != fd) {  // NOLINT(android-cloexec-open)
      return ErrnoStatus(errno, absl::StrCat("/dev/null as descriptor ", fd, ", which is closed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace guideway
