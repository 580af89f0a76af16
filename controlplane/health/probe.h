// One probe: a question to a backend, on the event loop, without blocking.
//
// A Probe object is one attempt. It calls `done` exactly once, from the event loop and never from
// its constructor; destroying it before that cancels the attempt. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  // Of silence: the address of this host that nothing came back to.
  std::optional<IpAddress> unheard = std::nullopt;
};

// How a probe's packets get to a backend if not as the kernel's routes would have it.
class ProbePath {
 public:
  virtual ~ProbePath() = default;
  // Makes a TCP socket that is not connected yet one whose packets go this way. Unavailable: this
  // host cannot do it now; any other error says that the backend or a router is silent.
  virtual absl::Status Prepare(int socket) = 0;
  // Why the packets of the socket prepared last did not go this way; ok: they did.
  virtual absl::Status Check() = 0;
  // What about this host may be why nothing came back; empty: nothing known.
  virtual std::string Doubt() const { return ""; }
  // Equal for ways that lead to the same backend alike; empty: equal to none.
  virtual std::string Identity() const { return ""; }
};

enum class ProbeKind : uint8_t { kTcp, kHttp, kHttps, kUdp, kIcmp, kGrpc, kGrpcs, kExec };

// What is asked, and which answer is a good one. Fields that the kind does not use stay as they
// are.
struct ProbeRequest {
  ProbeKind kind = ProbeKind::kTcp;
  IpAddress address;
  uint16_t port = 0;  // 0 with kIcmp and kExec
  absl::Duration timeout;
  std::shared_ptr<ProbePath> via;   // null: the kernel's routes. TCP, HTTP and gRPC only
  std::optional<IpAddress> source;  // an address of this host; not together with `via`
  // HTTP.
  std::string path;
  uint32_t status_min = 200;
  uint32_t status_max = 399;
  // HTTP and gRPC.
  std::string host;  // Host header, authority; empty: the address
  // TLS.
  std::string tls_name;  // empty: that of `host`, else the address
  bool tls_verify = true;
  std::string tls_ca_file;  // empty: those that the host trusts
  // UDP.
  std::string send;
  bool silent = false;  // silence is a good answer
  // gRPC.
  std::string grpc_service;
  // Programs.
  std::vector<std::string> command, environment;
  // HTTP, UDP, programs: bytes that the answer must hold; empty: any answer.
  std::string expect;
};

// Equal for requests that ask the same in the same way, however long they await the answer: what
// was found out is true with another patience. Requests with a `via` are equal to none.
std::string QuestionOf(const ProbeRequest& request);
// "http 80": what tells the probes of a backend apart.
std::string LabelOf(const ProbeRequest& request);

class Probe {
 public:
  virtual ~Probe() = default;
};

using ProbeDone = std::function<void(ProbeResult)>;

std::unique_ptr<Probe> StartTcpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done);
// A connected socket: an ICMP error that says nobody listens is a failure at once.
std::unique_ptr<Probe> StartUdpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done);
// An echo request by a ping socket, or a raw one where the host does not allow those.
std::unique_ptr<Probe> StartIcmpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done);

// What the error of ProbePath::Prepare() is to a probe.
ProbeResult ResultOfPreparing(const absl::Status& error);
// The result, unless the packets went another way (`via` may be null): then it says nothing. Adds
// the doubt to a failure.
ProbeResult CheckWay(ProbePath* via, ProbeResult result);

// Sets a socket that is not connected yet on its way: via, or from its source. As Prepare().
absl::Status PrepareSocket(const ProbeRequest& request, int socket);
// "timed out after 3 s"
std::string TimeoutReason(absl::Duration timeout);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_H_
