// A Maglev table while it is filled: each turn gives a backend the next free slot of its walk.
//
// A walk is the backend's own order of all slots: offset, offset + skip, offset + 2 skip ... modulo
// the slot count, a prime. Where a walk finds its slot cannot be predicted, and a branch on it
// costs more than looking at some slots too many. So a fixed number of slots ahead of a batch of
// turns is looked at, without a branch; then the turns take, in their order, what they have found.
// A turn that found nothing, or whose slot an earlier one of its batch took, walks on from there.
//
// Most of all steps would be made for the last few slots: with F of M slots free a walk takes M / F
// steps on average. So the last ones are not searched by walking but by asking for each of them
// after how many steps the walk would come to it.
//
// Thread safety: none, one user.
#ifndef GUIDEWAY_LIB_HASH_MAGLEV_FILLER_H_
#define GUIDEWAY_LIB_HASH_MAGLEV_FILLER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace guideway {

// A backend's walk, and what its slots are marked with.
struct MaglevWalk {
  uint32_t offset = 0;  // < slot count
  uint32_t skip = 1;    // 1..slot count - 1
  uint16_t index = 0;
};

class MaglevFiller {
 public:
  // `slot_count`: a prime <= 2^24. `walks`: by rank, at least one.
  MaglevFiller(absl::Span<const MaglevWalk> walks, uint32_t slot_count);

  // The next turns, by rank; those after the last free slot are left out.
  void Take(absl::Span<const uint32_t> turns);
  bool full() const { return left_ == 0; }

  std::vector<uint16_t> table() && { return std::move(table_); }

 private:
  static constexpr uint32_t kLanes = 4;
  static constexpr size_t kBatch = 16;

  struct Walker {
    uint32_t steps[kLanes];  // 0 .. kLanes - 1 steps, modulo slot count
    uint32_t leap;           // kLanes steps
    uint32_t next;           // all slots of the walk before this one are taken
    uint16_t index;
  };

  template <uint32_t kAhead>
  void TakeAhead(absl::Span<const uint32_t> turns);
  template <uint32_t kAhead>
  uint32_t WalkOn(const Walker& walker, uint32_t slot) const;
  template <uint32_t kAhead>
  uint32_t LookAhead(const Walker& walker, uint32_t from, uint32_t (&slots)[kAhead]) const;
  void TakeNearest(uint32_t rank);
  void ListFreeSlots();

  const uint32_t slot_count_;
  uint32_t left_;      // free slots
  uint32_t last_ = 1;  // when so many are left, looking at each is cheaper than walking
  const size_t batch_;
  std::vector<Walker> walkers_;  // by rank
  std::vector<uint16_t> table_;
  std::vector<uint8_t> free_;  // 1: free, while slots are searched by walking
  // Then:
  std::vector<uint32_t> free_slots_;
  std::vector<uint64_t> step_fractions_;  // by rank, see TakeNearest(); 0: not known yet
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_HASH_MAGLEV_FILLER_H_
