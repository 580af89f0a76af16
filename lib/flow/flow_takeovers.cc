// HOT PATH: no allocation, lock, log, system call or exception.
//
// How a flow passes from one worker's table to another's.
#include <algorithm>

#include "lib/flow/flow_table.h"

namespace guideway {

FlowInsert FlowTable::TakeOver(uint64_t flow_hash, BackendId backend, FlowState state,
                               uint32_t now_s, const FlowTimeouts& timeouts) {
  const FlowInsert result = Insert(flow_hash, backend, state, now_s, timeouts);
  // After the entry: who reads the log and gives the flow up leaves it where it is known.
  if (result == FlowInsert::kInserted || result == FlowInsert::kEvicted) takeovers_->Add(flow_hash);
  return result;
}

void FlowTable::GiveUp(uint64_t flow_hash, uint32_t now_s) {
  FlowEntry* entry = Find(flow_hash, now_s);
  if (entry == nullptr || !Counts(*entry)) return;
  if (entry < counted_end_) AddToCount(entry->backend.load(std::memory_order_relaxed), -1u);
  const uint32_t state = static_cast<uint32_t>(FlowState::kTakenOver) << 28;
  entry->expiry.store(state | TimesOutAt(*entry), std::memory_order_relaxed);
}

bool FlowTable::FollowTakeovers(const FlowTable& peer, uint32_t now_s, uint64_t* place) {
  const TakeoverLog& log = *peer.takeovers_;
  const uint64_t written = log.written();
  if (written - *place > TakeoverLog::kCapacity) *place = written - TakeoverLog::kCapacity;
  const uint64_t end = std::min(written, *place + kMostGivenUp);
  for (uint64_t i = *place; i < end; ++i) PrefetchWrite(FirstBucket(log.At(i)));
  for (; *place < end; ++*place) GiveUp(log.At(*place), now_s);
  return end < written;
}

}  // namespace guideway
