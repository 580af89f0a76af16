// One probe: a TCP connect or an HTTP GET to a backend, on the event loop, without blocking.
//
// A Probe object is one attempt. It calls `done` exactly once, from the event loop and never from
// its constructor; destroying it before that cancels the attempt. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "controlplane/event_loop.h"
#include "lib/net/address.h"

namespace guideway {

struct ProbeResult {
  enum class Outcome : uint8_t {
    kSuccess,
    kFailure,
    kNotRun,  // this host could not probe (no descriptor left ...): says nothing of the backend
  };
  Outcome outcome = Outcome::kNotRun;
  std::string reason;  // in words: "connect: Connection refused"
};

struct ProbeRequest {
  IpAddress address;
  uint16_t port = 0;
  absl::Duration timeout;
  bool http = false;
  // HTTP only.
  std::string path;
  std::string host;  // Host header; empty: the address
  uint32_t status_min = 200;
  uint32_t status_max = 399;
};

class Probe {
 public:
  virtual ~Probe() = default;
};

using ProbeDone = std::function<void(ProbeResult)>;

std::unique_ptr<Probe> StartTcpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done);

// "timed out after 3 s"
std::string TimeoutReason(absl::Duration timeout);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_H_
