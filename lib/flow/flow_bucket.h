// A bucket of the flow table, and what can be read from one entry of it.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure functions; for the worker that
// owns the table, unless they say otherwise.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_BUCKET_H_
#define GUIDEWAY_LIB_FLOW_FLOW_BUCKET_H_

#include <atomic>
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

// The places that a new flow may take, seen over one bucket or several.
struct FlowPlaces {
  FlowEntry* known = nullptr;      // has the flow's tag
  FlowEntry* unused = nullptr;     // never used; the first found
  FlowEntry* timed_out = nullptr;  // the first found
  FlowEntry* evictable = nullptr;  // the next to time out of those that may be evicted
  uint32_t evictable_left_s = 0;

  // What may be taken without a loss, or nullptr.
  FlowEntry* free() const { return unused != nullptr ? unused : timed_out; }

  // tag 0: no flow's.
  void Look(FlowBucket& bucket, uint64_t tag, uint32_t now_s) {
    for (FlowEntry& entry : bucket.entries) {
      const uint64_t entry_tag = TagOf(entry);
      const uint32_t expiry = ExpiryOf(entry);
      if (entry_tag == 0) {
        if (unused == nullptr) unused = &entry;
      } else if (entry_tag == tag) {
        known = &entry;
      } else if (!IsLive(expiry, now_s)) {
        if (timed_out == nullptr) timed_out = &entry;
      } else if (StateOf(expiry) != FlowState::kEstablished && StateOf(expiry) != FlowState::kUdp) {
        const uint32_t left = SecondsLeft(expiry, now_s);
        if (evictable == nullptr || left < evictable_left_s) {
          evictable = &entry;
          evictable_left_s = left;
        }
      }
    }
  }
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_BUCKET_H_
