// Maglev lookup table (Eisenbud et al., "Maglev", NSDI '16, section 3.4), with weights.
//
// A pure function of (backends, slot count, seed): the order of the input and everything that was
// there before do not matter, so every node of a fleet builds the same table. A backend of weight w
// gets a share of the slots proportional to w; weight 0 gets none. Thread safety: pure functions.
#ifndef GUIDEWAY_LIB_HASH_MAGLEV_H_
#define GUIDEWAY_LIB_HASH_MAGLEV_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace guideway {

inline constexpr uint16_t kNoBackend = 0xffff;

struct MaglevBackend {
  std::string identity;  // what the permutation is made from: the same on every node, e.g.
                         // "web-1/10.0.0.11"
  uint32_t weight = 1;   // 0..10000
  uint16_t index = 0;    // what is written into the slots, < kNoBackend
};

// A table of `slot_count` entries (a prime, 3..2^24), each a backend's index; all kNoBackend if no
// backend has a weight above 0. Errors: slot_count not prime, weight out of range, duplicate
// identity, index out of range or used twice.
absl::StatusOr<std::vector<uint16_t>> BuildMaglevTable(absl::Span<const MaglevBackend> backends,
                                                       uint32_t slot_count, uint64_t seed);

// A digest of who owns which slot, by identity, not by index: equal on two nodes exactly if flows
// go to the same backends (64-bit, collisions aside).
uint64_t MaglevDigest(absl::Span<const uint16_t> table, absl::Span<const MaglevBackend> backends);

bool IsPrime(uint32_t n);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_HASH_MAGLEV_H_
