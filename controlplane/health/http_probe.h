// HTTP probes: libcurl's multi socket interface driven by the event loop.
//
// Never follows redirects, uses no proxy and no kept connection, reads at most 64 KiB of the body
// (the status decides; a longer body is cut off and does no harm). Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_HTTP_PROBE_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_HTTP_PROBE_H_

#include <curl/curl.h>

#include <memory>

#include "controlplane/event_loop.h"
#include "controlplane/health/probe.h"

namespace guideway {

// Must outlive the probes it starts.
class HttpProber {
 public:
  explicit HttpProber(EventLoop* loop);
  ~HttpProber();
  HttpProber(const HttpProber&) = delete;
  HttpProber& operator=(const HttpProber&) = delete;

  std::unique_ptr<Probe> Start(const ProbeRequest& request, ProbeDone done);

 private:
  friend class HttpProbe;
  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* user, void* socket_data);
  static int OnTimer(CURLM* multi, long timeout_ms, void* user);
  // Lets curl work on a socket (or CURL_SOCKET_TIMEOUT), then hands out what has finished.
  void Act(curl_socket_t fd, int what);

  EventLoop* loop_;
  CURLM* multi_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_HTTP_PROBE_H_
