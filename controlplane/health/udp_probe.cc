// The UDP probe: one datagram out, one that matches back, or an ICMP error.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/socket_probe.h"

namespace guideway {
namespace {

constexpr size_t kMaxAnswerBytes = 65536;

class UdpProbe : public SocketProbe {
 public:
  UdpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done)
      : SocketProbe(loop, request, std::move(done)) {
    if (!Connect(SOCK_DGRAM, IPPROTO_UDP)) return;
    if (send(socket_.get(), request_.send.data(), request_.send.size(), MSG_NOSIGNAL) < 0) {
      FinishSoon(OfCall("send", errno));
      return;
    }
    Await(EPOLLIN, [this](uint32_t) { Read(); });
  }

 private:
  ProbeResult TimedOut() const override {
    if (request_.silent) {
      ProbeResult result = Silence("not refused");
      result.outcome = ProbeResult::Outcome::kSuccess;
      return result;
    }
    if (wrong_answer_bytes_ != 0) return WrongAnswer();
    return SocketProbe::TimedOut();
  }
  ProbeResult WrongAnswer() const {
    return {ProbeResult::Outcome::kFailure,
            absl::StrCat("an answer of ", wrong_answer_bytes_, " bytes without what is expected")};
  }
  // An answer that does not match may be a late one to somebody else's question: the right one may
  // still come.
  void Read() {
    std::string answer(kMaxAnswerBytes, '\0');
    const ssize_t got = recv(socket_.get(), answer.data(), answer.size(), 0);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) Finish(OfAnswer("answer", errno));
      return;
    }
    answer.resize(static_cast<size_t>(got));
    if (answer.find(request_.expect) == std::string::npos) {
      wrong_answer_bytes_ = answer.size();
      return;
    }
    Finish({ProbeResult::Outcome::kSuccess, absl::StrCat("answer of ", got, " bytes")});
  }

  size_t wrong_answer_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Probe> StartUdpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<UdpProbe>(loop, request, std::move(done));
}

}  // namespace guideway
