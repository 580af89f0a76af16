// Small indices, each of which one holder has at a time; the lowest free one is the next to be
// given.
//
// Costs O(log n), but for a walk over the taken ones behind the lowest that was freed last. Thread
// safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_INDEX_POOL_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_INDEX_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>

namespace guideway {

class IndexPool {
 public:
  // It stays free.
  uint32_t Lowest() const {
    for (auto it = taken_.lower_bound(hint_); it != taken_.end() && *it == hint_; ++it) ++hint_;
    return hint_;
  }
  // False: somebody has it.
  bool Take(uint32_t index) { return taken_.insert(index).second; }
  uint32_t TakeLowest() {
    const uint32_t index = Lowest();
    Take(index);
    return index;
  }
  void Free(uint32_t index) {
    taken_.erase(index);
    hint_ = std::min(hint_, index);
  }
  bool IsTaken(uint32_t index) const { return taken_.contains(index); }
  size_t taken() const { return taken_.size(); }

 private:
  std::set<uint32_t> taken_;
  mutable uint32_t hint_ = 0;  // all below it are taken
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_INDEX_POOL_H_
