// HOT PATH: no allocation, lock, log, system call or exception.
//
// Makes room for a flow both of whose buckets are full of flows that must stay: one of them moves
// to its own other bucket, if need be to where another one moves away first.
#include "lib/flow/flow_rank.h"
#include "lib/flow/flow_table.h"

namespace guideway {
namespace {

constexpr size_t kRoots = 2 * kFlowsPerBucket;  // entries of the newcomer's two buckets

}  // namespace

// Which flows move where: moves[0] to `place`, moves[1], if any, to where that one stood.
struct FlowTable::MovePath {
  FlowEntry* place = nullptr;  // nullptr: none
  FlowEntry* moves[2] = {nullptr, nullptr};

  void Set(FlowEntry* to, FlowEntry* first, FlowEntry* second) {
    place = to;
    moves[0] = first;
    moves[1] = second;
  }
};

bool FlowTable::FindMoves(uint64_t flow_hash, uint32_t now_s, MovePath* path) const {
  FlowEntry* roots[kRoots];
  FlowBucket* buckets[kRoots];  // each one's other bucket
  size_t count = 0;
  for (const uint64_t index : {FirstOf(flow_hash), SecondOf(flow_hash)}) {
    for (FlowEntry& entry : buckets_[index].entries) {
      roots[count] = &entry;
      buckets[count] = &buckets_[OtherOf(index, TagOf(entry))];
      PrefetchWrite(buckets[count++]);
    }
  }
  // Remembers the first place that may be taken by an eviction; true if it found a better one.
  const auto look = [&](FlowBucket& bucket, FlowEntry* first, FlowEntry* second) {
    const EntryRank lowest = Lowest(RanksOf(bucket, 0, now_s));
    const bool free = lowest.entry_class() < EntryClass::kEvictable;
    if (free || (lowest.entry_class() == EntryClass::kEvictable && path->place == nullptr))
      path->Set(&bucket.entries[lowest.number()], first, second);
    return free;
  };
  for (size_t i = 0; i < kRoots; ++i) {
    if (look(*buckets[i], roots[i], nullptr)) return true;
  }
  const auto others_of = [&](size_t root, auto visit) {
    const auto index = static_cast<uint64_t>(buckets[root] - buckets_);
    for (FlowEntry& entry : buckets[root]->entries) {
      if (visit(entry, buckets_[OtherOf(index, TagOf(entry))])) return true;
    }
    return false;
  };
  const auto prefetch = [](FlowEntry&, FlowBucket& bucket) {
    PrefetchWrite(&bucket);
    return false;
  };
  others_of(0, prefetch);
  for (size_t i = 0; i < kRoots; ++i) {
    if (i + 1 < kRoots) others_of(i + 1, prefetch);
    const auto look_behind = [&](FlowEntry& entry, FlowBucket& bucket) {
      return look(bucket, &entry, roots[i]);
    };
    if (others_of(i, look_behind)) return true;
  }
  return false;
}

FlowEntry* FlowTable::MakeRoom(uint64_t flow_hash, uint32_t now_s, bool* evicts) {
  if (vain_searches_second_ != now_s) {
    vain_searches_second_ = now_s;
    vain_searches_ = 0;
  }
  if (vain_searches_ >= kVainSearchesPerSecond) return nullptr;
  MovePath path;
  *evicts = !FindMoves(flow_hash, now_s, &path);
  if (*evicts) ++vain_searches_;
  if (path.place == nullptr) return nullptr;
  FlowEntry* place = path.place;
  for (FlowEntry* from : path.moves) {
    if (from == nullptr) break;
    const BackendId backend = from->backend.load(std::memory_order_relaxed);
    Overwrite(*place, TagOf(*from), backend, ExpiryOf(*from), now_s);
    // The copy is there before the count shows it, and the count before the original goes: see
    // Inspect().
    std::atomic_thread_fence(std::memory_order_release);
    moves_.store(moves_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    place = from;
  }
  return place;
}

}  // namespace guideway
