// HOT PATH (Find, Peek, Inspect, Touch, Insert): no allocation, lock, log, system call or
// exception.
#include "lib/flow/flow_table.h"

#include "lib/flow/flow_rank.h"

namespace guideway {
namespace {

// The packet that would enter an unknown flow as `entered`.
FlowEvent EventThatEnters(FlowState entered) {
  switch (entered) {
    case FlowState::kHalfOpen:
      return FlowEvent::kSyn;
    case FlowState::kHalfClosedEnding:
      return FlowEvent::kFin;
    case FlowState::kUdpFirst:
      return FlowEvent::kUdp;
    default:
      return FlowEvent::kAck;
  }
}

// Whether a packet enters unknown flows so.
bool IsFirstState(FlowState state) {
  return state == NextFlowState(FlowState::kFree, EventThatEnters(state));
}

// The state of a live flow that is entered again as `entered`. Should it have been another
// protocol's - two hashes that are the same - it begins anew.
FlowState StateOfKnown(FlowState before, FlowState entered, bool same_backend) {
  const bool begins_anew = entered == FlowState::kHalfOpen && !same_backend;
  if (begins_anew || !IsFirstState(entered)) return entered;
  const FlowState next = NextFlowState(before, EventThatEnters(entered));
  return next != FlowState::kFree ? next : entered;
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
    if (index != FirstOf(flow_hash) && !MayBeInSecond(buckets_[FirstOf(flow_hash)])) break;
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
    const bool counted = Counts(entry);
    const bool counts = IsOwn(expiry);
    const BackendId before = entry.backend.load(std::memory_order_relaxed);
    if (counted && StateOf(ExpiryOf(entry)) == FlowState::kHalfOpen &&
        !IsLive(ExpiryOf(entry), now_s)) {
      unanswered_ = before;
    }
    if (counted != counts || BackendIndex(before) != BackendIndex(backend)) {
      if (counted) AddToCount(before, -1u);
      if (counts) AddToCount(backend, 1);
    }
  }
  WriteEntry(entry, tag, backend, expiry);
}

FlowInsert FlowTable::InsertKnown(FlowEntry& entry, BackendId backend, FlowState state,
                                  uint32_t now_s, const FlowTimeouts& timeouts) {
  const uint32_t expiry = ExpiryOf(entry);
  FlowInsert result = FlowInsert::kInserted;
  if (IsLive(expiry, now_s) && IsOwn(expiry)) {
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
