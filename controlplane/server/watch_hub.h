// The API's Watch streams: hands every event to every watcher, and drops those that are too slow.
//
// A watcher has a queue of kMaxWaiting events. One that lets it run full is ended with
// RESOURCE_EXHAUSTED, so that it knows it has missed something; it costs nobody else time or
// memory. No thread waits for a watcher. Thread safety: any thread may call anything, except as
// noted.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_WATCH_HUB_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_WATCH_HUB_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "controlplane/api/guideway_service.grpc.pb.h"

namespace guideway {

class WatchHub {
 public:
  static constexpr size_t kMaxWatchers = 64;
  static constexpr size_t kMaxWaiting = 256;  // events a watcher
  using Reactor = grpc::ServerWriteReactor<v1::WatchEvent>;

  WatchHub();
  // The server has been shut down: no watcher is left.
  ~WatchHub();

  // A new watcher, for gRPC to own, whose first event is `start`. No event between what `start`
  // says and the next is missed if it is made on the thread that calls Publish().
  Reactor* Add(v1::WatchEvent start);
  // For a call that cannot be served.
  static Reactor* Refuse(const grpc::Status& why);

  // Fills in time and sequence.
  void Publish(v1::WatchEvent event);
  // Ends all watchers, those to come as well.
  void Stop();
  size_t watchers() const;

 private:
  class Watcher;
  void Remove(Watcher* watcher);
  void Stamp(v1::WatchEvent* event) const;

  mutable std::mutex mutex_;  // guards all below; taken before a watcher's own
  std::set<Watcher*> watchers_;
  uint64_t sequence_ = 0;
  bool stopped_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_WATCH_HUB_H_
