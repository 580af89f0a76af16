#include "lib/hash/maglev_filler.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "lib/hash/maglev.h"

namespace guideway {
namespace {

// `slot` modulo `slot_count`, for a slot < 2 * slot_count <= 2^25: without a branch, so that the
// compiler can work on several at once, also where the CPU knows no unsigned minimum.
uint32_t Wrapped(uint32_t slot, uint32_t slot_count) {
  const uint32_t wrapped = slot - slot_count;
  return wrapped + (slot_count & static_cast<uint32_t>(static_cast<int32_t>(wrapped) >> 31));
}

// The inverse of `skip` modulo the prime `slot_count`, in units of slot_count * 2^-64.
uint64_t StepFraction(uint32_t skip, uint32_t slot_count) {
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

}  // namespace

MaglevFiller::MaglevFiller(absl::Span<const MaglevWalk> walks, uint32_t slot_count)
    : slot_count_(slot_count),
      left_(slot_count),
      batch_(std::min(kBatch, walks.size())),
      table_(slot_count, kNoBackend),
      free_(slot_count, 1) {
  while (last_ * last_ < slot_count) ++last_;
  walkers_.reserve(walks.size());
  for (const MaglevWalk& walk : walks) {
    Walker walker{.steps = {}, .leap = 0, .next = walk.offset, .index = walk.index};
    for (uint32_t& step : walker.steps) {
      step = walker.leap;
      walker.leap = Wrapped(walker.leap + walk.skip, slot_count);
    }
    walkers_.push_back(walker);
  }
}

// The fuller the table, the more slots ahead are looked at. The limits were found by measurement.
void MaglevFiller::Take(absl::Span<const uint32_t> turns) {
  while (!turns.empty() && left_ > last_) {
    const auto take_until = [&](uint32_t limit, auto take) {
      limit = std::max(limit, last_);
      if (left_ <= limit) return false;
      const auto some = turns.first(std::min<size_t>(turns.size(), left_ - limit));
      (this->*take)(some);
      turns.remove_prefix(some.size());
      return true;
    };
    take_until(slot_count_ / 4, &MaglevFiller::TakeAhead<4>) ||
        take_until(slot_count_ / 8, &MaglevFiller::TakeAhead<8>) ||
        take_until(slot_count_ / 16, &MaglevFiller::TakeAhead<16>) ||
        take_until(last_, &MaglevFiller::TakeAhead<32>);
  }
  for (; !turns.empty() && left_ > 0; turns.remove_prefix(1)) TakeNearest(turns[0]);
}

template <uint32_t kAhead>
void MaglevFiller::TakeAhead(absl::Span<const uint32_t> turns) {
  left_ -= static_cast<uint32_t>(turns.size());
  uint8_t* const is_free = free_.data();  // stores of bytes make the compiler read members again
  Walker* const walkers = walkers_.data();
  uint16_t* const table = table_.data();
  for (; !turns.empty(); turns.remove_prefix(std::min(batch_, turns.size()))) {
    const auto batch = turns.first(std::min(batch_, turns.size()));
    uint32_t found[kBatch];
    for (size_t i = 0; i < batch.size(); ++i) {
      const Walker& walker = walkers[batch[i]];
      uint32_t slots[kAhead];
      const uint32_t free = LookAhead(walker, walker.next, slots);
      found[i] = slots[std::countr_zero(free | 1u << (kAhead - 1))];
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      Walker& walker = walkers[batch[i]];
      uint32_t slot = found[i];
      if (is_free[slot] == 0) slot = WalkOn<kAhead>(walker, slot);
      is_free[slot] = 0;
      table[slot] = walker.index;
      walker.next = slot;
    }
  }
}

// The first free slot of the walk from `slot` on.
template <uint32_t kAhead>
uint32_t MaglevFiller::WalkOn(const Walker& walker, uint32_t slot) const {
  uint32_t slots[kAhead];
  for (;; slot = slots[kAhead - 1]) {
    const uint32_t free = LookAhead(walker, slot, slots);
    if (free != 0) return slots[std::countr_zero(free)];
  }
}

// Sets `slots` to those of the walk from `from` on. Returns which are free: slots[0] is bit 0.
template <uint32_t kAhead>
uint32_t MaglevFiller::LookAhead(const Walker& walker, uint32_t from,
                                 uint32_t (&slots)[kAhead]) const {
  for (uint32_t i = 0; i < kLanes; ++i) slots[i] = Wrapped(from + walker.steps[i], slot_count_);
  for (uint32_t i = kLanes; i < kAhead; ++i) {
    slots[i] = Wrapped(slots[i - kLanes] + walker.leap, slot_count_);
  }
  uint32_t free = 0;
  for (uint32_t i = kAhead; i-- > 0;) free = 2 * free + free_[slots[i]];
  return free;
}

// The walk comes to a slot after (slot - next) / skip steps, modulo slot_count: the fraction
// (slot - next) * inverse / slot_count without its integer part says which comes first. It is
// worked out in units of 2^-64. Its error, below 2^24, is less than what fractions differ by.
void MaglevFiller::TakeNearest(uint32_t rank) {
  if (free_slots_.empty()) ListFreeSlots();
  Walker& walker = walkers_[rank];
  uint64_t& step_fraction = step_fractions_[rank];
  if (step_fraction == 0) step_fraction = StepFraction(walker.steps[1], slot_count_);
  uint64_t nearest = ~uint64_t{0};
  size_t place = 0;
  for (size_t i = 0; i < free_slots_.size(); ++i) {
    const int64_t distance = int64_t{free_slots_[i]} - walker.next;
    const uint64_t steps = static_cast<uint64_t>(distance) * step_fraction;
    place = steps <= nearest ? i : place;
    nearest = std::min(nearest, steps);
  }
  walker.next = free_slots_[place];
  table_[walker.next] = walker.index;
  free_slots_[place] = free_slots_.back();
  free_slots_.pop_back();
  --left_;
}

void MaglevFiller::ListFreeSlots() {
  step_fractions_.resize(walkers_.size(), 0);
  const uint8_t* const begin = free_.data();
  const uint8_t* const end = begin + free_.size();
  for (const uint8_t* at = begin; at != end; ++at) {
    at = static_cast<const uint8_t*>(std::memchr(at, 1, static_cast<size_t>(end - at)));
    if (at == nullptr) break;
    free_slots_.push_back(static_cast<uint32_t>(at - begin));
  }
}

}  // namespace guideway
