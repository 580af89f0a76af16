// The TCP probe: a non-blocking connect that is closed as soon as it stands.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "controlplane/health/socket_probe.h"

namespace guideway {
namespace {

class TcpProbe : public SocketProbe {
 public:
  TcpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done)
      : SocketProbe(loop, request, std::move(done)) {
    if (!Connect(SOCK_STREAM, IPPROTO_TCP)) return;
    Await(EPOLLOUT, [this](uint32_t) {
      int error = 0;
      socklen_t size = sizeof(error);
      getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      Finish(CheckWay(request_.via.get(),
                      error == 0 ? ProbeResult{ProbeResult::Outcome::kSuccess, "connected"}
                                 : OfError("connect", error)));
    });
  }
};

}  // namespace

std::unique_ptr<Probe> StartTcpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<TcpProbe>(loop, request, std::move(done));
}

}  // namespace guideway
