// The circuit breaker: what a backend gets at most, and who gets what it may not have.
//
// A worker has its share of both limits, rounded up, and looks at nothing but its own flow table
// and rates. Only the first packet of a flow comes by here, and only in pools with limits.
//
// HOT PATH: no allocation, lock, log, system call or exception. The worker's thread.
#ifndef GUIDEWAY_DATAPLANE_PATH_BREAKER_H_
#define GUIDEWAY_DATAPLANE_PATH_BREAKER_H_

#include <vector>

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"

namespace guideway {

// Before all that are left are asked in turn.
inline constexpr uint32_t kTriesByHash = 4;

// The rates of one worker, by backend index. Allocates when it is made, and never again.
class BreakerState {
 public:
  BreakerState() : rates_(channel::kMaxBackends, TokenBucket(0)) {}

  // Takes one new flow of `per_second`, if there is one. Another rate than last time begins full.
  bool Take(uint16_t backend, uint32_t per_second, uint64_t now_ms) {
    TokenBucket& rate = rates_[backend];
    if (rate.per_second() != per_second) rate = TokenBucket(per_second);
    return rate.Take(now_ms);
  }

 private:
  std::vector<TokenBucket> rates_;
};

// Who gets a new flow that is to go to `first`: that one if its limits allow, else the first of
// others that has room: owners of slots by further hashes (of the client with maglev-source), then
// one after the other, kMostCompared at most. If none has, `first` or null (drop), as the pool
// says. Counts for `first` what it did not get, and what it got in excess.
const Backend* WithinLimits(const Packet& packet, const Backend* first, const Snapshot& tables,
                            PathState& state);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_BREAKER_H_
