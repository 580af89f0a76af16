// The order in which backends take slots of a Maglev table (docs/decisions/0003-maglev-weights.md).
//
// The n-th turn of a backend of weight w comes at (2n - 1) / w, in units of 2^-32, rounded down;
// turns at the same time go by rank. Backends of equal weight always have their turns at the same
// time, so what is put in order are the turns of weights, not those of backends. A window of time
// after the other, so that what is worked on stays in the cache. Thread safety: none, one user.
#ifndef GUIDEWAY_LIB_HASH_MAGLEV_TURNS_H_
#define GUIDEWAY_LIB_HASH_MAGLEV_TURNS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace guideway {

class MaglevTurns {
 public:
  // `weights`: by rank, at least one and at most 2^16, each 1..10000. `turns`: about how many will
  // be asked for, at most 2^24.
  MaglevTurns(absl::Span<const uint32_t> weights, uint32_t turns);

  // The ranks whose turns come next, at least one; valid until the next call.
  absl::Span<const uint32_t> Next();

 private:
  // All backends of a weight, and their next turn: `time` and a fraction of `rest` / `weight`.
  struct WeightClass {
    uint64_t weight;
    uint64_t time, rest;
    uint64_t step, step_rest;  // from a turn to the next
    uint32_t begin, end;       // of its ranks in ranks_
  };

  void CollectWindow();
  void SortWindow();
  void AppendRanks(const WeightClass& weight_class);

  std::vector<WeightClass> classes_;  // by descending weight: the first turns are in order
  std::vector<uint32_t> ranks_;       // by class, ascending
  uint64_t window_ = 1;               // its length in units of time
  uint64_t window_begin_ = 0;
  // Turns of the window: time since its begin, position in classes_ in the low 16 bits.
  std::vector<uint64_t> window_turns_, sorted_;
  std::vector<uint32_t> bucket_end_;
  std::vector<uint32_t> next_;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_HASH_MAGLEV_TURNS_H_
