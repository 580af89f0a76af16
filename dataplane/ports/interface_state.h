// A kernel interface as it is just now. Some system calls; any thread.
#ifndef GUIDEWAY_DATAPLANE_PORTS_INTERFACE_STATE_H_
#define GUIDEWAY_DATAPLANE_PORTS_INTERFACE_STATE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "lib/net/address.h"

namespace guideway {

struct InterfaceState {
  std::string name;
  uint32_t receive_queues = 0;
  uint32_t mtu_bytes = 0;
  MacAddress mac;
  bool up = false;       // switched on
  bool carrier = false;  // and linked
};

// None if there is no interface of this index, or it goes while it is looked at.
std::optional<InterfaceState> ReadInterface(uint32_t index);

// Receive queues that the kernel spreads the interface's packets over.
uint32_t KernelReceiveQueues(const std::string& interface_name);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_INTERFACE_STATE_H_
