// /metrics for Prometheus, and the status page: on one port, for reading only.
//
// Watching must not stop what is watched: where it cannot listen, the control plane goes on, it
// says so in problem() and tries again. Thread safety: loop thread, or any while the loop does not
// run.
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_WATCH_SERVER_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_WATCH_SERVER_H_

#include <memory>
#include <string>

#include "controlplane/event_loop.h"
#include "controlplane/metrics/http_server.h"
#include "controlplane/metrics/snapshot_source.h"

namespace guideway {

class WatchServer {
 public:
  static constexpr absl::Duration kRetry = absl::Seconds(5);

  // `loop` is borrowed.
  WatchServer(EventLoop* loop, const HttpAddress& address, WatchHooks hooks);
  ~WatchServer();
  WatchServer(const WatchServer&) = delete;
  WatchServer& operator=(const WatchServer&) = delete;

  const std::string& problem() const { return problem_; }  // empty: it listens
  uint16_t port() const { return server_ ? server_->port() : 0; }

 private:
  void Listen();
  HttpResponse Answer(const std::string& path);  // the HTTP server's threads

  EventLoop* const loop_;
  const HttpAddress address_;
  SnapshotSource source_;
  std::string problem_;
  EventLoop::TimerId retry_timer_ = 0;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_METRICS_WATCH_SERVER_H_
