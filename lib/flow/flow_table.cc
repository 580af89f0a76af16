// HOT PATH (Find, Peek, Inspect, Touch, Insert): no allocation, lock, log, system call or
// exception.
#include "lib/flow/flow_table.h"

#include "lib/flow/flow_rank.h"

namespace guideway {
namespace {

// The state of a live flow after a packet that would have entered it as `entered`.
FlowState StateOfKnown(FlowState before, FlowState entered, bool same_backend) {
  if (entered == FlowState::kUdpFirst) return FlowState::kUdp;
  if (entered == FlowState::kPickedUp) {
    return before == FlowState::kClosing ? before : FlowState::kEstablished;
  }
  const bool reopened = entered == FlowState::kHalfOpen && before == FlowState::kEstablished;
  return reopened && same_backend ? before : entered;
}

// A flow that begins or ends moves nobody: what it is worth is seen at its next packet.
bool MayMoveOthers(FlowState entered) {
  return entered != FlowState::kHalfOpen && entered != FlowState::kClosing;
}

}  // namespace

std::optional<BackendId> FlowTable::Peek(uint64_t flow_hash, uint32_t now_s) const {
  const auto flow = Inspect(flow_hash, now_s);
  return flow.has_value() ? std::optional<BackendId>(flow->backend) : std::nullopt;
}

std::optional<FlowView> FlowTable::Inspect(uint64_t flow_hash, uint32_t now_s) const {
  // A flow that is found in neither bucket may have moved meanwhile, from the second to the first:
  // then moves_ shows it, as whoever sees that the flow is not where it was also sees the new
  // count.
  for (uint32_t moves = moves_.load(std::memory_order_acquire);;) {
    const auto flow = Look(flow_hash, now_s);
    std::atomic_thread_fence(std::memory_order_acquire);
    const uint32_t moves_now = moves_.load(std::memory_order_acquire);
    if (flow.has_value() || moves_now == moves) return flow;
    moves = moves_now;
  }
}

std::optional<FlowView> FlowTable::Look(uint64_t flow_hash, uint32_t now_s) const {
  for (const uint64_t index : {FirstOf(flow_hash), SecondOf(flow_hash)}) {
    for (const FlowEntry& entry : buckets_[index].entries) {
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

void FlowTable::Overwrite(FlowEntry& entry, uint64_t tag, BackendId backend, uint32_t expiry,
                          uint32_t now_s) {
  if (&entry < counted_end_) {
    const bool in_use = IsInUse(entry);
    const BackendId before = entry.backend.load(std::memory_order_relaxed);
    if (in_use && StateOf(ExpiryOf(entry)) == FlowState::kHalfOpen &&
        !IsLive(ExpiryOf(entry), now_s)) {
      unanswered_ = before;
    }
    if (!in_use || BackendIndex(before) != BackendIndex(backend)) {
      if (in_use) AddToCount(before, -1u);
      AddToCount(backend, 1);
    }
  }
  WriteEntry(entry, tag, backend, expiry);
}

FlowInsert FlowTable::InsertKnown(FlowEntry& entry, BackendId backend, FlowState state,
                                  uint32_t now_s, const FlowTimeouts& timeouts) {
  const uint32_t expiry = ExpiryOf(entry);
  FlowInsert result = FlowInsert::kInserted;
  if (IsLive(expiry, now_s)) {
    const bool same_backend = entry.backend.load(std::memory_order_relaxed) == backend;
    const FlowState before = StateOf(expiry);
    const bool both_half_open = before == FlowState::kHalfOpen && state == before;
    result = both_half_open && same_backend ? FlowInsert::kSynAgain : FlowInsert::kKnown;
    state = StateOfKnown(before, state, same_backend);
  }
  Overwrite(entry, TagOf(entry), backend, PackExpiry(state, now_s, timeouts), now_s);
  return result;
}

FlowInsert FlowTable::Insert(uint64_t flow_hash, BackendId backend, FlowState state, uint32_t now_s,
                             const FlowTimeouts& timeouts) {
  unanswered_ = kNoBackendId;
  const uint32_t expiry = PackExpiry(state, now_s, timeouts);
  FlowBucket& first = buckets_[FirstOf(flow_hash)];
  if (const uint32_t known = EntriesWithTag(first, flow_hash))
    return InsertKnown(FirstEntry(first, known), backend, state, now_s, timeouts);
  if (const uint32_t unused = EntriesWithTag(first, 0)) {
    Overwrite(FirstEntry(first, unused), flow_hash, backend, expiry, now_s);
    return FlowInsert::kInserted;
  }
  FlowBucket& second = buckets_[SecondOf(flow_hash)];
  if (const uint32_t known = EntriesWithTag(second, flow_hash))
    return InsertKnown(FirstEntry(second, known), backend, state, now_s, timeouts);

  const EntryRank lowest = Lowest(LowerOf(RanksOf(first, 0, now_s), RanksOf(second, 4, now_s)));
  FlowBucket& bucket = lowest.number() < kFlowsPerBucket ? first : second;
  FlowEntry* entry = &bucket.entries[lowest.number() % kFlowsPerBucket];
  bool evicts = lowest.entry_class() == EntryClass::kEvictable;
  if (lowest.entry_class() == EntryClass::kMustStay) [[unlikely]] {
    entry = MayMoveOthers(state) ? MakeRoom(flow_hash, now_s, &evicts) : nullptr;
    if (entry == nullptr) return FlowInsert::kFull;
  }
  Overwrite(*entry, flow_hash, backend, expiry, now_s);
  return evicts ? FlowInsert::kEvicted : FlowInsert::kInserted;
}

}  // namespace guideway
