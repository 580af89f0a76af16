// The Maglev builder. The rule, with weights, is written down in
// docs/decisions/0003-maglev-weights.md and implemented a second time, from that page, in
// tests/oracle/maglev.py.
#include "lib/hash/maglev.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/hash/siphash.h"

namespace guideway {
namespace {

constexpr uint32_t kMinSlotCount = 3;
constexpr uint32_t kMaxSlotCount = 1u << 24;
constexpr uint32_t kMaxWeight = 10000;
constexpr SipKey kDigestKey{0x6775696465776179, 0x646967657374};  // "guideway", "digest"

// A backend's walk over the slots: every slot once, in an order of its own.
struct Permutation {
  uint32_t next = 0;  // the slot it asks for next
  uint32_t skip = 0;
  uint32_t weight = 0;
  uint16_t index = 0;
};

// A backend's turn to take a slot, in virtual time.
struct Turn {
  uint64_t time;
  uint32_t rank;
  friend auto operator<=>(const Turn&, const Turn&) = default;
};

absl::Status Validate(absl::Span<const MaglevBackend> backends, uint32_t slot_count) {
  if (slot_count < kMinSlotCount || slot_count > kMaxSlotCount || !IsPrime(slot_count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("slot count ", slot_count, " is not a prime from 3 to 2^24"));
  }
  std::vector<bool> index_used(kNoBackend, false);
  for (const MaglevBackend& backend : backends) {
    if (backend.index >= kNoBackend) {
      return absl::InvalidArgumentError(absl::StrCat("backend '", backend.identity, "': index ",
                                                     backend.index, " is not below ", kNoBackend));
    }
    if (index_used[backend.index]) {
      return absl::InvalidArgumentError(absl::StrCat("backend '", backend.identity, "': index ",
                                                     backend.index, " is used twice"));
    }
    index_used[backend.index] = true;
    if (backend.weight > kMaxWeight) {
      return absl::InvalidArgumentError(absl::StrCat("backend '", backend.identity, "': weight ",
                                                     backend.weight, " is above ", kMaxWeight));
    }
  }
  return absl::OkStatus();
}

// The backends that take part, by ascending identity: their position is their rank.
absl::StatusOr<std::vector<Permutation>> MakePermutations(absl::Span<const MaglevBackend> backends,
                                                          uint32_t slot_count, uint64_t seed) {
  std::vector<const MaglevBackend*> sorted;
  sorted.reserve(backends.size());
  for (const MaglevBackend& backend : backends) sorted.push_back(&backend);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->identity < b->identity; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i]->identity == sorted[i - 1]->identity) {
      return absl::InvalidArgumentError(
          absl::StrCat("backend identity '", sorted[i]->identity, "' is used twice"));
    }
  }
  std::vector<Permutation> permutations;
  permutations.reserve(sorted.size());
  for (const MaglevBackend* backend : sorted) {
    if (backend->weight == 0) continue;
    const uint64_t offset = SipHash24(SipKey{seed, 0}, backend->identity);
    const uint64_t skip = SipHash24(SipKey{seed, 1}, backend->identity);
    permutations.push_back({.next = static_cast<uint32_t>(offset % slot_count),
                            .skip = static_cast<uint32_t>(skip % (slot_count - 1) + 1),
                            .weight = backend->weight,
                            .index = backend->index});
  }
  return permutations;
}

// All turns up to a time by which there are enough for every slot, backend by backend. The n-th
// turn of a backend of weight w comes at (2n - 1) / w, in units of 2^-32, rounded down.
std::vector<Turn> TurnsOf(const std::vector<Permutation>& permutations, uint32_t slot_count) {
  uint64_t weight_sum = 0;
  for (const Permutation& permutation : permutations) weight_sum += permutation.weight;
  // Until a time t a backend has at least t * w / 2^33 - 1 turns.
  const uint64_t enough = ((slot_count + permutations.size()) << 33) / weight_sum + 1;
  std::vector<Turn> turns;
  turns.reserve(slot_count + 2 * permutations.size());
  for (uint32_t rank = 0; rank < permutations.size(); ++rank) {
    const uint64_t weight = permutations[rank].weight;
    const uint64_t step = (uint64_t{1} << 33) / weight, step_rest = (uint64_t{1} << 33) % weight;
    uint64_t time = (uint64_t{1} << 32) / weight, rest = (uint64_t{1} << 32) % weight;
    while (time <= enough) {
      turns.push_back({time, rank});
      time += step;
      rest += step_rest;
      if (rest >= weight) {
        rest -= weight;
        ++time;
      }
    }
  }
  return turns;
}

// Sorts by time, then rank: spreads the turns over about as many buckets of equal time spans, which
// leaves next to nothing to sort within a bucket.
std::vector<Turn> Sorted(const std::vector<Turn>& turns) {
  uint64_t last = 0;
  for (const Turn& turn : turns) last = std::max(last, turn.time);
  int shift = 0;
  while ((last >> shift) >= turns.size()) ++shift;
  std::vector<uint32_t> begin((last >> shift) + 2, 0);
  for (const Turn& turn : turns) ++begin[(turn.time >> shift) + 1];
  for (size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  std::vector<uint32_t> end(begin.begin(), begin.end() - 1);
  std::vector<Turn> sorted(turns.size());
  for (const Turn& turn : turns) sorted[end[turn.time >> shift]++] = turn;
  for (size_t i = 0; i < end.size(); ++i) {
    std::sort(sorted.begin() + begin[i], sorted.begin() + end[i]);
  }
  return sorted;
}

bool AllWeightsEqual(const std::vector<Permutation>& permutations) {
  return std::all_of(permutations.begin(), permutations.end(),
                     [&](const auto& p) { return p.weight == permutations.front().weight; });
}

// Gives the permutation's next free slot to its backend.
void TakeSlot(Permutation& permutation, std::vector<uint16_t>& table) {
  const auto slot_count = static_cast<uint32_t>(table.size());
  uint32_t slot = permutation.next;
  while (table[slot] != kNoBackend) {
    slot += permutation.skip;
    if (slot >= slot_count) slot -= slot_count;
  }
  table[slot] = permutation.index;
  permutation.next = slot;  // taken now: the next search steps on from here
}

}  // namespace

absl::StatusOr<std::vector<uint16_t>> BuildMaglevTable(absl::Span<const MaglevBackend> backends,
                                                       uint32_t slot_count, uint64_t seed) {
  if (absl::Status status = Validate(backends, slot_count); !status.ok()) return status;
  auto permutations = MakePermutations(backends, slot_count, seed);
  if (!permutations.ok()) return permutations.status();
  std::vector<uint16_t> table(slot_count, kNoBackend);
  if (permutations->empty()) return table;

  if (AllWeightsEqual(*permutations)) {  // the turns go round: no need to sort them
    const size_t count = permutations->size();
    for (size_t i = 0, rank = 0; i < slot_count; ++i, rank = rank + 1 == count ? 0 : rank + 1) {
      TakeSlot((*permutations)[rank], table);
    }
  } else {
    const std::vector<Turn> turns = Sorted(TurnsOf(*permutations, slot_count));
    for (uint32_t i = 0; i < slot_count; ++i) TakeSlot((*permutations)[turns[i].rank], table);
  }
  return table;
}

uint64_t MaglevDigest(absl::Span<const uint16_t> table, absl::Span<const MaglevBackend> backends) {
  std::vector<uint64_t> identity_hash(size_t{kNoBackend} + 1, 0);
  for (const MaglevBackend& backend : backends) {
    if (backend.index == kNoBackend) continue;
    identity_hash[backend.index] = SipHash24(kDigestKey, backend.identity);
  }
  std::vector<uint64_t> owners(table.size());
  for (size_t i = 0; i < table.size(); ++i) owners[i] = LittleEndian(identity_hash[table[i]]);
  return SipHash24(kDigestKey, owners.data(), owners.size() * sizeof(uint64_t));
}

bool IsPrime(uint32_t n) {
  if (n < 2) return false;
  if (n % 2 == 0) return n == 2;
  for (uint64_t divisor = 3; divisor * divisor <= n; divisor += 2) {
    if (n % divisor == 0) return false;
  }
  return true;
}

}  // namespace guideway
