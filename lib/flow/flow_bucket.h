// A bucket of the flow table, and what can be read from one entry of it.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure functions; for the worker that
// owns the table, unless they say otherwise.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_BUCKET_H_
#define GUIDEWAY_LIB_FLOW_FLOW_BUCKET_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "lib/base/hot.h"
#include "lib/flow/flow_entry.h"

namespace guideway {

inline constexpr size_t kFlowsPerBucket = 4;

struct alignas(kCacheLineBytes) FlowBucket {
  FlowEntry entries[kFlowsPerBucket];
};
static_assert(sizeof(FlowBucket) == kCacheLineBytes);

inline constexpr uint32_t kFlowTimeMask = 0x0fffffff;
// An entry that would time out later than this was not refreshed for 2^28 s, or nearly: it is dead.
// Beyond the longest timeout, so that a clock that steps back kills no flow.
inline constexpr uint32_t kFlowHorizonSeconds = 2 * FlowTimeouts::kMaxSeconds;

inline uint32_t PackExpiry(FlowState state, uint32_t now_s, const FlowTimeouts& timeouts) {
  return static_cast<uint32_t>(state) << 28 | ((now_s + timeouts.Of(state)) & kFlowTimeMask);
}

inline FlowState StateOf(uint32_t expiry) { return static_cast<FlowState>(expiry >> 28); }

inline uint32_t SecondsLeft(uint32_t expiry, uint32_t now_s) {
  return (expiry - now_s) & kFlowTimeMask;
}

inline bool IsLive(uint32_t expiry, uint32_t now_s) {
  return expiry >> 28 != 0 && SecondsLeft(expiry, now_s) - 1 < kFlowHorizonSeconds;
}

// Whether an entry is its table's own, live or timed out, and not forgotten.
inline bool IsOwn(uint32_t expiry) {
  return expiry >> 28 != 0 && StateOf(expiry) != FlowState::kTakenOver;
}

inline uint64_t TagOf(const FlowEntry& entry) { return entry.tag.load(std::memory_order_relaxed); }
inline uint32_t ExpiryOf(const FlowEntry& entry) {
  return entry.expiry.load(std::memory_order_relaxed);
}

inline void WriteEntry(FlowEntry& entry, uint64_t tag, BackendId backend, uint32_t expiry) {
  entry.expiry.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  entry.tag.store(tag, std::memory_order_relaxed);
  entry.backend.store(backend, std::memory_order_relaxed);
  entry.expiry.store(expiry, std::memory_order_release);
}

// Records a packet of the entry's flow; `before`: what its expiry is.
inline void RefreshEntry(FlowEntry& entry, uint32_t before, FlowState state, uint32_t now_s,
                         const FlowTimeouts& timeouts) {
  const uint32_t expiry = PackExpiry(state, now_s, timeouts);
  // Most packets of a flow fall into the same second: leave the line clean then.
  if (before != expiry) entry.expiry.store(expiry, std::memory_order_relaxed);
}

// Bit i: entry i has this tag. No branch depends on which one it is.
inline uint32_t EntriesWithTag(const FlowBucket& bucket, uint64_t tag) {
  static_assert(kFlowsPerBucket == 4);
  const auto is = [&](uint32_t i) {
    return static_cast<uint32_t>(TagOf(bucket.entries[i]) == tag) << i;
  };
  return is(0) | is(1) | is(2) | is(3);
}

inline FlowEntry& FirstEntry(FlowBucket& bucket, uint32_t of_these) {
  return bucket.entries[std::countr_zero(of_these)];
}

// The entry that has this tag (not 0), if there is one. No branch depends on which one it is: at
// most one has it; should memory of another process say otherwise, it still is a place in the
// bucket.
inline FlowEntry& LikeliestEntry(FlowBucket& bucket, uint64_t tag) {
  const auto is = [&](uint32_t i) { return size_t{TagOf(bucket.entries[i]) == tag}; };
  return bucket.entries[Opaque(is(1) | 2 * is(2) | 3 * is(3))];
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_BUCKET_H_
