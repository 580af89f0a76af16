// The TCP probe: a non-blocking connect that is closed as soon as it stands.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
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
      ProbeResult result{ProbeResult::Outcome::kSuccess, "connected"};
      if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        result = {ProbeResult::Outcome::kNotRun, absl::StrCat("getsockopt: ", strerror(errno))};
      } else if (error != 0) {
        result = OfConnection(error);
      }
      Finish(CheckWay(request_.via.get(), std::move(result)));
    });
  }
};

}  // namespace

std::unique_ptr<Probe> StartTcpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<TcpProbe>(loop, request, std::move(done));
}

}  // namespace guideway
