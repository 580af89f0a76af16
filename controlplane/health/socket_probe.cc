// See socket_probe.h.
#include "controlplane/health/socket_probe.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/blame.h"
#include "controlplane/health/socket_address.h"

namespace guideway {

SocketProbe::SocketProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done)
    : loop_(loop), request_(request), done_(std::move(done)) {}

SocketProbe::~SocketProbe() { Release(); }

bool SocketProbe::Connect(int type, int protocol) {
  if (!socket_.valid()) {
    socket_.reset(socket(request_.address.IsIpv4() ? AF_INET : AF_INET6,
                         type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  }
  if (!socket_.valid()) {
    FinishSoon({ProbeResult::Outcome::kNotRun, absl::StrCat("socket: ", strerror(errno))});
    return false;
  }
  const absl::Status prepared = PrepareSocket(request_, socket_.get());
  if (!prepared.ok()) {
    FinishSoon(ResultOfPreparing(prepared));
    return false;
  }
  SocketAddress address(request_.address, request_.port);
  if (connect(socket_.get(), address.get(), address.size()) != 0 && errno != EINPROGRESS) {
    FinishSoon(CheckWay(request_.via.get(), OfCall("connect", errno)));
    return false;
  }
  return true;
}

void SocketProbe::Await(uint32_t events, std::function<void(uint32_t)> handler) {
  timer_ =
      loop_->After(request_.timeout, [this] { Finish(CheckWay(request_.via.get(), TimedOut())); });
  const int error = loop_->TryWatch(socket_.get(), events, std::move(handler));
  if (error == 0) return;
  loop_->Cancel(timer_);
  FinishSoon(OfCall("epoll_ctl", error));
}

ProbeResult SocketProbe::TimedOut() const { return Silence(TimeoutReason(request_.timeout)); }

ProbeResult SocketProbe::OfCall(const std::string& what, int error) {
  return {IsOwnErrorOfCall(error) ? ProbeResult::Outcome::kNotRun : ProbeResult::Outcome::kFailure,
          absl::StrCat(what, ": ", strerror(error))};
}

ProbeResult SocketProbe::OfConnection(int error) const {
  const SocketStory story = StoryOf(socket_.get());
  ProbeResult result{ProbeResult::Outcome::kFailure, absl::StrCat("connect: ", strerror(error))};
  if (IsOwnErrorOfConnection(error, story)) result.outcome = ProbeResult::Outcome::kNotRun;
  if (story.icmp == SocketStory::kFirewall) result.reason += ", says this host";
  if (story.icmp == SocketStory::kNeighbour) result.unheard = story.source;
  return result;
}

ProbeResult SocketProbe::OfAnswer(const std::string& what, int error) {
  return {
      IsOwnErrorOfAnswer(error) ? ProbeResult::Outcome::kNotRun : ProbeResult::Outcome::kFailure,
      absl::StrCat(what, ": ", strerror(error))};
}

ProbeResult SocketProbe::Silence(const std::string& reason) const {
  return {ProbeResult::Outcome::kFailure, reason, StoryOf(socket_.get()).source};
}

void SocketProbe::FinishSoon(ProbeResult result) {
  timer_ =
      loop_->After(absl::ZeroDuration(), [this, result = std::move(result)] { Finish(result); });
}

void SocketProbe::Finish(ProbeResult result) {
  Release();
  const ProbeDone done = std::move(done_);
  done(std::move(result));
}

void SocketProbe::Release() {
  if (socket_.valid()) loop_->Unwatch(socket_.get());
  socket_.reset();
  loop_->Cancel(timer_);
}

}  // namespace guideway
