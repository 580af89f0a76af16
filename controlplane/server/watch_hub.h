// The API's Watch streams: hands every event to every watcher, and drops those that are too slow.
//
// A watcher's first event, the start, says what is so. It takes long to collect where there is
// much, so a thread of the hub's own does it, for all who wait for it at once; events that come
// meanwhile follow it. So none is missed, and one may tell what the start says already. A watcher
// has a queue of kMaxWaiting events, beside those that came until its start was there. One that
// lets it run full is ended with RESOURCE_EXHAUSTED, so that it knows it has missed something; it
// costs nobody else time or memory. Nobody waits for a watcher. Thread safety: any thread may call
// anything, except as noted.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_WATCH_HUB_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_WATCH_HUB_H_

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "controlplane/api/guideway_service.grpc.pb.h"

namespace guideway {

class WatchHub {
 public:
  static constexpr size_t kMaxWatchers = 64;
  static constexpr size_t kMaxWaiting = 256;            // events a watcher
  static constexpr size_t kMaxWaitingForStart = 65536;  // until its start is there
  using Reactor = grpc::ServerWriteReactor<v1::WatchEvent>;
  // Collects what is so now, on the hub's thread. With an error those who wait for it are ended.
  using MakeStart = std::function<grpc::Status(v1::WatchStart*)>;

  explicit WatchHub(MakeStart make_start);
  // The server has been shut down: no watcher is left. Waits for `make_start`.
  ~WatchHub();

  // Why there is no thread for watchers' starts; ok: there is one.
  const absl::Status& started() const { return started_; }
  // A new watcher, for gRPC to own. What is published before its start is begun is in the start.
  Reactor* Open();
  // For a call that cannot be served.
  static Reactor* Refuse(const grpc::Status& why);

  // Fills in time and sequence. What the event tells of must show in a start that is begun now.
  void Publish(v1::WatchEvent event);
  // Ends all watchers, those to come as well.
  void Stop();
  size_t watchers() const;

 private:
  class Watcher;
  void ServeStarts();
  void Remove(Watcher* watcher);

  const MakeStart make_start_;
  mutable std::mutex mutex_;  // guards all below; taken before a watcher's own
  std::condition_variable changed_;
  std::set<std::shared_ptr<Watcher>> watchers_;
  std::vector<std::shared_ptr<Watcher>> opened_;  // their start has not been begun
  uint64_t sequence_ = 0;
  bool stopped_ = false;
  std::thread thread_;  // uses those above
  absl::Status started_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_WATCH_HUB_H_
