// The TCP probe: a non-blocking connect that is closed as soon as it stands.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/probe.h"
#include "controlplane/health/socket_address.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

class TcpProbe : public Probe {
 public:
  TcpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done)
      : loop_(loop), via_(request.via), done_(std::move(done)) {
    socket_.reset(socket(request.address.IsIpv4() ? AF_INET : AF_INET6,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!socket_.valid()) {
      FinishSoon({ProbeResult::Outcome::kNotRun, absl::StrCat("socket: ", strerror(errno))});
      return;
    }
    const absl::Status prepared = via_ ? via_->Prepare(socket_.get()) : absl::OkStatus();
    if (!prepared.ok()) {
      FinishSoon(ResultOfPreparing(prepared));
      return;
    }
    SocketAddress address(request.address, request.port);
    if (connect(socket_.get(), address.get(), address.size()) != 0 && errno != EINPROGRESS) {
      FinishSoon(CheckWay(via_.get(), OfError(errno)));
      return;
    }
    timer_ = loop_->After(request.timeout, [this, timeout = request.timeout] {
      Finish(CheckWay(via_.get(), {ProbeResult::Outcome::kFailure, TimeoutReason(timeout)}));
    });
    loop_->Watch(socket_.get(), EPOLLOUT, [this](uint32_t) {
      int error = 0;
      socklen_t size = sizeof(error);
      getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      Finish(CheckWay(via_.get(), OfError(error)));
    });
  }
  ~TcpProbe() override { Release(); }

 private:
  static ProbeResult OfError(int error) {
    if (error == 0) return {ProbeResult::Outcome::kSuccess, "connected"};
    // Not the backend's fault: no local port or memory for another connection.
    const bool local = error == EADDRNOTAVAIL || error == ENOBUFS || error == ENOMEM;
    return {local ? ProbeResult::Outcome::kNotRun : ProbeResult::Outcome::kFailure,
            absl::StrCat("connect: ", strerror(error))};
  }
  void FinishSoon(ProbeResult result) {
    timer_ =
        loop_->After(absl::ZeroDuration(), [this, result = std::move(result)] { Finish(result); });
  }
  // `done_` may destroy this object: nothing is touched after the call.
  void Finish(ProbeResult result) {
    Release();
    const ProbeDone done = std::move(done_);
    done(std::move(result));
  }
  void Release() {
    if (socket_.valid()) loop_->Unwatch(socket_.get());
    socket_.reset();
    loop_->Cancel(timer_);
  }

  EventLoop* loop_;
  std::shared_ptr<ProbePath> via_;
  ProbeDone done_;
  UniqueFd socket_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace

std::unique_ptr<Probe> StartTcpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<TcpProbe>(loop, request, std::move(done));
}

ProbeResult ResultOfPreparing(const absl::Status& error) {
  return {
      absl::IsUnavailable(error) ? ProbeResult::Outcome::kNotRun : ProbeResult::Outcome::kFailure,
      std::string(error.message())};
}

ProbeResult CheckWay(ProbePath* via, ProbeResult result) {
  if (via == nullptr || result.outcome == ProbeResult::Outcome::kNotRun) return result;
  const absl::Status went = via->Check();
  if (!went.ok()) return {ProbeResult::Outcome::kNotRun, std::string(went.message())};
  if (result.outcome == ProbeResult::Outcome::kFailure) {
    const std::string doubt = via->Doubt();
    if (!doubt.empty()) absl::StrAppend(&result.reason, " (", doubt, ")");
  }
  return result;
}

std::string TimeoutReason(absl::Duration timeout) {
  const int64_t milliseconds = absl::ToInt64Milliseconds(timeout);
  if (milliseconds % 1000 == 0) return absl::StrCat("timed out after ", milliseconds / 1000, " s");
  return absl::StrCat("timed out after ", milliseconds, " ms");
}

}  // namespace guideway
