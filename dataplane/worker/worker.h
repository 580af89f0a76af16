// A worker: one lcore that takes bursts from its queues and runs each packet to completion.
//
// Run() is called on the worker's lcore and returns after RequestStop(). Everything the worker
// changes belongs to it alone; the manager reads counters(), traffic() and flows() at any time.
// HOT PATH: between start and stop no allocation, lock, log or exception, and no system call other
// than the drivers' own and the idle sleep.
#ifndef GUIDEWAY_DATAPLANE_WORKER_WORKER_H_
#define GUIDEWAY_DATAPLANE_WORKER_WORKER_H_

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/path/breaker.h"
#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"
#include "dataplane/ports/port.h"
#include "dataplane/worker/idle.h"
#include "dataplane/worker/traffic.h"

namespace guideway {

class Worker {
 public:
  struct Options {
    uint32_t index = 0;
    IdleMode idle = IdleMode::kAdaptive;
    const std::atomic<const Snapshot*>* published = nullptr;  // borrowed; never null inside
    rte_rcu_qsbr* quiescence = nullptr;                       // borrowed; thread id = index
    FlowTable* flows = nullptr;                               // borrowed
    std::vector<const FlowTable*> peers;                      // borrowed; the other workers'
    std::vector<Port*> ports;                                 // borrowed; by port index
    ReplyLimits limits;
  };

  explicit Worker(const Options& options);

  void Run();
  // Any thread. The worker empties its queues (bounded) and returns from Run().
  void RequestStop() { stop_.store(true, std::memory_order_release); }

  const WorkerCounters& counters() const { return counters_; }
  const Traffic& traffic() const { return *traffic_; }
  // CLOCK_BOOTTIME in ns when the worker last read it, which is at least every kBeatPause while it
  // runs; 0: it has not begun.
  static constexpr uint64_t kBeatPauseNs = 1'000'000;
  uint64_t beat_ns() const { return beat_ns_.load(std::memory_order_relaxed); }
  // Time of rounds in which there were packets.
  uint64_t busy_ns() const;
  // For what any thread may ask of it.
  const FlowTable& flows() const { return *state_.flows; }
  // The kernel's own packets that a transmit queue did not take.
  uint64_t from_kernel_lost(uint32_t port) const {
    return from_kernel_lost_[port].load(std::memory_order_relaxed);
  }

 private:
  // Packets that leave by one port.
  struct Outbox {
    uint32_t count = 0;
    rte_mbuf* packets[kBurstCapacity];

    void Add(rte_mbuf* mbuf) { packets[count++] = mbuf; }
  };
  struct Sent {
    uint32_t packets = 0;
    uint64_t bytes = 0;
  };

  // Constant after construction.
  struct PortAccess {
    PortQueue queue;
    KernelTwin* twin = nullptr;
  };

  bool PollAllPorts(const Snapshot& tables);
  void FollowTime(uint64_t now_tsc);
  uint32_t ReceiveBurst(uint32_t port, const Snapshot& tables);
  void Process(rte_mbuf** packets, uint32_t count, uint32_t port, const Snapshot& tables);
  void LoadBurst(rte_mbuf** packets, uint32_t count, uint32_t port);
  void Dispatch(rte_mbuf** packets, uint32_t receive_port);
  void CountTraffic();
  void DispatchOther(Packet& packet, rte_mbuf* mbuf);
  void Forward(uint32_t port);
  void SendFragments(Packet& packet, rte_mbuf* mbuf);
  Sent Transmit(uint32_t port, Outbox* outbox);
  void DropLate(rte_mbuf* mbuf, DropReason reason);
  void HandToKernel(uint32_t port);
  void DropWithoutTwin();
  void SendFromKernel(uint32_t port);
  void FollowFlowKey(const Snapshot& tables);
  void Sweep(const Snapshot& tables);
  void FollowTakeovers();
  // waiting_fragments.cc
  void Hold(const Packet& packet, rte_mbuf* mbuf);
  void ProcessReleased(const Snapshot& tables);
  void DropExpiredFragments();
  void DropAllFragments();
  void DropWaiting(const WaitingFragment& fragment, DropReason reason);

  const uint32_t index_;
  const IdleMode idle_mode_;
  const std::atomic<const Snapshot*>* const published_;
  rte_rcu_qsbr* const quiescence_;
  const std::vector<const FlowTable*> peers_;
  std::vector<uint64_t> takeovers_read_;  // by peer: its log was read so far
  bool takeovers_to_read_ = false;
  std::vector<PortAccess> ports_;

  // The worker's own.
  Burst burst_;
  uint32_t received_bytes_[kBurstCapacity];  // of burst_'s packets
  rte_mbuf* const* burst_mbufs_ = nullptr;   // those of burst_'s packets, while it is dispatched
  PathState state_;
  const std::unique_ptr<FragmentTable> fragments_;
  const std::unique_ptr<BreakerState> breaker_;
  Outbox outboxes_[channel::kMaxPorts];
  Outbox answers_;  // leave by the port they came from
  Outbox to_kernel_;
  Outbox drops_;
  uint64_t round_began_tsc_ = 0;
  uint64_t clock_read_tsc_ = 0;
  bool round_had_packets_ = false;

  // Written by the worker, read by the manager.
  WorkerCounters counters_;
  std::unique_ptr<Traffic> traffic_;
  std::array<std::atomic<uint64_t>, channel::kMaxPorts> from_kernel_lost_{};
  std::atomic<uint64_t> busy_tsc_{0};
  std::atomic<uint64_t> beat_ns_{0};

  const uint64_t clock_interval_tsc_;

  // Written by the manager.
  alignas(kCacheLineBytes) std::atomic<bool> stop_{false};
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_WORKER_WORKER_H_
