#include "dataplane/tables/shares.h"

namespace guideway {

std::vector<Candidate> CandidatesOf(absl::Span<const channel::MaglevSlot> slots) {
  std::vector<uint32_t> owned(channel::kMaxBackends);
  for (const channel::MaglevSlot& slot : slots) {
    if (slot.current < owned.size()) ++owned[slot.current];
  }
  std::vector<Candidate> candidates;
  for (uint32_t i = 0; i < owned.size(); ++i) {
    if (owned[i] == 0) continue;
    candidates.push_back({.slots = owned[i], .backend = static_cast<uint16_t>(i)});
  }
  return candidates;
}

// The n-th of a candidate's s turns (n = 0, 1 ...) is due at (2n + 1) / 2s of the round. Sorted by
// counting: into as many bins as there are turns, in each bin by index.
void FillTurns(absl::Span<const Candidate> candidates, absl::Span<uint16_t> turns) {
  const uint64_t count = turns.size();
  const auto bin_of = [count](uint64_t n, uint64_t slots) {
    return (2 * n + 1) * count / (2 * slots);
  };
  std::vector<uint32_t> begins(count + 1);  // of each bin
  for (const Candidate& candidate : candidates) {
    for (uint64_t n = 0; n < candidate.slots; ++n) ++begins[bin_of(n, candidate.slots) + 1];
  }
  for (uint64_t bin = 0; bin < count; ++bin) begins[bin + 1] += begins[bin];
  for (const Candidate& candidate : candidates) {
    for (uint64_t n = 0; n < candidate.slots; ++n) {
      turns[begins[bin_of(n, candidate.slots)]++] = candidate.backend;
    }
  }
}

}  // namespace guideway
