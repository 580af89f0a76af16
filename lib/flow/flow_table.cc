// HOT PATH (Find, Peek, Touch, Insert): no allocation, lock, log, system call or exception.
#include "lib/flow/flow_table.h"

namespace guideway {
namespace {

constexpr uint32_t kSeenMask = 0x0fffffff;

uint32_t Pack(FlowState state, uint32_t now_s) {
  return static_cast<uint32_t>(state) << 28 | (now_s & kSeenMask);
}

FlowState StateOf(uint32_t seen) { return static_cast<FlowState>(seen >> 28); }

uint32_t IdleSeconds(uint32_t seen, uint32_t now_s) {
  const uint32_t idle = (now_s - seen) & kSeenMask;
  return idle <= kSeenMask / 2 ? idle : 0;  // seen "in the future": the clock stepped back
}

bool IsLive(uint32_t seen, uint32_t now_s, const FlowTimeouts& timeouts) {
  const uint32_t idle = IdleSeconds(seen, now_s);
  switch (StateOf(seen)) {
    case FlowState::kHalfOpen:
      return idle < timeouts.half_open_s;
    case FlowState::kEstablished:
      return idle < timeouts.established_s;
    case FlowState::kClosing:
      return idle < timeouts.closing_s;
    case FlowState::kUdp:
      return idle < timeouts.udp_s;
    default:
      return false;
  }
}

uint64_t TagOf(const FlowEntry& entry) { return entry.tag.load(std::memory_order_relaxed); }
uint32_t SeenOf(const FlowEntry& entry) { return entry.seen.load(std::memory_order_relaxed); }

void Write(FlowEntry& entry, uint64_t tag, BackendId backend, uint32_t seen) {
  entry.seen.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  entry.tag.store(tag, std::memory_order_relaxed);
  entry.backend.store(backend, std::memory_order_relaxed);
  entry.seen.store(seen, std::memory_order_release);
}

// The entry a new flow may take, seen over one or two buckets.
struct Place {
  FlowEntry* known = nullptr;      // has the flow's tag
  FlowEntry* unused = nullptr;     // never used
  FlowEntry* timed_out = nullptr;  // the first found
  FlowEntry* evictable = nullptr;  // the longest idle half-open or closing one
  uint32_t evictable_idle_s = 0;

  void Look(FlowBucket& bucket, uint64_t tag, uint32_t now_s, const FlowTimeouts& timeouts) {
    for (FlowEntry& entry : bucket.entries) {
      const uint64_t entry_tag = TagOf(entry);
      const uint32_t seen = SeenOf(entry);
      if (entry_tag == tag) {
        known = &entry;
      } else if (entry_tag == 0) {
        if (unused == nullptr) unused = &entry;
      } else if (!IsLive(seen, now_s, timeouts)) {
        if (timed_out == nullptr) timed_out = &entry;
      } else if (StateOf(seen) == FlowState::kHalfOpen || StateOf(seen) == FlowState::kClosing) {
        const uint32_t idle = IdleSeconds(seen, now_s);
        if (evictable == nullptr || idle > evictable_idle_s) {
          evictable = &entry;
          evictable_idle_s = idle;
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

FlowEntry* FlowTable::Find(uint64_t flow_hash, uint32_t now_s, const FlowTimeouts& timeouts) {
  FlowBucket* bucket = &BucketOf(flow_hash);
  for (int i = 0; i < 2; ++i) {
    for (FlowEntry& entry : bucket->entries) {
      if (TagOf(entry) == flow_hash) {
        return IsLive(SeenOf(entry), now_s, timeouts) ? &entry : nullptr;
      }
    }
    if (HasUnused(*bucket)) return nullptr;
    bucket = &NeighbourOf(flow_hash);
  }
  return nullptr;
}

std::optional<BackendId> FlowTable::Peek(uint64_t flow_hash, uint32_t now_s,
                                         const FlowTimeouts& timeouts) const {
  for (const FlowBucket* bucket : {&BucketOf(flow_hash), &NeighbourOf(flow_hash)}) {
    for (const FlowEntry& entry : bucket->entries) {
      const uint32_t seen = entry.seen.load(std::memory_order_acquire);
      if (TagOf(entry) != flow_hash) continue;
      const BackendId backend = entry.backend.load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      // As in ForEach: whoever rewrites the entry sets `seen` to 0 first, and then another tag.
      if (entry.seen.load(std::memory_order_acquire) == 0 || TagOf(entry) != flow_hash) continue;
      if (IsLive(seen, now_s, timeouts)) return backend;
    }
  }
  return std::nullopt;
}

void FlowTable::Touch(FlowEntry* entry, FlowState state, uint32_t now_s) {
  const uint32_t seen = Pack(state, now_s);
  // Most packets of a flow fall into the same second: leave the line clean then.
  if (SeenOf(*entry) != seen) entry->seen.store(seen, std::memory_order_relaxed);
}

FlowState FlowTable::State(const FlowEntry& entry) { return StateOf(SeenOf(entry)); }

uint32_t FlowTable::LastSeen(const FlowEntry& entry) { return SeenOf(entry) & kSeenMask; }

FlowInsert FlowTable::Insert(uint64_t flow_hash, BackendId backend, FlowState state, uint32_t now_s,
                             const FlowTimeouts& timeouts) {
  Place place;
  place.Look(BucketOf(flow_hash), flow_hash, now_s, timeouts);
  if (place.known == nullptr && place.unused == nullptr) {
    place.Look(NeighbourOf(flow_hash), flow_hash, now_s, timeouts);
  }
  FlowInsert result = FlowInsert::kInserted;
  FlowEntry* entry = place.known;
  if (entry != nullptr) {
    if (IsLive(SeenOf(*entry), now_s, timeouts)) result = FlowInsert::kKnown;
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
  Write(*entry, flow_hash, backend, Pack(state, now_s));
  return result;
}

}  // namespace guideway
