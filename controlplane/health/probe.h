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

#include "absl/status/status.h"
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

// How a probe's packets get to a backend if not as the kernel's routes would have it.
class ProbePath {
 public:
  virtual ~ProbePath() = default;
  // Makes a TCP socket that is not connected yet one whose packets go this way. Unavailable: this
  // host cannot do it now; any other error says why the backend cannot be reached.
  virtual absl::Status Prepare(int socket) = 0;
  // Why the packets of the socket prepared last did not go this way; ok: they did.
  virtual absl::Status Check() = 0;
  // What about this host may be why nothing came back; empty: nothing known.
  virtual std::string Doubt() const { return ""; }
};

struct ProbeRequest {
  IpAddress address;
  uint16_t port = 0;
  absl::Duration timeout;
  std::shared_ptr<ProbePath> via;  // null: the kernel's routes
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

// What the error of ProbePath::Prepare() is to a probe.
ProbeResult ResultOfPreparing(const absl::Status& error);
// The result, unless the packets went another way (`via` may be null): then it says nothing. Adds
// the doubt to a failure.
ProbeResult CheckWay(ProbePath* via, ProbeResult result);

// "timed out after 3 s"
std::string TimeoutReason(absl::Duration timeout);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_H_
