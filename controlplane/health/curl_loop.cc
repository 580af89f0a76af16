// The multi handle's sockets and timer on the event loop. See curl_loop.h; transfers:
// curl_probe.cc.
#include "controlplane/health/curl_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace guideway {

CurlLoop::CurlLoop(EventLoop* loop) : loop_(loop) {
  CHECK(curl_global_init(CURL_GLOBAL_SSL) == CURLE_OK) << "curl_global_init";
  multi_ = curl_multi_init();
  CHECK(multi_ != nullptr) << "curl_multi_init";
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

CurlLoop::~CurlLoop() {
  loop_->Cancel(timer_);
  curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

int CurlLoop::OnSocket(CURL*, curl_socket_t fd, int what, void* user, void*) {
  auto* curl = static_cast<CurlLoop*>(user);
  if (what == CURL_POLL_REMOVE) {
    curl->loop_->Unwatch(fd);
    return 0;
  }
  const uint32_t events = (what & CURL_POLL_IN ? uint32_t{EPOLLIN} : 0) |
                          (what & CURL_POLL_OUT ? uint32_t{EPOLLOUT} : 0);
  const int error = curl->loop_->TryWatch(fd, events, [curl, fd](uint32_t happened) {
    const int action = (happened & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (happened & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (happened & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    curl->Act(fd, action);
  });
  const auto owner = curl->probes_.find(fd);
  if (owner == curl->probes_.end()) return 0;
  owner->second->NoteSource();
  if (error != 0) owner->second->GiveUp(absl::StrCat("epoll_ctl: ", strerror(error)));
  return 0;
}

int CurlLoop::OnCloseSocket(void* user, curl_socket_t fd) {
  auto* curl = static_cast<CurlLoop*>(user);
  const auto owner = curl->probes_.find(fd);
  if (owner != curl->probes_.end()) {
    owner->second->ReadStory();
    owner->second->socket_ = CURL_SOCKET_BAD;
    curl->probes_.erase(owner);
  }
  return close(fd);
}

int CurlLoop::OnTimer(CURLM*, long timeout_ms, void* user) {
  auto* curl = static_cast<CurlLoop*>(user);
  curl->loop_->Cancel(curl->timer_);
  curl->timer_ = 0;
  if (timeout_ms >= 0) {
    // Also with 0: curl must not be entered again from its own callback.
    curl->timer_ = curl->loop_->After(absl::Milliseconds(timeout_ms),
                                      [curl] { curl->Act(CURL_SOCKET_TIMEOUT, 0); });
  }
  return 0;
}

void CurlLoop::Act(curl_socket_t fd, int what) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, what, &running);
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;  // the message dies with the handle
    CurlProbe* probe = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &probe);
    probe->Finish(code);
  }
}

}  // namespace guideway
