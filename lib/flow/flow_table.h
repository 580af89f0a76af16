// The flow table of one worker: which backend a known flow belongs to.
//
// Fixed size, allocated by the owner as one block of memory that may outlive the process (named
// memory with a layout version); 16 bytes a flow, four flows in a 64-byte bucket, one cache line a
// lookup. Single writer: the worker calls everything below; Peek, Inspect, ForEach and CountOf may
// be called by any thread.
//
// Where a flow stands: in the bucket of its hash's low bits, or, entered while that one was full,
// in the neighbour (index ^ 1). Entries are overwritten, never freed, so a bucket that is full
// stays so and a lookup goes on to the neighbour only from a full bucket. What a new flow
// overwrites, in this order, own bucket before neighbour: the entry of the same flow; a free one;
// one that timed out; the next to time out of those that may be evicted: half-open, closing, and
// flows of which one packet was seen (an eviction). A live established or UDP flow is never
// overwritten: then the new flow is not entered (kFull). So a flood of new tuples can neither grow
// memory nor evict an established flow that has not timed out.
//
// An entry says when it times out, not when its flow was last seen: whose timeouts hold for an
// entry in the way need not be known, so every VIP can have its own, and a changed timeout holds
// from the flow's next packet on. Times are seconds of a clock that goes on over a restart
// (CLOCK_BOOTTIME).
//
// The table counts its entries by backend (CountOf) with the help of Sweep(): the first round of it
// counts what it finds, and what is entered behind it counts at once. An entry that timed out
// counts until it is overwritten or Sweep() comes by again, which leaves its tag, so that lookups
// go as before, and sets `expiry` to 0: forgotten. Whoever does that to a half-open flow says so,
// once: nothing came after its SYNs. What timed out before it was counted is nobody's any more.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_TABLE_H_
#define GUIDEWAY_LIB_FLOW_FLOW_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "lib/base/hot.h"
#include "lib/flow/flow_entry.h"

namespace guideway {

inline constexpr size_t kFlowsPerBucket = 4;

struct alignas(kCacheLineBytes) FlowBucket {
  FlowEntry entries[kFlowsPerBucket];
};
static_assert(sizeof(FlowBucket) == kCacheLineBytes);

enum class FlowInsert : uint8_t {
  kInserted,  // a new flow
  kKnown,     // the flow was live already; it has the given backend now
  kSynAgain,  // the same, and it was and is half-open, with the same backend: a SYN sent again
  kEvicted,   // a new flow in the place of a live one that may be evicted
  kFull,      // not entered
};

class FlowTable {
 public:
  // Bytes of memory for at least `flows` flows (the bucket count is a power of two), header
  // included.
  static size_t BytesFor(uint64_t flows);

  // Uses `memory` (64-byte aligned, `bytes` long). If it holds a table of the same layout version
  // and size, its flows are kept; else it is cleared. Returns true in *kept if flows were kept. The
  // memory is borrowed. Whether the flows fit the flow hash key in use is the worker's to check
  // (key_digest()), because the key comes with the configuration, later.
  absl::Status Attach(void* memory, size_t bytes, bool* kept);
  void Clear(uint64_t key_digest);
  uint64_t key_digest() const;

  void Prefetch(uint64_t flow_hash) const { PrefetchWrite(&BucketOf(flow_hash)); }
  // The live entry of the flow, or nullptr. Expired entries are not found.
  FlowEntry* Find(uint64_t flow_hash, uint32_t now_s);
  // Any thread: the backend of the flow's live entry, if it has one. Writes nothing. An entry that
  // changes meanwhile may be missed.
  std::optional<BackendId> Peek(uint64_t flow_hash, uint32_t now_s) const;
  // Any thread: the same with state and time.
  std::optional<FlowView> Inspect(uint64_t flow_hash, uint32_t now_s) const;
  // Records a packet of a found flow: `timeouts` are those of its VIP.
  static void Touch(FlowEntry* entry, FlowState state, uint32_t now_s,
                    const FlowTimeouts& timeouts);
  static FlowState State(const FlowEntry& entry);
  static uint32_t TimesOutAt(const FlowEntry& entry);  // seconds modulo 2^28
  // Enters a flow or, where it is known, gives it this backend. A known flow gets this state, with
  // two exceptions: another packet of it confirms kPickedUp and kUdpFirst as kEstablished (unless
  // it is closing) and kUdp; and kHalfOpen leaves an established flow of the same backend alone,
  // so that a forged SYN cannot make it one that may be evicted.
  FlowInsert Insert(uint64_t flow_hash, BackendId backend, FlowState state, uint32_t now_s,
                    const FlowTimeouts& timeouts);

  // Whose half-open flow, timed out, the last Insert() overwrote; kNoBackendId: nobody's. Worker
  // only.
  BackendId unanswered() const { return unanswered_; }

  // How many entries belong to the backend that has this index, or had it before: exactly those
  // that ForEach visits, once counts_all().
  uint32_t CountOf(uint16_t backend_index) const {
    return counts_[backend_index].load(std::memory_order_relaxed);
  }
  // Goes on through the next `buckets` buckets, round and round, and forgets the entries that timed
  // out and those that is_gone(BackendId) says of. Calls on_unanswered(BackendId) for each
  // half-open flow that timed out, if its backend is not gone. Worker only.
  template <typename IsGone, typename OnUnanswered>
  void Sweep(uint64_t buckets, uint32_t now_s, IsGone is_gone, OnUnanswered on_unanswered);
  bool counts_all() const {
    return counted_end_ == buckets_[bucket_count_ - 1].entries + kFlowsPerBucket;
  }

  // Any thread: calls visit(flow hash, BackendId, FlowState, when it times out in seconds modulo
  // 2^28) for every entry in use, timed out or not. Entries that change meanwhile may be left out.
  template <typename Visitor>
  void ForEach(Visitor visit) const;

  uint64_t capacity() const { return bucket_count_ * kFlowsPerBucket; }
  uint64_t bucket_count() const { return bucket_count_; }

 private:
  struct Header;
  FlowBucket& BucketOf(uint64_t flow_hash) const {
    return buckets_[flow_hash & (bucket_count_ - 1)];
  }
  FlowBucket& NeighbourOf(uint64_t flow_hash) const {
    return buckets_[(flow_hash & (bucket_count_ - 1)) ^ 1];
  }

  static bool HasTimedOut(const FlowEntry& entry, uint32_t now_s);
  static bool IsInUse(const FlowEntry& entry) {
    return entry.expiry.load(std::memory_order_relaxed) >> 28 != 0 &&
           entry.tag.load(std::memory_order_relaxed) != 0;
  }
  void AddToCount(BackendId backend, uint32_t change) {
    std::atomic<uint32_t>& count = counts_[BackendIndex(backend)];
    count.store(count.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }

  // Constant after Attach().
  Header* header_ = nullptr;
  FlowBucket* buckets_ = nullptr;
  uint64_t bucket_count_ = 0;

  // Written by the worker, not in the shared memory: by backend index, one for every uint16_t, as a
  // table that another process wrote may name any.
  std::unique_ptr<std::atomic<uint32_t>[]> counts_;

  // The worker's own.
  BackendId unanswered_ = kNoBackendId;
  const FlowEntry* counted_end_ = nullptr;  // entries below are counted; nullptr: none
  uint64_t next_swept_ = 0;                 // bucket; while not all are counted the first of those
};

template <typename IsGone, typename OnUnanswered>
void FlowTable::Sweep(uint64_t buckets, uint32_t now_s, IsGone is_gone,
                      OnUnanswered on_unanswered) {
  for (uint64_t i = 0; i < buckets; ++i) {
    FlowBucket& bucket = buckets_[next_swept_];
    const bool counted = bucket.entries < counted_end_;
    for (FlowEntry& entry : bucket.entries) {
      if (!IsInUse(entry)) continue;
      const BackendId backend = entry.backend.load(std::memory_order_relaxed);
      const bool gone = is_gone(backend);
      const bool forget = gone || HasTimedOut(entry, now_s);
      if (counted && forget) {
        if (!gone && State(entry) == FlowState::kHalfOpen) on_unanswered(backend);
        AddToCount(backend, -1u);
      }
      if (forget) entry.expiry.store(0, std::memory_order_relaxed);
      if (!counted && !forget) AddToCount(backend, 1);
    }
    if (!counted) counted_end_ = bucket.entries + kFlowsPerBucket;
    next_swept_ = (next_swept_ + 1) & (bucket_count_ - 1);
  }
}

template <typename Visitor>
void FlowTable::ForEach(Visitor visit) const {
  for (uint64_t i = 0; i < bucket_count_; ++i) {
    for (const FlowEntry& entry : buckets_[i].entries) {
      const uint32_t expiry = entry.expiry.load(std::memory_order_acquire);
      const uint64_t tag = entry.tag.load(std::memory_order_relaxed);
      const BackendId backend = entry.backend.load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      // A change in between shows: it sets `expiry` to 0 first and another tag or time afterwards.
      if (expiry >> 28 == 0 || entry.expiry.load(std::memory_order_relaxed) >> 28 == 0) continue;
      if (tag == 0 || entry.tag.load(std::memory_order_relaxed) != tag) continue;
      visit(tag, backend, static_cast<FlowState>(expiry >> 28), expiry & 0x0fffffff);
    }
  }
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_TABLE_H_
