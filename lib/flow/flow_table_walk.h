// The parts of the flow table that go over all entries: Sweep(), ForEach() and ForEachLive(). For
// flow_table.h.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_TABLE_WALK_H_
#define GUIDEWAY_LIB_FLOW_FLOW_TABLE_WALK_H_

#include "lib/flow/flow_table.h"

namespace guideway {

template <typename IsGone, typename OnUnanswered>
void FlowTable::Sweep(uint64_t buckets, uint32_t now_s, IsGone is_gone,
                      OnUnanswered on_unanswered) {
  for (uint64_t i = 0; i < buckets; ++i) {
    FlowBucket& bucket = buckets_[next_swept_];
    const bool counted = bucket.entries < counted_end_;
    for (FlowEntry& entry : bucket.entries) {
      const uint32_t expiry = ExpiryOf(entry);
      if (expiry == 0 || TagOf(entry) == 0) continue;
      const BackendId backend = entry.backend.load(std::memory_order_relaxed);
      const bool gone = is_gone(backend);
      // What is no state would stay as long as an established flow.
      const bool forget = gone || !IsLive(expiry, now_s) || expiry >> 28 >= kFlowStates;
      if (!IsOwn(expiry)) {
        if (forget) entry.expiry.store(0, std::memory_order_relaxed);
        continue;
      }
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
      if (!IsOwn(expiry) || entry.expiry.load(std::memory_order_relaxed) >> 28 == 0) continue;
      if (tag == 0 || entry.tag.load(std::memory_order_relaxed) != tag) continue;
      visit(tag, backend, static_cast<FlowState>(expiry >> 28), expiry & 0x0fffffff);
    }
  }
}

template <typename Visitor>
void FlowTable::ForEachLive(uint32_t now_s, Visitor visit) const {
  for (uint64_t i = 0; i < bucket_count_; ++i) {
    for (const FlowEntry& entry : buckets_[i].entries) {
      const uint32_t expiry = ExpiryOf(entry);
      if (TagOf(entry) == 0 || !IsLive(expiry, now_s) || expiry >> 28 >= kFlowStates) continue;
      visit(TagOf(entry), entry.backend.load(std::memory_order_relaxed), StateOf(expiry),
            SecondsLeft(expiry, now_s));
    }
  }
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_TABLE_WALK_H_
