// Which of several entries a new flow overwrites.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure functions, for the worker that
// owns the table: nobody else writes to it, so its own plain reads of entries are no data race.
//
// All entries are judged alike and at once, four to a vector (GCC's and clang's vector extension,
// for every processor), and without branches: nothing of it can be predicted in a full table.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_RANK_H_
#define GUIDEWAY_LIB_FLOW_FLOW_RANK_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lib/flow/flow_bucket.h"

namespace guideway {

// What an entry is to a new flow, the best first.
enum class EntryClass : int32_t { kUnused = 0, kTimedOut = 1, kEvictable = 2, kMustStay = 3 };

// The lowest of several entries is the one to overwrite: by class; if evictable, half-closed flows
// last, else a flood of first packets would take the place of a download; by the time left; then by
// its number.
struct EntryRank {
  // Class: from bit 28 on; half-closed: bit 25; time left: 22 bits from bit 3 on; number: low 3
  // bits.
  int32_t value;

  EntryClass entry_class() const { return static_cast<EntryClass>(value >> 28); }
  uint32_t number() const { return static_cast<uint32_t>(value) & 7; }
};
static_assert(kFlowHorizonSeconds < 1 << 22);
inline constexpr int32_t kHalfClosedRank = 1 << 25;

using Int32x4 [[gnu::vector_size(16)]] = int32_t;
using Uint32x4 [[gnu::vector_size(16)]] = uint32_t;

inline Int32x4 WordsOf(const FlowEntry& entry) {
  Int32x4 words;
  static_assert(sizeof(words) == sizeof(entry));
  std::memcpy(&words, &entry, sizeof(words));
  return words;
}

// The ranks of a bucket's entries, which have the numbers from `number` on.
inline Int32x4 RanksOf(const FlowBucket& bucket, int32_t number, uint32_t now_s) {
  static_assert(kFlowsPerBucket == 4 && offsetof(FlowEntry, expiry) == 12);
  const Int32x4 entry0 = WordsOf(bucket.entries[0]), entry1 = WordsOf(bucket.entries[1]);
  const Int32x4 entry2 = WordsOf(bucket.entries[2]), entry3 = WordsOf(bucket.entries[3]);
  const Int32x4 tags01 = __builtin_shufflevector(entry0, entry1, 0, 4, 1, 5);
  const Int32x4 tags23 = __builtin_shufflevector(entry2, entry3, 0, 4, 1, 5);
  const Int32x4 rest01 = __builtin_shufflevector(entry0, entry1, 2, 6, 3, 7);
  const Int32x4 rest23 = __builtin_shufflevector(entry2, entry3, 2, 6, 3, 7);
  const Int32x4 tags = __builtin_shufflevector(tags01, tags23, 0, 1, 4, 5) |
                       __builtin_shufflevector(tags01, tags23, 2, 3, 6, 7);
  const auto expiries =
      reinterpret_cast<Uint32x4>(__builtin_shufflevector(rest01, rest23, 2, 3, 6, 7));

  const auto left = reinterpret_cast<Int32x4>((expiries - now_s) & kFlowTimeMask);
  const auto states = reinterpret_cast<Int32x4>(expiries >> 28);
  // Of what is compared each lane is -1 where it is so, else 0.
  const Int32x4 used = tags != 0;
  const Int32x4 live =
      used & (states != 0) & (left > 0) & (left <= static_cast<int32_t>(kFlowHorizonSeconds));
  // As MustStay() says.
  const Int32x4 stays = live & (states >= static_cast<int32_t>(FlowState::kEstablished));
  const Int32x4 evictable = live ^ stays;
  const Int32x4 half_closed =
      (states == static_cast<int32_t>(FlowState::kHalfClosed)) & kHalfClosedRank;
  const Int32x4 numbers = {number, number + 1, number + 2, number + 3};
  return -(used + live + stays) << 28 | ((half_closed | left << 3) & evictable) | numbers;
}

inline Int32x4 LowerOf(Int32x4 a, Int32x4 b) { return b ^ ((a ^ b) & (a < b)); }

inline EntryRank Lowest(Int32x4 ranks) {
  ranks = LowerOf(ranks, __builtin_shufflevector(ranks, ranks, 2, 3, 0, 1));
  ranks = LowerOf(ranks, __builtin_shufflevector(ranks, ranks, 1, 0, 3, 2));
  return {ranks[0]};
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_RANK_H_
