#include "dataplane/ports/xsk_sockets.h"

#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace guideway {

std::set<int> OpenXskSockets() {
  std::set<int> sockets;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    int domain = 0;
    socklen_t length = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_XDP) {
      sockets.insert(fd);
    }
  }
  return sockets;
}

}  // namespace guideway
