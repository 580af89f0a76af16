// Per-VIP and per-backend totals of one worker.
//
// Every packet is counted for one VIP, or for none, under one verdict, once it is certain what
// became of it: summed over `vips` and no VIP, each is what WorkerCounters has in total. Written by
// the worker only, before it adds the burst to WorkerCounters; read by the manager at any time:
// relaxed single-writer additions, so a reader sees values that are at most a burst off.
#ifndef GUIDEWAY_DATAPLANE_WORKER_TRAFFIC_H_
#define GUIDEWAY_DATAPLANE_WORKER_TRAFFIC_H_

#include <atomic>
#include <cstdint>

#include "dataplane/path/packet.h"
#include "lib/channel/layout.h"

namespace guideway {

struct TrafficCell {
  std::atomic<uint64_t> packets{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> new_flows{0};

  void Add(uint32_t frame_bytes) {
    Bump(packets, 1);
    Bump(bytes, frame_bytes);
  }
  void AddTo(channel::TrafficValues* sum) const {
    sum->packets += packets.load(std::memory_order_relaxed);
    sum->bytes += bytes.load(std::memory_order_relaxed);
    sum->new_flows += new_flows.load(std::memory_order_relaxed);
  }

  static void Bump(std::atomic<uint64_t>& value, uint64_t delta) {
    value.store(value.load(std::memory_order_relaxed) + delta, std::memory_order_relaxed);
  }
};

// What was not forwarded; apart from TrafficCell, so that forwarding touches none of it.
struct OtherVerdicts {
  std::atomic<uint64_t> to_kernel{0};
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> drops[kDropReasonCount] = {};

  void AddTo(channel::OtherVerdictValues* sum) const {
    sum->to_kernel_packets += to_kernel.load(std::memory_order_relaxed);
    sum->answered_packets += answered.load(std::memory_order_relaxed);
    for (size_t i = 0; i < kDropReasonCount; ++i) {
      sum->drops[i] += drops[i].load(std::memory_order_relaxed);
    }
  }
};

struct Traffic {
  static constexpr uint32_t kNoVipRow = channel::kMaxVips;

  TrafficCell vips[channel::kMaxVips];
  TrafficCell backends[channel::kMaxBackends];
  OtherVerdicts others[channel::kMaxVips + 1];  // by VIP index; the last: no VIP
  // The stages count here, whatever becomes of a packet.
  BackendCounterCell backend_counters[channel::kMaxBackends];

  // Of a packet that is where it was to go. A packet without a VIP is never forwarded.
  void CountForwarded(const Packet& packet, uint32_t received_bytes) {
    TrafficCell& vip = vips[packet.vip];
    TrafficCell& backend = backends[BackendIndex(packet.backend->id)];
    vip.Add(received_bytes);
    backend.Add(received_bytes);
    if (packet.new_flow) [[unlikely]] {
      TrafficCell::Bump(vip.new_flows, 1);
      TrafficCell::Bump(backend.new_flows, 1);
    }
  }
  // What counts a packet that was not forwarded, once its verdict is certain.
  std::atomic<uint64_t>& OtherCounterOf(const Packet& packet) {
    OtherVerdicts& row = others[packet.vip < kNoVipRow ? packet.vip : kNoVipRow];
    if (packet.verdict == Verdict::kToKernel) return row.to_kernel;
    if (packet.verdict == Verdict::kAnswer) return row.answered;
    return row.drops[static_cast<size_t>(packet.drop_reason)];
  }
  void CountDropWithoutVip(DropReason reason) {
    TrafficCell::Bump(others[kNoVipRow].drops[static_cast<size_t>(reason)], 1);
  }
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_WORKER_TRAFFIC_H_
