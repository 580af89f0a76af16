// What the stages of one worker keep from burst to burst.
//
// Owned and used by that worker only; the manager sets it up before the worker starts.
#ifndef GUIDEWAY_DATAPLANE_PATH_STATE_H_
#define GUIDEWAY_DATAPLANE_PATH_STATE_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "dataplane/path/fragment_table.h"
#include "dataplane/tables/snapshot.h"
#include "lib/base/token_bucket.h"
#include "lib/flow/flow_table.h"
#include "lib/stats/stats.h"

namespace guideway {

// What the schedulers of one worker keep (schedulers.h). Owned and used by that worker only.
struct SchedulerState {
  SchedulerState() { next_turn.fill(kNotBegun); }
  static constexpr uint32_t kNotBegun = 0xffffffff;
  std::array<uint32_t, channel::kMaxPools> next_turn;  // by pool index: which turn is next
  uint32_t sweep_second = 0;                           // the second in which
  uint64_t swept_buckets = 0;                          // so much of the flow table was swept
};

// What a worker sends back at most.
struct ReplyLimits {
  uint32_t too_big_per_second = 100;
  uint32_t echo_per_second = 1000;
};

// How many entries of other workers' tables may be looked for in vain: each costs a cache miss, of
// which several are waited for at a time. By protocol, so that a service with many short UDP flows
// takes nothing from TCP. What is beyond is selected as if nobody knew it.
class AskBudget {
 public:
  static constexpr uint32_t kTablesPerMs = 512;

  void Follow(uint64_t now_ms) {
    if (now_ms == ms_) return;
    ms_ = now_ms;
    left_[0] = left_[1] = kTablesPerMs;
  }
  bool Take(IpProtocol protocol, uint32_t tables) {
    uint32_t& left = Of(protocol);
    if (left < tables) return false;
    left -= tables;
    return true;
  }
  // It was not in vain.
  void GiveBack(IpProtocol protocol, uint32_t tables) {
    uint32_t& left = Of(protocol);
    left = left + tables < kTablesPerMs ? left + tables : kTablesPerMs;
  }

 private:
  uint32_t& Of(IpProtocol protocol) { return left_[protocol == IpProtocol::kUdp ? 1 : 0]; }

  uint64_t ms_ = 0;
  uint32_t left_[2] = {kTablesPerMs, kTablesPerMs};
};

class BreakerState;  // breaker.h

// What the stages of one worker keep from burst to burst. Owned and used by that worker only.
struct PathState {
  FlowTable* flows = nullptr;  // borrowed
  // The other workers' flow tables, to Inspect(); borrowed.
  absl::Span<const FlowTable* const> peers;
  AskBudget asks;
  uint32_t now_s = 0;         // set by the worker before each burst (CLOCK_BOOTTIME seconds)
  uint16_t next_ipv4_id = 0;  // identification of outer IPv4 headers that may be fragmented
  uint64_t now_ms = 0;        // like now_s, for the limits
  // Limits of what is sent back, for all VIPs together.
  TokenBucket too_big_replies{ReplyLimits{}.too_big_per_second};
  TokenBucket echo_answers{ReplyLimits{}.echo_per_second};
  FragmentTable* fragments = nullptr;  // borrowed
  bool fragments_in_burst = false;     // the burst has work for fragments.h
  CounterValues counted;  // what this burst adds to the counters (flow_* counters by stages)
  // By backend index, channel::kMaxBackends; borrowed. Null: not counted by backend.
  BackendCounterCell* backend_counters = nullptr;
  SchedulerState schedulers;
  BreakerState* breaker = nullptr;  // borrowed; null: no rates are limited
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_STATE_H_
