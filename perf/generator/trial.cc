#include "perf/generator/trial.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>

#include "dataplane/path/packet.h"
#include "perf/generator/pacer.h"

namespace guideway {
namespace {

// Small, so that a packet waits for few others; Guideway's own burst is 32.
constexpr uint32_t kBurst = 32;
// Late by more than this, packets are withheld: two bursts are no load that rings do not take.
constexpr uint32_t kMostBehind = 2 * kBurst;
// After sending, the trial ends when nothing has come for so long.
constexpr double kQuietSeconds = 0.02;

}  // namespace

// What sending and receiving of one trial share.
class Sender::Turn {
 public:
  Turn(Sender* sender, TrialResult* result)
      : sender_(*sender), result_(*result), first_(sender->sequence_), expected_(first_) {}

  // Flow numbers come from next_flow().
  template <typename NextFlow>
  void Send(uint32_t count, uint8_t flags, NextFlow&& next_flow) {
    rte_mbuf* packets[kBurst];
    if (count == 0) return;
    if (rte_pktmbuf_alloc_bulk(sender_.port_->buffers(), packets, count) != 0) return;
    const uint64_t now = rte_rdtsc() & Frames::kTicksMask;
    for (uint32_t i = 0; i < count; ++i) {
      packets[i]->data_len = Frames::kFrameBytes;
      packets[i]->pkt_len = Frames::kFrameBytes;
      sender_.frames_->Write(rte_pktmbuf_mtod(packets[i], uint8_t*), next_flow(), flags,
                             {.sequence = sender_.sequence_ + i, .ticks = now});
    }
    const uint32_t sent =
        rte_eth_tx_burst(sender_.port_->device(), 0, packets, static_cast<uint16_t>(count));
    if (sent < count) rte_pktmbuf_free_bulk(packets + sent, count - sent);
    sender_.sequence_ += sent;
    result_.accepted += sent;
    result_.rejected += count - sent;
  }

  // Returns how many came.
  uint32_t Receive() {
    rte_mbuf* packets[kBurst];
    const uint32_t count = rte_eth_rx_burst(sender_.port_->device(), 0, packets, kBurst);
    if (count == 0) return 0;
    const uint64_t now = rte_rdtsc();
    for (uint32_t i = 0; i < count; ++i) Take(packets[i], now);
    rte_pktmbuf_free_bulk(packets, count);
    return count;
  }

  // What is still on its way.
  void Drain() {
    const auto quiet = static_cast<uint64_t>(kQuietSeconds * static_cast<double>(rte_get_tsc_hz()));
    uint64_t last = rte_rdtsc();
    while (result_.received < result_.accepted && rte_rdtsc() - last < quiet) {
      if (Receive() > 0) last = rte_rdtsc();
    }
  }

 private:
  void Take(const rte_mbuf* packet, uint64_t now) {
    Stamp stamp;
    const bool ours = Frames::ReadStamp(rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len,
                                        sender_.outer_bytes_, &stamp);
    if (!ours || stamp.sequence - first_ >= sender_.sequence_ - first_) {
      ++result_.foreign;
      return;
    }
    ++result_.received;
    if (stamp.sequence - first_ < expected_ - first_) {
      ++result_.reordered;
    } else {
      expected_ = stamp.sequence + 1;
    }
    result_.ticks.Add((now - stamp.ticks) & Frames::kTicksMask);
  }

  Sender& sender_;
  TrialResult& result_;
  const uint32_t first_;  // sequence number of the trial's first packet
  uint32_t expected_;
};

TrialResult Sender::Run(const TrialOptions& options) {
  TrialResult result;
  Turn turn(this, &result);
  const auto hertz = static_cast<double>(rte_get_tsc_hz());
  const auto random_flow = [this] {
    random_ = random_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>((random_ >> 32) * flows_ >> 32);
  };
  const uint64_t start = rte_rdtsc();
  const uint64_t end = start + static_cast<uint64_t>(options.seconds * hertz);
  Pacer pacer(start, hertz / options.packets_per_second, kMostBehind);
  uint64_t now = start;
  for (; now < end; now = rte_rdtsc()) {
    turn.Receive();
    turn.Send(pacer.Due(now, kBurst), kTcpAck, random_flow);
  }
  result.seconds = static_cast<double>(now - start) / hertz;
  result.withheld = pacer.withheld();
  turn.Drain();
  return result;
}

TrialResult Sender::RunUnpaced(double seconds) {
  constexpr double kMoreThanAnyoneCan = 1e9;
  TrialResult result = Run({.packets_per_second = kMoreThanAnyoneCan, .seconds = seconds});
  result.withheld = 0;
  return result;
}

TrialResult Sender::SendAll(uint8_t flags, double packets_per_second) {
  TrialResult result;
  Turn turn(this, &result);
  const auto hertz = static_cast<double>(rte_get_tsc_hz());
  const uint64_t start = rte_rdtsc();
  Pacer pacer(start, hertz / packets_per_second, kMostBehind);
  // A peer that takes nothing any more ends it, too.
  const uint64_t end =
      start + static_cast<uint64_t>((1 + 10 * flows_ / packets_per_second) * hertz);
  uint32_t flow = 0;
  while (flow < flows_ && rte_rdtsc() < end) {
    turn.Receive();
    const uint64_t accepted = result.accepted;
    uint32_t next = flow;
    turn.Send(std::min(pacer.Due(rte_rdtsc(), kBurst), flows_ - flow), flags,
              [&next] { return next++; });
    flow += static_cast<uint32_t>(result.accepted - accepted);
  }
  result.seconds = static_cast<double>(rte_rdtsc() - start) / hertz;
  turn.Drain();
  return result;
}

}  // namespace guideway
