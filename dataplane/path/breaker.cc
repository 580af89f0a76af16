// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/breaker.h"

#include <algorithm>

#include "dataplane/path/flow_counting.h"
#include "dataplane/path/schedulers.h"
#include "lib/hash/maglev.h"

namespace guideway {
namespace {

// Of one worker; 0 only if there is no limit.
uint32_t ShareOf(uint32_t limit, const PathState& state) {
  const auto workers = static_cast<uint32_t>(state.peers.size() + 1);
  return limit / workers + (limit % workers != 0);
}

// True: the flow is taken off its rate.
bool Takes(uint16_t backend, const channel::Breaker& breaker, PathState& state) {
  const uint32_t flows = ShareOf(breaker.max_flows, state);
  if (flows != 0 && state.flows->CountOf(backend) >= flows) return false;
  const uint32_t rate = ShareOf(breaker.max_new_flows_per_second, state);
  return rate == 0 || state.breaker == nullptr || state.breaker->Take(backend, rate, state.now_ms);
}

// An index of a backend that takes the flow, or kNoBackend.
uint16_t NextChoice(const Packet& packet, uint16_t first, const Pool& pool, const Snapshot& tables,
                    PathState& state) {
  const auto takes = [&](uint16_t index) {
    return index != first && index < tables.backends.size() && tables.backends[index].exists &&
           Takes(index, pool.breaker, state);
  };
  uint64_t hash = packet.flow_hash;
  if (pool.scheduler == channel::Scheduler::kMaglevSource)
    hash = SourceHash(tables.flow_hash_key, packet.key.source, pool);
  for (uint32_t i = 0; i < kTriesByHash; ++i) {
    hash = NextHash(hash);
    const uint16_t index = pool.slots[SlotOf(hash, pool.slot_count)].current;
    if (takes(index)) return index;
  }
  const auto count = static_cast<uint32_t>(pool.candidates.size());
  if (count == 0) return kNoBackend;
  uint32_t next = SlotOf(hash, count);
  for (uint32_t i = std::min(count, kMostCompared); i > 0; --i) {
    const uint16_t index = pool.candidates[next].backend;
    if (takes(index)) return index;
    if (++next == count) next = 0;
  }
  return kNoBackend;
}

}  // namespace

const Backend* WithinLimits(const Packet& packet, const Backend* first, const Snapshot& tables,
                            PathState& state) {
  const Pool& pool = tables.pools[packet.pool];
  const uint16_t index = BackendIndex(first->id);
  if (Takes(index, pool.breaker, state)) return first;
  const uint16_t next = NextChoice(packet, index, pool, tables, state);
  if (next != kNoBackend) {
    CountFor(first->id, BackendCounter::overflowed_flows, tables, state);
    return &tables.backends[next];
  }
  if (pool.breaker.when_full == channel::WhenFull::kDrop) return nullptr;
  CountFor(first->id, BackendCounter::over_limit_flows, tables, state);
  return first;
}

}  // namespace guideway
