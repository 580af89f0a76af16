// Per-VIP and per-backend totals of one worker.
//
// Written by the worker only, read by the manager at any time: relaxed single-writer additions, so
// a reader sees values that are at most a burst old.
#ifndef GUIDEWAY_DATAPLANE_WORKER_TRAFFIC_H_
#define GUIDEWAY_DATAPLANE_WORKER_TRAFFIC_H_

#include <atomic>
#include <cstdint>

#include "lib/channel/layout.h"

namespace guideway {

struct TrafficCell {
  std::atomic<uint64_t> packets{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> new_flows{0};

  void Add(uint32_t frame_bytes, bool new_flow) {
    Bump(packets, 1);
    Bump(bytes, frame_bytes);
    if (new_flow) Bump(new_flows, 1);
  }
  void AddTo(channel::TrafficValues* sum) const {
    sum->packets += packets.load(std::memory_order_relaxed);
    sum->bytes += bytes.load(std::memory_order_relaxed);
    sum->new_flows += new_flows.load(std::memory_order_relaxed);
  }

 private:
  static void Bump(std::atomic<uint64_t>& value, uint64_t delta) {
    value.store(value.load(std::memory_order_relaxed) + delta, std::memory_order_relaxed);
  }
};

struct Traffic {
  TrafficCell vips[channel::kMaxVips];
  TrafficCell backends[channel::kMaxBackends];
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_WORKER_TRAFFIC_H_
