// One worker of the packet benchmark: a queue of a net_null port, whose receive callback makes the
// packets and takes the time.
//
// The driver allocates mbufs and frees what is sent; in between runs the data plane's real Worker,
// or, for the floor, nothing. Run...() on an EAL thread, one at a time.
#ifndef GUIDEWAY_PERF_MICRO_LANE_H_
#define GUIDEWAY_PERF_MICRO_LANE_H_

#include <atomic>
#include <memory>

#include "dataplane/manager/publisher.h"
#include "dataplane/worker/worker.h"
#include "perf/micro/traffic_source.h"

namespace guideway {

struct LaneResult {
  double ns_per_packet = 0;
  CounterValues counted;  // warm-up included; nothing of a floor
};

class alignas(2 * kCacheLineBytes) Lane {
 public:
  // `port` is borrowed; the lane uses queue `index` of it.
  Lane(Port* port, uint32_t index);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Packets before the time is taken, and while it is.
  struct Amount {
    uint64_t warm_up = 0;
    uint64_t measured = 0;
  };
  // What receiving and freeing costs.
  LaneResult RunFloor(TrafficSource* source, Amount amount);
  // What that costs with a worker in between. Nothing but the flow table is kept from run to run.
  LaneResult RunWorker(TrafficSource* source, Amount amount, const Snapshot& tables,
                       FlowTable* flows, Publisher* publisher);

 private:
  static uint16_t OnReceive(uint16_t device, uint16_t queue, rte_mbuf* packets[], uint16_t count,
                            uint16_t capacity, void* self);
  void Begin(TrafficSource* source, Amount amount);
  double NsPerPacket() const;

  Port* const port_;
  const uint32_t index_;
  const void* callback_;

  // While a run goes on.
  TrafficSource* source_ = nullptr;
  Worker* worker_ = nullptr;  // nullptr: floor
  uint64_t warm_up_left_ = 0, measured_left_ = 0, measured_ = 0;
  uint64_t began_tsc_ = 0, ended_tsc_ = 0;
  bool ended_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_MICRO_LANE_H_
