// What the schedulers that keep state need to know of a pool: who has which share, and whose turn
// it is.
//
// Weights, health, drain and failing open are in the Maglev table already: a backend's share is the
// number of slots that it owns. Thread safety: pure functions.
#ifndef GUIDEWAY_DATAPLANE_TABLES_SHARES_H_
#define GUIDEWAY_DATAPLANE_TABLES_SHARES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/channel/messages.h"

namespace guideway {

// A backend that gets new flows.
struct Candidate {
  uint32_t slots;    // how many are its own, > 0
  uint16_t backend;  // index
};

// The backends that own slots, by ascending index; indices from kMaxBackends on are left out.
std::vector<Candidate> CandidatesOf(absl::Span<const channel::MaglevSlot> slots);

// The turns of one round: each candidate as often as it has slots, evenly spread - of n candidates
// with equal shares any n turns in a row name each of them once. `turns` has room for as many turns
// as the candidates have slots.
void FillTurns(absl::Span<const Candidate> candidates, absl::Span<uint16_t> turns);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_SHARES_H_
