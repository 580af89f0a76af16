// The flow table of one worker: which backend a known flow belongs to.
//
// Fixed size, allocated by the owner as one block of memory that may outlive the process (named
// memory with a layout version); 16 bytes a flow, four flows in a 64-byte bucket. Single writer:
// the worker calls everything below; Peek, Inspect, ForEach and CountOf may be called by any
// thread.
//
// Where a flow stands: in its first bucket, that of its hash's low bits, or, entered while that one
// was full or moved since, in its second one, by other bits. Entries are overwritten, never freed,
// so a bucket that is full stays so and a lookup goes on to the second bucket only from a full one.
// What a new flow overwrites, in this order, first bucket before second: the entry of the same
// flow; a free one; one that timed out; the next to time out of those that may be evicted:
// half-open, closing, and flows of which one packet was seen, then half-closed ones (an eviction).
// A live established or UDP flow is never overwritten. So a flood of new tuples can neither grow
// memory nor evict an established flow that has not timed out.
//
// Where both buckets hold only flows that must stay, one of these moves to its other bucket, if
// need be to where another one moves away first, so that fewer than 0.1% of flows find no place at
// a load of 90% (decision 0020). It takes the nearest place that is free or timed out, else one
// that may be evicted; failing that, the new flow is not entered (kFull). A SYN, FIN or RST moves
// nobody. A search that finds free places uses them up; those that do not are few in each second
// (kVainSearchesPerSecond), so that no flood can make every packet search.
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
#include "lib/flow/flow_bucket.h"
#include "lib/flow/flow_entry.h"
#include "lib/flow/flow_table_head.h"
#include "lib/flow/takeover_log.h"

namespace guideway {

class FlowTable {
 public:
  // Searches for room that find none; one reads 42 buckets in 0.8 us.
  static constexpr uint32_t kVainSearchesPerSecond = 1 << 14;

  // Bytes of memory for at least `flows` flows (a power of two of buckets), header included.
  static size_t BytesFor(uint64_t flows);

  // Uses `memory` (64-byte aligned, `bytes` long). If it holds a table of the same layout version
  // and size, its flows are kept; else it is cleared. Returns true in *kept if flows were kept. The
  // memory is borrowed. Whether the flows fit the flow hash key in use is the worker's to check
  // (key_digest()), because the key comes with the configuration, later.
  absl::Status Attach(void* memory, size_t bytes, bool* kept);
  void Clear(uint64_t key_digest);
  uint64_t key_digest() const;
  static FlowTableHead ReadHead(const FlowTableHead::Bytes& bytes);
  void SetStamp(const FlowTableStamp& stamp);

  // At start, before the table has a worker: a flow of a table that has none any more, with the
  // time that it had left. Of two entries of one flow the newer one stays.
  FlowInsert InheritFlow(uint64_t flow_hash, BackendId backend, FlowState state, uint32_t left_s,
                         uint32_t now_s);
  // The same, for the only worker: nobody has what was given up.
  void OwnAll();

  // Where the flow is looked for first, to prefetch it; prefetches the second bucket, which new
  // flows need as well once the table is loaded.
  FlowBucket* FirstBucket(uint64_t flow_hash) const { return &buckets_[FirstOf(flow_hash)]; }
  void PrefetchSecond(uint64_t flow_hash) const { PrefetchWrite(&buckets_[SecondOf(flow_hash)]); }
  // The live entry of the flow, or nullptr. Expired entries are not found. It is the flow's until
  // the next Insert().
  FlowEntry* Find(uint64_t flow_hash, uint32_t now_s) const {
    FlowBucket& first = *FirstBucket(flow_hash);
    FlowEntry* entry = &LikeliestEntry(first, flow_hash);
    if (TagOf(*entry) != flow_hash && MayBeInSecond(first)) {
      entry = &LikeliestEntry(buckets_[SecondOf(flow_hash)], flow_hash);
    }
    return TagOf(*entry) == flow_hash && IsLive(ExpiryOf(*entry), now_s) ? entry : nullptr;
  }
  // Find() can be done in pieces, to prefetch in between: LikeliestEntry() in the first bucket, if
  // TagOf() and IsLive() say that it is the flow's; and whether a flow that is not in its first
  // bucket may be in its second one.
  static bool MayBeInSecond(const FlowBucket& first) { return EntriesWithTag(first, 0) == 0; }
  // Any thread: the backend of the flow's live entry, if it has one, or all of it. Writes nothing.
  // An entry that is written meanwhile may be missed; one that moves is not.
  std::optional<BackendId> Peek(uint64_t flow_hash, uint32_t now_s) const;
  std::optional<FlowView> Inspect(uint64_t flow_hash, uint32_t now_s) const;
  // Records a packet of a found flow: `timeouts` are those of its VIP.
  static void Touch(FlowEntry* entry, FlowState state, uint32_t now_s,
                    const FlowTimeouts& timeouts) {
    RefreshEntry(*entry, ExpiryOf(*entry), state, now_s, timeouts);
  }
  static FlowState State(const FlowEntry& entry) { return StateOf(ExpiryOf(entry)); }
  // Modulo 2^28.
  static uint32_t TimesOutAt(const FlowEntry& entry) { return ExpiryOf(entry) & kFlowTimeMask; }
  // Enters a flow or, where it is known, gives it this backend. A state in which packets enter
  // unknown flows makes of a known flow what kNextStates says of such a packet, so that a forged
  // SYN cannot make an established flow one that may be evicted; but a SYN with another backend
  // begins a flow anew. Any other state is what the flow gets.
  FlowInsert Insert(uint64_t flow_hash, BackendId backend, FlowState state, uint32_t now_s,
                    const FlowTimeouts& timeouts);

  // Enters a flow that another worker's table knows, and logs that.
  FlowInsert TakeOver(uint64_t flow_hash, BackendId backend, FlowState state, uint32_t now_s,
                      const FlowTimeouts& timeouts);
  // Logs a flow that has begun here: what others know of an earlier one with its addresses is over.
  void Announce(uint64_t flow_hash) { takeovers_->Add(flow_hash); }
  // Gives up what the owner of `peer` has logged since *place, kMostGivenUp entries at most;
  // moves *place on, which begins as 0. True if there is more.
  static constexpr uint32_t kMostGivenUp = 32;
  bool FollowTakeovers(const FlowTable& peer, uint32_t now_s, uint64_t* place);

  // Whose half-open flow, timed out, the last Insert() overwrote; kNoBackendId: nobody's.
  BackendId unanswered() const { return unanswered_; }

  // How many entries belong to the backend that has this index, or had it before, and are not given
  // up: exactly those that ForEach visits, once counts_all().
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
  // 2^28) for every entry in use, timed out or not, but given up. Entries that change or
  // move meanwhile may be left out, and those that move may be visited twice.
  template <typename Visitor>
  void ForEach(Visitor visit) const;
  // While nobody writes: calls visit(flow hash, BackendId, FlowState, seconds left) for every live
  // entry, also those that were given up. Skips what is no state.
  template <typename Visitor>
  void ForEachLive(uint32_t now_s, Visitor visit) const;

  uint64_t capacity() const { return bucket_count_ * kFlowsPerBucket; }
  uint64_t bucket_count() const { return bucket_count_; }

 private:
  struct Header;
  struct MovePath;
  uint64_t FirstOf(uint64_t flow_hash) const { return flow_hash & (bucket_count_ - 1); }
  uint64_t SecondOf(uint64_t flow_hash) const { return OtherOf(FirstOf(flow_hash), flow_hash); }
  // The other one of the flow's two buckets. They are never the same: an odd distance, and there
  // are two buckets at least.
  uint64_t OtherOf(uint64_t bucket, uint64_t flow_hash) const {
    return bucket ^ ((flow_hash >> 32 | 1) & (bucket_count_ - 1));
  }
  std::optional<FlowView> Look(uint64_t flow_hash, uint32_t now_s) const;
  FlowInsert InsertKnown(FlowEntry& entry, BackendId backend, FlowState state, uint32_t now_s,
                         const FlowTimeouts& timeouts);
  // Vacates an entry of the flow's two buckets, which hold only flows that must stay: what stands
  // there has a copy elsewhere and is to be overwritten at once. nullptr: could not.
  FlowEntry* MakeRoom(uint64_t flow_hash, uint32_t now_s, bool* evicts);
  // True if *path leads to a place that is free or timed out, false if it evicts or there is none.
  bool FindMoves(uint64_t flow_hash, uint32_t now_s, MovePath* path) const;
  // Writes the entry and counts whose it was and is.
  void Overwrite(FlowEntry& entry, uint64_t tag, BackendId backend, uint32_t expiry,
                 uint32_t now_s);
  static bool IsNewer(uint32_t expiry, uint32_t than, uint32_t now_s);
  static bool Counts(const FlowEntry& entry) { return IsOwn(ExpiryOf(entry)) && TagOf(entry) != 0; }
  void GiveUp(uint64_t flow_hash, uint32_t now_s);
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
  std::unique_ptr<TakeoverLog> takeovers_;  // by the owner of this table, from others
  std::atomic<uint32_t> moves_{0};  // how many entries were moved, modulo 2^32; see Inspect()

  // The worker's own.
  BackendId unanswered_ = kNoBackendId;
  uint32_t vain_searches_ = 0;  // in
  uint32_t vain_searches_second_ = 0;
  const FlowEntry* counted_end_ = nullptr;  // entries below are counted; nullptr: none
  uint64_t next_swept_ = 0;                 // bucket; while not all are counted the first of those
};

}  // namespace guideway

#include "lib/flow/flow_table_walk.h"

#endif  // GUIDEWAY_LIB_FLOW_FLOW_TABLE_H_
