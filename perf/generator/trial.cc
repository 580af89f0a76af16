#include "perf/generator/trial.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>

#include "dataplane/path/packet.h"
#include "perf/generator/pacer.h"

namespace guideway {
namespace {

// Small, so that a packet waits for few others; Guideway's own burst is 48.
constexpr uint32_t kBurst = 32;
// Late by more than this, packets are withheld: two bursts are no load that rings do not take.
constexpr uint32_t kMostBehind = 2 * kBurst;
// What has not come so long after the last packet is lost.
constexpr double kQuietSeconds = 0.03;
// A trial ends when interruptions have taken so many times its length.
constexpr double kMostInterrupted = 3;

uint64_t Ticks(double seconds) {
  return static_cast<uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
}

double Seconds(uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(rte_get_tsc_hz());
}

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
    const uint64_t now = rte_rdtsc();
    NoteInterruption(now);
    for (uint32_t i = 0; i < count; ++i) Take(packets[i], now);
    if (count > 0) rte_pktmbuf_free_bulk(packets, count);
    if (count > 0 || !OnTheirWay()) last_progress_ = now;
    last_turn_ = now;
    return count;
  }
  // When Receive() last looked.
  uint64_t now() const { return last_turn_; }

  // Waits for what is still on its way.
  void Drain() {
    const uint64_t quiet = Ticks(kQuietSeconds);
    uint64_t last = rte_rdtsc();
    while (OnTheirWay() && rte_rdtsc() - last < quiet) {
      if (Receive() > 0) last = rte_rdtsc();
    }
  }

  bool interrupted() const { return interrupted_; }
  // Waits for what is still on its way. Returns the ticks for which the clock shall stand still.
  uint64_t SitOutInterruption() {
    const uint64_t began = last_turn_ - own_gap_;
    Drain();
    last_turn_ = last_progress_ = rte_rdtsc();
    interrupted_ = false;
    const uint64_t still = last_turn_ - began;
    result_.interrupted_seconds += Seconds(still);
    return still;
  }

 private:
  // Before the packets that came after it are looked at.
  void NoteInterruption(uint64_t now) {
    const bool own = now - last_turn_ >= interruption_;
    if (!own && (!OnTheirWay() || now - last_progress_ < interruption_)) [[likely]]
      return;
    interrupted_before_ = sender_.sequence_;
    if (interrupted_) return;
    interrupted_ = true;
    ++result_.interruptions;
    own_gap_ = own ? now - last_turn_ : 0;
  }

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
    const uint64_t ticks = (now - stamp.ticks) & Frames::kTicksMask;
    const bool interrupted = stamp.sequence - first_ < interrupted_before_ - first_;
    (interrupted ? result_.interrupted_ticks : result_.ticks).Add(ticks);
  }
  // Rings keep the order: what comes behind a missing packet says that it is lost.
  bool OnTheirWay() const { return expected_ != sender_.sequence_; }

  Sender& sender_;
  TrialResult& result_;
  const uint32_t first_;  // sequence number of the trial's first packet
  uint32_t expected_;
  uint32_t interrupted_before_ = first_;  // packets before this one were on their way or done
  bool interrupted_ = false;
  const uint64_t interruption_ = Ticks(kInterruptionSeconds);
  uint64_t last_turn_ = rte_rdtsc();
  uint64_t last_progress_ = last_turn_;
  uint64_t own_gap_ = 0;  // of this process
};

TrialResult Sender::Run(const TrialOptions& options) {
  TrialResult result;
  Turn turn(this, &result);
  const auto hertz = static_cast<double>(rte_get_tsc_hz());
  const auto random_flow = [this] {
    random_ = random_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>((random_ >> 32) * flows_ >> 32);
  };
  const uint64_t start = turn.now();
  const uint64_t length = Ticks(options.seconds);
  Pacer pacer(start, hertz / options.packets_per_second, kMostBehind);
  uint64_t still = 0;  // the clock stood still for so long
  while (turn.now() - start < length + still &&
         Seconds(still) < kMostInterrupted * options.seconds) {
    turn.Receive();
    if (turn.interrupted()) [[unlikely]] {
      const uint64_t ticks = turn.SitOutInterruption();
      pacer.Skip(ticks);
      still += ticks;
    }
    turn.Send(pacer.Due(turn.now(), kBurst), kTcpAck, random_flow);
  }
  result.seconds = Seconds(turn.now() - start - still);
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
  const uint64_t start = turn.now();
  Pacer pacer(start, hertz / packets_per_second, kMostBehind);
  // A peer that takes nothing any more ends it, too.
  const uint64_t end = start + Ticks(1 + 10 * flows_ / packets_per_second);
  uint32_t flow = 0;
  while (flow < flows_ && turn.now() < end) {
    turn.Receive();
    const uint64_t accepted = result.accepted;
    uint32_t next = flow;
    turn.Send(std::min(pacer.Due(turn.now(), kBurst), flows_ - flow), flags,
              [&next] { return next++; });
    flow += static_cast<uint32_t>(result.accepted - accepted);
  }
  result.seconds = Seconds(turn.now() - start);
  turn.Drain();
  return result;
}

}  // namespace guideway
