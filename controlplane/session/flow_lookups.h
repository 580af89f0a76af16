// Questions to the data plane about flows: what its flow tables know of them. One is asked at a
// time, in order, and each has a second until it fails.
//
// No I/O: the session sends the requests and hands in the answers. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_SESSION_FLOW_LOOKUPS_H_
#define GUIDEWAY_CONTROLPLANE_SESSION_FLOW_LOOKUPS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "controlplane/event_loop.h"
#include "lib/channel/layout.h"
#include "lib/net/flow_key.h"

namespace guideway {

class FlowLookups {
 public:
  using Done = std::function<void(absl::StatusOr<channel::FlowLookup>)>;

  explicit FlowLookups(EventLoop* loop) : loop_(loop) {}
  ~FlowLookups();  // calls nobody back
  FlowLookups(const FlowLookups&) = delete;
  FlowLookups& operator=(const FlowLookups&) = delete;

  // `done` is called once, later.
  void Add(const FlowKey& flow, Done done);
  // The request to send now; none while there is no question or one has been sent.
  std::optional<channel::Request> Next() const;
  void Sent();
  // To the request that was sent; `lookup` is what the data plane wrote before it answered.
  void Answered(const channel::Response& response, const channel::FlowLookup& lookup);
  // The connection is gone.
  void FailAll(const absl::Status& why);

 private:
  struct Waiter {
    uint64_t id;
    FlowKey flow;
    Done done;
    EventLoop::TimerId timer;
  };
  void GiveUp(uint64_t id);

  EventLoop* const loop_;
  std::deque<Waiter> waiting_;
  uint64_t next_id_ = 1;
  uint64_t asked_ = 0;  // whose request has been sent; 0: nobody's. It may have given up already.
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SESSION_FLOW_LOOKUPS_H_
