// HOT PATH: no allocation, lock, log or exception below Run().
#include "dataplane/worker/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <ctime>

#include "dataplane/path/path.h"
#include "dataplane/path/schedulers.h"

namespace guideway {
namespace {

constexpr uint32_t kClockReadsPerSecond = 4000;  // of the time for expiry and limits
constexpr uint32_t kStopRounds = 10000;          // of emptying queues after RequestStop(), at most

timespec BootTime() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now;
}

}  // namespace

Worker::Worker(const Options& options)
    : index_(options.index),
      idle_mode_(options.idle),
      published_(options.published),
      quiescence_(options.quiescence),
      peers_(options.peers),
      takeovers_read_(options.peers.size()),
      fragments_(std::make_unique<FragmentTable>()),
      breaker_(std::make_unique<BreakerState>()),
      traffic_(std::make_unique<Traffic>()),
      clock_interval_tsc_(rte_get_tsc_hz() / kClockReadsPerSecond) {
  state_.flows = options.flows;
  state_.peers = peers_;
  state_.too_big_replies = TokenBucket(options.limits.too_big_per_second);
  state_.echo_answers = TokenBucket(options.limits.echo_per_second);
  state_.fragments = fragments_.get();
  state_.breaker = breaker_.get();
  state_.backend_counters = traffic_->backend_counters;
  for (Port* port : options.ports) {
    ports_.push_back({.queue = port->queue(index_), .twin = port->twin()});
  }
}

void Worker::Run() {
  rte_rcu_qsbr_thread_register(quiescence_, index_);
  rte_rcu_qsbr_thread_online(quiescence_, index_);
  IdleBackoff idle(idle_mode_);
  uint32_t stop_rounds = 0;
  for (;;) {
    const Snapshot& tables = *published_->load(std::memory_order_acquire);
    const bool received = PollAllPorts(tables);
    rte_rcu_qsbr_quiescent(quiescence_, index_);
    if (stop_.load(std::memory_order_acquire) && (!received || ++stop_rounds > kStopRounds)) break;
    if (received) {
      idle.OnPackets();
    } else if (idle.OnEmptyRound()) {
      // Holds no tables meanwhile: who publishes new ones need not wait for the end of the sleep.
      rte_rcu_qsbr_thread_offline(quiescence_, index_);
      idle.Sleep();
      rte_rcu_qsbr_thread_online(quiescence_, index_);
    }
  }
  DropAllFragments();
  rte_rcu_qsbr_thread_offline(quiescence_, index_);
  rte_rcu_qsbr_thread_unregister(quiescence_, index_);
}

bool Worker::PollAllPorts(const Snapshot& tables) {
  FollowTime(rte_rdtsc());
  FollowFlowKey(tables);
  Sweep(tables);
  if (takeovers_to_read_) FollowTakeovers();
  uint32_t received = 0;
  for (uint32_t port = 0; port < ports_.size(); ++port) {
    received += ReceiveBurst(port, tables);
    if (index_ == 0 && ports_[port].twin != nullptr) SendFromKernel(port);
  }
  if (fragments_->waiting() > 0) [[unlikely]]
    DropExpiredFragments();
  round_had_packets_ = received > 0;
  return round_had_packets_;
}

// The clock is read through the vDSO, without a system call, but not for every burst: that would
// wait until all of the burst before is done (1.4 ns a packet in full bursts). The
// counter says when it is time; it also gives the busy time of the round before this one.
void Worker::FollowTime(uint64_t now_tsc) {
  if (round_had_packets_) {
    const uint64_t busy_tsc = busy_tsc_.load(std::memory_order_relaxed);
    busy_tsc_.store(busy_tsc + now_tsc - round_began_tsc_, std::memory_order_relaxed);
  }
  round_began_tsc_ = now_tsc;
  if (now_tsc - clock_read_tsc_ < clock_interval_tsc_) [[likely]]
    return;
  clock_read_tsc_ = now_tsc;
  takeovers_to_read_ = !peers_.empty();
  const timespec now = BootTime();
  state_.now_s = static_cast<uint32_t>(now.tv_sec);
  state_.now_ms = static_cast<uint64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
  beat_ns_.store(static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec,
                 std::memory_order_relaxed);
}

uint64_t Worker::busy_ns() const {
  const double busy_tsc = static_cast<double>(busy_tsc_.load(std::memory_order_relaxed));
  return static_cast<uint64_t>(busy_tsc * 1e9 / static_cast<double>(rte_get_tsc_hz()));
}

// Gives up what the other workers have taken over, a little a round.
void Worker::FollowTakeovers() {
  takeovers_to_read_ = false;
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (state_.flows->FollowTakeovers(*peers_[i], state_.now_s, &takeovers_read_[i]))
      takeovers_to_read_ = true;
  }
}

// What it counts is of no burst.
void Worker::Sweep(const Snapshot& tables) {
  uint64_t& unanswered = state_.counted[Counter::unanswered_flows];
  unanswered = 0;
  SweepFlows(tables, state_);
  if (unanswered == 0) [[likely]]
    return;
  CounterValues counted;
  counted[Counter::unanswered_flows] = unanswered;
  counters_.Add(counted);
}

// Flows hashed with another key cannot be found again: start anew.
void Worker::FollowFlowKey(const Snapshot& tables) {
  if (tables.generation != 0 && state_.flows->key_digest() != tables.flow_key_digest) {
    state_.flows->Clear(tables.flow_key_digest);
  }
}

uint32_t Worker::ReceiveBurst(uint32_t port, const Snapshot& tables) {
  rte_mbuf* packets[kBurstCapacity];
  const PortQueue queue = ports_[port].queue;
  const uint32_t count = rte_eth_rx_burst(queue.device, queue.queue, packets, kBurstCapacity);
  if (count == 0) return 0;
  Process(packets, count, port, tables);
  if (fragments_->released() > 0) [[unlikely]]
    ProcessReleased(tables);
  return count;
}

void Worker::Process(rte_mbuf** packets, uint32_t count, uint32_t port, const Snapshot& tables) {
  state_.counted = CounterValues{};
  LoadBurst(packets, count, port);
  ProcessBurst(burst_, tables, state_);
  Dispatch(packets, port);
  counters_.Add(state_.counted);
}

// Fills the burst and closes up `packets`: the frames that cannot be worked on are left out.
void Worker::LoadBurst(rte_mbuf** packets, uint32_t count, uint32_t port) {
  burst_.count = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    rte_mbuf* mbuf = packets[i];
    bytes += mbuf->pkt_len;
    // Comes from no queue that this program sets up, but from some virtual devices.
    if (mbuf->nb_segs != 1) {
      ++state_.counted[DropReason::scattered_frame];
      traffic_->CountDropWithoutVip(DropReason::scattered_frame);
      drops_.Add(mbuf);
      continue;
    }
    packets[burst_.count] = mbuf;
    received_bytes_[burst_.count] = mbuf->pkt_len;
    Packet& packet = burst_.packets[burst_.count++];
    packet.frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
    packet.length_bytes = mbuf->data_len;
    packet.headroom_bytes = rte_pktmbuf_headroom(mbuf);
    packet.receive_port = static_cast<uint16_t>(port);
  }
  state_.counted[Counter::received_packets] += count;
  state_.counted[Counter::received_bytes] += bytes;
}

// The kernel's own packets; they are not "received" and take no part in the accounting of bursts.
void Worker::SendFromKernel(uint32_t port) {
  rte_mbuf* packets[kBurstCapacity];
  const uint32_t count = ports_[port].twin->DequeueFromKernel(packets, kBurstCapacity);
  if (count == 0) return;
  const PortQueue queue = ports_[port].queue;
  const uint32_t sent =
      rte_eth_tx_burst(queue.device, queue.queue, packets, static_cast<uint16_t>(count));
  if (sent == count) return;
  rte_pktmbuf_free_bulk(packets + sent, count - sent);
  from_kernel_lost_[port].fetch_add(count - sent, std::memory_order_relaxed);
}

}  // namespace guideway
