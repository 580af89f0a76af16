// The Maglev builder. The rule, with weights, is written down in
// docs/decisions/0003-maglev-weights.md and implemented a second time, from that page, in
// tests/oracle/maglev.py.
#include "lib/hash/maglev.h"

#include <algorithm>
#include <bit>
#include <utility>

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
  uint64_t step_fraction = 0;  // see Filler; 0: not known yet
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

// The table while it is filled: gives a permutation's next free slot to its backend.
//
// Most of all steps would be made for the last few slots: with F of M slots free a walk takes M / F
// steps on average. So the last ones are not searched by walking but by asking for each of them
// after how many steps the walk would come to it.
class Filler {
 public:
  explicit Filler(uint32_t slot_count)
      : slot_count_(slot_count),
        left_(slot_count),
        table_(slot_count, kNoBackend),
        free_(slot_count, 1) {
    while (last_ * last_ < slot_count) ++last_;
  }

  void Take(Permutation& permutation) {
    if (left_ > last_) {
      Walk(permutation);
    } else {
      TakeNearest(permutation);
    }
    --left_;
  }

  std::vector<uint16_t> table() && { return std::move(table_); }

 private:
  void Walk(Permutation& permutation) {
    // Four steps at once: where a walk ends cannot be predicted, and a wrong guess costs more.
    const auto step = [&](uint32_t slot) {
      const uint32_t next = slot + permutation.skip;
      return next >= slot_count_ ? next - slot_count_ : next;
    };
    uint32_t slots[4] = {permutation.next};
    uint32_t free = 0;
    for (;; slots[0] = step(slots[3])) {
      for (uint32_t i = 1; i < 4; ++i) slots[i] = step(slots[i - 1]);
      for (uint32_t i = 0; i < 4; ++i) free |= uint32_t{free_[slots[i]]} << i;
      if (free != 0) break;
    }
    const uint32_t slot = slots[std::countr_zero(free)];
    free_[slot] = 0;
    table_[slot] = permutation.index;
    permutation.next = slot;  // taken now: the next search steps on from here
  }

  // The walk comes to a slot after (slot - next) / skip steps, modulo slot_count: the fraction
  // (slot - next) * inverse / slot_count without its integer part says which comes first. It is
  // worked out in units of 2^-64. Its error, below 2^24, is less than what fractions differ by.
  void TakeNearest(Permutation& permutation) {
    if (free_slots_.empty()) ListFreeSlots();
    if (permutation.step_fraction == 0) {
      permutation.step_fraction = StepFraction(permutation.skip, slot_count_);
    }
    uint64_t nearest = ~uint64_t{0};
    size_t place = 0;
    for (size_t i = 0; i < free_slots_.size(); ++i) {
      const int64_t distance = int64_t{free_slots_[i]} - permutation.next;
      const uint64_t steps = static_cast<uint64_t>(distance) * permutation.step_fraction;
      place = steps <= nearest ? i : place;
      nearest = std::min(nearest, steps);
    }
    permutation.next = free_slots_[place];
    table_[permutation.next] = permutation.index;
    free_slots_[place] = free_slots_.back();
    free_slots_.pop_back();
  }

  void ListFreeSlots() {
    for (uint32_t slot = 0; slot < slot_count_; ++slot) {
      if (free_[slot] != 0) free_slots_.push_back(slot);
    }
  }

  // The inverse of `skip` modulo the prime `slot_count`, in units of slot_count * 2^-64.
  static uint64_t StepFraction(uint32_t skip, uint32_t slot_count) {
    int64_t a = skip, b = slot_count, x = 1, y = 0;
    while (a != 1) {
      const int64_t quotient = b / a;
      y = std::exchange(x, y - quotient * x);
      b = std::exchange(a, b % a);
    }
    const auto inverse = static_cast<uint64_t>(x < 0 ? x + slot_count : x);
    // inverse * 2^64 / slot_count without 128 bits: both halves of the quotient.
    const uint64_t high = (inverse << 32) / slot_count, rest = (inverse << 32) % slot_count;
    return high << 32 | (rest << 32) / slot_count;
  }

  const uint32_t slot_count_;
  uint32_t left_;      // free slots
  uint32_t last_ = 1;  // when so many are left, looking at each is cheaper than walking
  std::vector<uint16_t> table_;
  std::vector<uint8_t> free_;         // 1: free, while slots are searched by walking
  std::vector<uint32_t> free_slots_;  // then
};

}  // namespace

absl::StatusOr<std::vector<uint16_t>> BuildMaglevTable(absl::Span<const MaglevBackend> backends,
                                                       uint32_t slot_count, uint64_t seed) {
  if (absl::Status status = Validate(backends, slot_count); !status.ok()) return status;
  auto permutations = MakePermutations(backends, slot_count, seed);
  if (!permutations.ok()) return permutations.status();
  if (permutations->empty()) return std::vector<uint16_t>(slot_count, kNoBackend);

  Filler filler(slot_count);
  if (AllWeightsEqual(*permutations)) {  // the turns go round: no need to sort them
    const size_t count = permutations->size();
    for (size_t i = 0, rank = 0; i < slot_count; ++i, rank = rank + 1 == count ? 0 : rank + 1) {
      filler.Take((*permutations)[rank]);
    }
  } else {
    const std::vector<Turn> turns = Sorted(TurnsOf(*permutations, slot_count));
    for (uint32_t i = 0; i < slot_count; ++i) filler.Take((*permutations)[turns[i].rank]);
  }
  return std::move(filler).table();
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
