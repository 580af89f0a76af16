#include "dataplane/ports/interface_state.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"

namespace guideway {

uint32_t KernelReceiveQueues(const std::string& interface_name) {
  uint32_t count = 0;
  std::error_code error;
  const std::filesystem::directory_iterator queues(
      absl::StrCat("/sys/class/net/", interface_name, "/queues"), error);
  if (error) return 0;
  for (auto entry = begin(queues); entry != end(queues); entry.increment(error)) {
    if (error) return 0;
    if (entry->path().filename().string().rfind("rx-", 0) == 0) ++count;
  }
  return count;
}

std::optional<InterfaceState> ReadInterface(uint32_t index) {
  char name[IF_NAMESIZE] = {};
  if (if_indextoname(index, name) == nullptr) return std::nullopt;
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  InterfaceState state;
  state.name = name;
  ifreq request{};
  std::memcpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(control.get(), SIOCGIFMTU, &request) != 0) return std::nullopt;
  state.mtu_bytes = static_cast<uint32_t>(request.ifr_mtu);
  if (ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) return std::nullopt;
  state.up = (request.ifr_flags & IFF_UP) != 0;
  state.carrier = state.up && (request.ifr_flags & IFF_RUNNING) != 0;
  if (ioctl(control.get(), SIOCGIFHWADDR, &request) != 0) return std::nullopt;
  std::memcpy(state.mac.bytes.data(), request.ifr_hwaddr.sa_data, state.mac.bytes.size());
  state.receive_queues = KernelReceiveQueues(name);
  return state;
}

}  // namespace guideway
