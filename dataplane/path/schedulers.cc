// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/schedulers.h"

#include <algorithm>
#include <bit>

#include "dataplane/path/backend_of.h"
#include "dataplane/path/breaker.h"
#include "dataplane/path/flow_counting.h"
#include "lib/hash/maglev.h"

namespace guideway {
namespace {

using channel::Scheduler;

constexpr uint64_t kMostSweptAtOnce = 64;  // buckets

bool IsSyn(const Packet& packet) {
  return (packet.tcp_flags & (kTcpSyn | kTcpAck | kTcpRst)) == kTcpSyn;
}
bool StartsFlow(const Packet& packet) {
  return packet.key.protocol == IpProtocol::kUdp || IsSyn(packet);
}

// How loaded a backend would be with one flow more, as a fraction.
struct Load {
  uint64_t flows;
  uint64_t slots;
  bool operator<(const Load& other) const { return flows * other.slots < other.flows * slots; }
};

uint16_t NextTurn(const Packet& packet, const Pool& pool, PathState& state) {
  const auto count = static_cast<uint32_t>(pool.turns.size());
  uint32_t& next = state.schedulers.next_turn[packet.pool];
  // Begun somewhere, so that not all workers give their first flow to the same backend.
  if (next >= count) next = SlotOf(packet.flow_hash, count);
  const uint16_t backend = pool.turns[next];
  if (++next == count) next = 0;
  return backend;
}

uint16_t LeastLoaded(const Packet& packet, const Pool& pool, const FlowTable& flows) {
  const auto count = static_cast<uint32_t>(pool.candidates.size());
  uint32_t next = SlotOf(packet.flow_hash, count);
  uint16_t least = 0;
  Load least_load{.flows = 1, .slots = 0};  // more than any
  for (uint32_t i = std::min(count, kMostCompared); i > 0; --i) {
    const Candidate& candidate = pool.candidates[next];
    const Load load{.flows = uint64_t{flows.CountOf(candidate.backend)} + 1,
                    .slots = candidate.slots};
    if (load < least_load) {
      least = candidate.backend;
      least_load = load;
    }
    if (++next == count) next = 0;
  }
  return least;
}

uint16_t BetterOfTwo(const Packet& packet, const Pool& pool, const Snapshot& tables,
                     const FlowTable& flows) {
  const auto load = [&](uint16_t backend) -> Load {
    if (backend >= tables.shares.size()) return {.flows = 1, .slots = 0};
    return {.flows = uint64_t{flows.CountOf(backend)} + 1, .slots = tables.shares[backend]};
  };
  const uint16_t one = pool.slots[SlotOf(packet.flow_hash, pool.slot_count)].current;
  const uint64_t hash = NextHash(packet.flow_hash);
  const uint16_t other = pool.slots[SlotOf(hash, pool.slot_count)].current;
  return load(other) < load(one) ? other : one;
}

uint16_t Choose(const Packet& packet, const Pool& pool, const Snapshot& tables, PathState& state) {
  switch (pool.scheduler) {
    case Scheduler::kWeightedRoundRobin:
      return pool.turns.empty() ? kNoBackend : NextTurn(packet, pool, state);
    case Scheduler::kWeightedLeastConnections:
      return pool.candidates.empty() ? kNoBackend : LeastLoaded(packet, pool, *state.flows);
    case Scheduler::kTwoChoices:
      return BetterOfTwo(packet, pool, tables, *state.flows);
    default:
      return kNoBackend;
  }
}

// Whom the flow table gave the flow, unless it is to start anew because he gets no new flows.
const Backend* Remembered(const Packet& packet, const Snapshot& tables, const PathState& state) {
  const FlowEntry* entry = state.flows->Find(packet.flow_hash, state.now_s);
  if (entry == nullptr) return nullptr;
  const BackendId id = entry->backend.load(std::memory_order_relaxed);
  const Backend* backend = KnownBackend(tables, id);
  if (backend == nullptr || !IsSyn(packet)) return backend;
  const uint16_t index = BackendIndex(id);
  return index < tables.shares.size() && tables.shares[index] > 0 ? backend : nullptr;
}

}  // namespace

// The finalizer of SplitMix64 (Steele et al., OOPSLA '14).
uint64_t NextHash(uint64_t hash) {
  hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ hash >> 27) * 0x94d049bb133111eb;
  return hash ^ hash >> 31;
}

const Backend* Schedule(const Packet& packet, const Backend* by_hash, const Snapshot& tables,
                        PathState& state) {
  if (const Backend* known = Remembered(packet, tables, state)) return known;
  if (!StartsFlow(packet)) return by_hash;
  const Pool& pool = tables.pools[packet.pool];
  const uint16_t index = Choose(packet, pool, tables, state);
  const bool chosen = index < tables.backends.size() && tables.backends[index].exists;
  const Backend* choice = chosen ? &tables.backends[index] : by_hash;
  return pool.breaker.limits() ? WithinLimits(packet, choice, tables, state) : choice;
}

void SweepFlows(const Snapshot& tables, PathState& state) {
  // Also the flows of a backend whose index is another's now: nobody finds them any more, but they
  // would be counted as the other's.
  const auto is_anothers = [&tables](BackendId id) {
    const uint16_t index = BackendIndex(id);
    return index < tables.backends.size() && tables.backends[index].exists &&
           tables.backends[index].id != id;
  };
  const auto count_unanswered = [&](BackendId id) {
    CountFor(id, BackendCounter::unanswered_flows, tables, state);
  };
  if (!state.flows->counts_all()) {  // what stands there already, as soon as may be
    state.flows->Sweep(kMostSweptAtOnce, state.now_s, is_anothers, count_unanswered);
    return;
  }
  SchedulerState& own = state.schedulers;
  if (own.sweep_second != state.now_s) {
    own.sweep_second = state.now_s;
    own.swept_buckets = 0;
  }
  const uint64_t a_second = (state.flows->bucket_count() + kSweepSeconds - 1) / kSweepSeconds;
  if (own.swept_buckets >= a_second) return;
  const uint64_t buckets = std::min(kMostSweptAtOnce, a_second - own.swept_buckets);
  own.swept_buckets += buckets;
  state.flows->Sweep(buckets, state.now_s, is_anothers, count_unanswered);
}

}  // namespace guideway
