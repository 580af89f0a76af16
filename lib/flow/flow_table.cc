// HOT PATH (Find, Peek, Inspect, Touch, Insert): no allocation, lock, log, system call or
// exception.
#include "lib/flow/flow_table.h"

namespace guideway {
namespace {

constexpr uint32_t kTimeMask = 0x0fffffff;
// An entry that would time out later than this was not refreshed for 2^28 s, or nearly: it is dead.
// Beyond the longest timeout, so that a clock that steps back kills no flow.
constexpr uint32_t kHorizonSeconds = 2 * FlowTimeouts::kMaxSeconds;

uint32_t Pack(FlowState state, uint32_t now_s, const FlowTimeouts& timeouts) {
  return static_cast<uint32_t>(state) << 28 | ((now_s + timeouts.Of(state)) & kTimeMask);
}

FlowState StateOf(uint32_t expiry) { return static_cast<FlowState>(expiry >> 28); }

uint32_t SecondsLeft(uint32_t expiry, uint32_t now_s) { return (expiry - now_s) & kTimeMask; }

bool IsLive(uint32_t expiry, uint32_t now_s) {
  return expiry >> 28 != 0 && SecondsLeft(expiry, now_s) - 1 < kHorizonSeconds;
}

bool MayBeEvicted(FlowState state) {
  return state != FlowState::kEstablished && state != FlowState::kUdp;
}

// The state of a live flow after a packet that would have entered it as `entered`.
FlowState StateOfKnown(FlowState before, FlowState entered, bool same_backend) {
  if (entered == FlowState::kUdpFirst) return FlowState::kUdp;
  if (entered == FlowState::kPickedUp) {
    return before == FlowState::kClosing ? before : FlowState::kEstablished;
  }
  const bool reopened = entered == FlowState::kHalfOpen && before == FlowState::kEstablished;
  return reopened && same_backend ? before : entered;
}

uint64_t TagOf(const FlowEntry& entry) { return entry.tag.load(std::memory_order_relaxed); }
uint32_t ExpiryOf(const FlowEntry& entry) { return entry.expiry.load(std::memory_order_relaxed); }

void Write(FlowEntry& entry, uint64_t tag, BackendId backend, uint32_t expiry) {
  entry.expiry.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  entry.tag.store(tag, std::memory_order_relaxed);
  entry.backend.store(backend, std::memory_order_relaxed);
  entry.expiry.store(expiry, std::memory_order_release);
}

// The entry a new flow may take, seen over one or two buckets.
struct Place {
  FlowEntry* known = nullptr;      // has the flow's tag
  FlowEntry* unused = nullptr;     // never used
  FlowEntry* timed_out = nullptr;  // the first found
  FlowEntry* evictable = nullptr;  // the next to time out of those that may be evicted
  uint32_t evictable_left_s = 0;

  void Look(FlowBucket& bucket, uint64_t tag, uint32_t now_s) {
    for (FlowEntry& entry : bucket.entries) {
      const uint64_t entry_tag = TagOf(entry);
      const uint32_t expiry = ExpiryOf(entry);
      if (entry_tag == tag) {
        known = &entry;
      } else if (entry_tag == 0) {
        if (unused == nullptr) unused = &entry;
      } else if (!IsLive(expiry, now_s)) {
        if (timed_out == nullptr) timed_out = &entry;
      } else if (MayBeEvicted(StateOf(expiry))) {
        const uint32_t left = SecondsLeft(expiry, now_s);
        if (evictable == nullptr || left < evictable_left_s) {
          evictable = &entry;
          evictable_left_s = left;
        }
      }
    }
  }
};

bool HasUnused(const FlowBucket& bucket) {
  for (const FlowEntry& entry : bucket.entries) {
    if (TagOf(entry) == 0) return true;
  }
  return false;
}

}  // namespace

FlowEntry* FlowTable::Find(uint64_t flow_hash, uint32_t now_s) {
  FlowBucket* bucket = &BucketOf(flow_hash);
  for (int i = 0; i < 2; ++i) {
    for (FlowEntry& entry : bucket->entries) {
      if (TagOf(entry) == flow_hash) {
        return IsLive(ExpiryOf(entry), now_s) ? &entry : nullptr;
      }
    }
    if (HasUnused(*bucket)) return nullptr;
    bucket = &NeighbourOf(flow_hash);
  }
  return nullptr;
}

std::optional<BackendId> FlowTable::Peek(uint64_t flow_hash, uint32_t now_s) const {
  const auto flow = Inspect(flow_hash, now_s);
  return flow.has_value() ? std::optional<BackendId>(flow->backend) : std::nullopt;
}

std::optional<FlowView> FlowTable::Inspect(uint64_t flow_hash, uint32_t now_s) const {
  for (const FlowBucket* bucket : {&BucketOf(flow_hash), &NeighbourOf(flow_hash)}) {
    for (const FlowEntry& entry : bucket->entries) {
      const uint32_t expiry = entry.expiry.load(std::memory_order_acquire);
      if (TagOf(entry) != flow_hash) continue;
      const BackendId backend = entry.backend.load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      // As in ForEach: whoever rewrites the entry sets `expiry` to 0 first, and then another tag.
      if (entry.expiry.load(std::memory_order_acquire) == 0 || TagOf(entry) != flow_hash) continue;
      if (IsLive(expiry, now_s)) {
        return FlowView{backend, StateOf(expiry), SecondsLeft(expiry, now_s)};
      }
    }
  }
  return std::nullopt;
}

void FlowTable::Touch(FlowEntry* entry, FlowState state, uint32_t now_s,
                      const FlowTimeouts& timeouts) {
  const uint32_t expiry = Pack(state, now_s, timeouts);
  // Most packets of a flow fall into the same second: leave the line clean then.
  if (ExpiryOf(*entry) != expiry) entry->expiry.store(expiry, std::memory_order_relaxed);
}

FlowState FlowTable::State(const FlowEntry& entry) { return StateOf(ExpiryOf(entry)); }

bool FlowTable::HasTimedOut(const FlowEntry& entry, uint32_t now_s) {
  return !IsLive(ExpiryOf(entry), now_s);
}

uint32_t FlowTable::TimesOutAt(const FlowEntry& entry) { return ExpiryOf(entry) & kTimeMask; }

FlowInsert FlowTable::Insert(uint64_t flow_hash, BackendId backend, FlowState state, uint32_t now_s,
                             const FlowTimeouts& timeouts) {
  Place place;
  place.Look(BucketOf(flow_hash), flow_hash, now_s);
  if (place.known == nullptr && place.unused == nullptr) {
    place.Look(NeighbourOf(flow_hash), flow_hash, now_s);
  }
  FlowInsert result = FlowInsert::kInserted;
  FlowEntry* entry = place.known;
  unanswered_ = kNoBackendId;
  if (entry != nullptr) {
    const uint32_t expiry = ExpiryOf(*entry);
    if (IsLive(expiry, now_s)) {
      const bool same_backend = entry->backend.load(std::memory_order_relaxed) == backend;
      const FlowState before = StateOf(expiry);
      const bool both_half_open = before == FlowState::kHalfOpen && state == before;
      result = both_half_open && same_backend ? FlowInsert::kSynAgain : FlowInsert::kKnown;
      state = StateOfKnown(before, state, same_backend);
    }
  } else if (place.unused != nullptr) {
    entry = place.unused;
  } else if (place.timed_out != nullptr) {
    entry = place.timed_out;
  } else if (place.evictable != nullptr) {
    entry = place.evictable;
    result = FlowInsert::kEvicted;
  } else {
    return FlowInsert::kFull;
  }
  if (entry < counted_end_) {
    if (IsInUse(*entry)) {
      const BackendId before = entry->backend.load(std::memory_order_relaxed);
      if (State(*entry) == FlowState::kHalfOpen && HasTimedOut(*entry, now_s)) unanswered_ = before;
      AddToCount(before, -1u);
    }
    AddToCount(backend, 1);
  }
  Write(*entry, flow_hash, backend, Pack(state, now_s, timeouts));
  return result;
}

}  // namespace guideway
