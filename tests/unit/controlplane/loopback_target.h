// A backend's probes for tests: one of a port on loopback, soon and often.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOOPBACK_TARGET_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOOPBACK_TARGET_H_

#include <cstdint>

#include "controlplane/health/prober.h"

namespace guideway {

inline BackendProbes Target(uint16_t port) {
  ProbeTarget target;
  target.request.address = *IpAddress::Parse("127.0.0.1");
  target.request.port = port;
  target.request.timeout = absl::Milliseconds(300);
  target.interval = absl::Milliseconds(100);
  return {.probes = {target}};
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOOPBACK_TARGET_H_
