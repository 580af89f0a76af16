// What probes with a socket of their own have in common: one descriptor, one timer, one result.
//
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_SOCKET_PROBE_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_SOCKET_PROBE_H_

#include <string>

#include "controlplane/health/probe.h"
#include "lib/base/unique_fd.h"

namespace guideway {

class SocketProbe : public Probe {
 public:
  ~SocketProbe() override;

 protected:
  SocketProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done);

  // Makes the socket (non-blocking), sets it on its way and connects it. False: the result is on
  // its way already, and there is nothing more to do.
  bool Connect(int type, int protocol);
  // Calls `handler` when one of `events` holds, and ends with TimedOut() when the time is over, or
  // at once if the kernel will not tell.
  void Await(uint32_t events, std::function<void(uint32_t)> handler);
  // What silence means.
  virtual ProbeResult TimedOut() const;

  // What an errno of a call says, see blame.h. `what`: connect
  static ProbeResult OfCall(const std::string& what, int error);
  // The same of a TCP connection that has ended, and of an answer.
  ProbeResult OfConnection(int error) const;
  static ProbeResult OfAnswer(const std::string& what, int error);
  // With the socket's own address.
  ProbeResult Silence(const std::string& reason) const;
  void FinishSoon(ProbeResult result);
  // The user may destroy this object within the call: nothing may be touched after it.
  void Finish(ProbeResult result);

  EventLoop* const loop_;
  const ProbeRequest request_;
  UniqueFd socket_;

 private:
  void Release();

  ProbeDone done_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_SOCKET_PROBE_H_
