// One easy handle a probe; the multi handle's sockets and timer live on the event loop.
#include "controlplane/health/http_probe.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {
constexpr size_t kBodyLimitBytes = size_t{64} * 1024;
}  // namespace

class HttpProbe : public Probe {
 public:
  HttpProbe(HttpProber* prober, ProbeRequest request, ProbeDone done)
      : prober_(prober), request_(std::move(request)), done_(std::move(done)) {
    easy_ = curl_easy_init();
    CHECK(easy_ != nullptr) << "curl_easy_init";
    SetOptions();
    curl_multi_add_handle(prober_->multi_, easy_);
  }
  ~HttpProbe() override { Release(); }

  // `done_` may destroy this object: nothing is touched after the call.
  void Finish(CURLcode code) {
    ProbeResult result =
        prepared_.ok() ? CheckWay(request_.via.get(), Judge(code)) : ResultOfPreparing(prepared_);
    Release();
    const ProbeDone done = std::move(done_);
    done(std::move(result));
  }

 private:
  void SetOptions() {
    const std::string address = request_.address.ToString();
    const std::string authority = request_.address.IsIpv4() ? address : "[" + address + "]";
    const std::string url = absl::StrCat("http://", authority, ":", request_.port, request_.path);
    curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
    curl_easy_setopt(easy_, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy_, CURLOPT_PROXY, "");
    curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy_, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(absl::ToInt64Milliseconds(request_.timeout)));
    curl_easy_setopt(easy_, CURLOPT_USERAGENT, "guideway-probe/" GUIDEWAY_VERSION);
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_text_);
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &HttpProbe::OnBody);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
    if (request_.via) {
      curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &HttpProbe::OnOpenSocket);
      curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
    }
    if (!request_.host.empty()) {
      headers_ = curl_slist_append(nullptr, absl::StrCat("Host: ", request_.host).c_str());
      curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
    }
  }

  static curl_socket_t OnOpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
    auto* probe = static_cast<HttpProbe*>(user);
    UniqueFd made(socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol));
    probe->prepared_ = made.valid()
                           ? probe->request_.via->Prepare(made.get())
                           : absl::UnavailableError(absl::StrCat("socket: ", strerror(errno)));
    return probe->prepared_.ok() ? made.release() : CURL_SOCKET_BAD;
  }

  static size_t OnBody(char* data, size_t size, size_t count, void* user) {
    auto* probe = static_cast<HttpProbe*>(user);
    probe->body_bytes_ += size * count;
    return probe->body_bytes_ <= kBodyLimitBytes ? size * count : 0;
  }

  ProbeResult Judge(CURLcode code) {
    const bool body_cut = code == CURLE_WRITE_ERROR && body_bytes_ > kBodyLimitBytes;
    if (code == CURLE_OK || body_cut) {
      long status = 0;
      curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
      const bool good = status >= static_cast<long>(request_.status_min) &&
                        status <= static_cast<long>(request_.status_max);
      return {good ? ProbeResult::Outcome::kSuccess : ProbeResult::Outcome::kFailure,
              absl::StrCat("HTTP status ", status)};
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
      return {ProbeResult::Outcome::kFailure, TimeoutReason(request_.timeout)};
    }
    long error = 0;
    curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
    if (code == CURLE_COULDNT_CONNECT) {
      const bool local = error == EADDRNOTAVAIL || error == ENOBUFS || error == ENOMEM ||
                         error == EMFILE || error == ENFILE;
      return {local ? ProbeResult::Outcome::kNotRun : ProbeResult::Outcome::kFailure,
              absl::StrCat("connect: ", error != 0 ? strerror(static_cast<int>(error)) : "failed")};
    }
    if (code == CURLE_OUT_OF_MEMORY) return {ProbeResult::Outcome::kNotRun, "out of memory"};
    return {
        ProbeResult::Outcome::kFailure,
        absl::StrCat("HTTP: ", error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code))};
  }

  void Release() {
    if (easy_ == nullptr) return;
    curl_multi_remove_handle(prober_->multi_, easy_);
    curl_easy_cleanup(easy_);
    curl_slist_free_all(headers_);
    easy_ = nullptr;
  }

  HttpProber* prober_;
  ProbeRequest request_;
  ProbeDone done_;
  absl::Status prepared_;  // the socket's ProbePath
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  size_t body_bytes_ = 0;
  char error_text_[CURL_ERROR_SIZE] = {};
};

HttpProber::HttpProber(EventLoop* loop) : loop_(loop) {
  CHECK(curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK) << "curl_global_init";
  multi_ = curl_multi_init();
  CHECK(multi_ != nullptr) << "curl_multi_init";
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &HttpProber::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &HttpProber::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

HttpProber::~HttpProber() {
  loop_->Cancel(timer_);
  curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

std::unique_ptr<Probe> HttpProber::Start(const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<HttpProbe>(this, request, std::move(done));
}

int HttpProber::OnSocket(CURL*, curl_socket_t fd, int what, void* user, void*) {
  auto* prober = static_cast<HttpProber*>(user);
  if (what == CURL_POLL_REMOVE) {
    prober->loop_->Unwatch(fd);
    return 0;
  }
  const uint32_t events = (what & CURL_POLL_IN ? uint32_t{EPOLLIN} : 0) |
                          (what & CURL_POLL_OUT ? uint32_t{EPOLLOUT} : 0);
  prober->loop_->Watch(fd, events, [prober, fd](uint32_t happened) {
    const int action = (happened & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (happened & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (happened & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    prober->Act(fd, action);
  });
  return 0;
}

int HttpProber::OnTimer(CURLM*, long timeout_ms, void* user) {
  auto* prober = static_cast<HttpProber*>(user);
  prober->loop_->Cancel(prober->timer_);
  prober->timer_ = 0;
  if (timeout_ms >= 0) {
    // Also with 0: curl must not be entered again from its own callback.
    prober->timer_ = prober->loop_->After(absl::Milliseconds(timeout_ms),
                                          [prober] { prober->Act(CURL_SOCKET_TIMEOUT, 0); });
  }
  return 0;
}

void HttpProber::Act(curl_socket_t fd, int what) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, what, &running);
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;  // the message dies with the handle
    HttpProbe* probe = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &probe);
    probe->Finish(code);
  }
}

}  // namespace guideway
