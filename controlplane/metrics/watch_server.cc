#include "controlplane/metrics/watch_server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/metrics/families.h"
#include "controlplane/metrics/status_json.h"
#include "controlplane/report/verdict.h"
#include "controlplane/status_page/files.h"
#include "glog/logging.h"

namespace guideway {

WatchServer::WatchServer(EventLoop* loop, const HttpAddress& address, WatchHooks hooks)
    : loop_(loop), address_(address), source_(loop, std::move(hooks)) {
  Listen();
}

WatchServer::~WatchServer() {
  loop_->Cancel(retry_timer_);
  source_.Stop();  // or the server's threads would wait for a snapshot
  server_.reset();
}

void WatchServer::Listen() {
  retry_timer_ = 0;
  auto server =
      HttpServer::Start(address_, [this](const std::string& path) { return Answer(path); });
  if (server.ok()) {
    server_ = *std::move(server);
    problem_.clear();
    LOG(INFO) << "metrics and status page on http://" << address_.ToString();
    return;
  }
  const std::string problem = absl::StrCat("--metrics_address: ", server.status().message());
  if (problem != problem_) LOG(ERROR) << problem << "; trying again";
  problem_ = problem;
  retry_timer_ = loop_->After(kRetry, [this] { Listen(); });
}

HttpResponse WatchServer::Answer(const std::string& path) {
  if (const StatusPageFile* file = FindStatusPageFile(path)) {
    return {200, file->content_type, std::string(file->content)};
  }
  const bool metrics = path == "/metrics";
  const bool health = path == "/healthz";
  if (!metrics && !health && path != "/status.json") {
    return {404, "text/plain; charset=utf-8", "not found\n"};
  }
  const std::shared_ptr<const WatchSnapshot> snapshot = source_.Get();
  if (snapshot == nullptr) {
    return {503, "text/plain; charset=utf-8", "the control plane is busy or stopping\n"};
  }
  if (metrics) return {200, kMetricsContentType, MetricsText(*snapshot)};
  if (health) {
    return {IsCritical(snapshot->status) ? 503 : 200, "text/plain; charset=utf-8",
            VerdictText(snapshot->status) + "\n"};
  }
  return {200, "application/json", StatusJson(*snapshot)};
}

}  // namespace guideway
