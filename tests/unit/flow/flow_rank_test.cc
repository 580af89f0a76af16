// Which entry a new flow overwrites: the vectors against the rule, written down plainly.
#include "lib/flow/flow_rank.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <tuple>
#include <vector>

namespace guideway {
namespace {

// Class, time left if that counts, number.
using Rank = std::tuple<EntryClass, uint32_t, uint32_t>;

Rank PlainRank(const FlowEntry& entry, uint32_t number, uint32_t now_s) {
  const uint32_t expiry = entry.expiry.load();
  const auto state = static_cast<FlowState>(expiry >> 28);
  const uint32_t left = (expiry - now_s) % (1 << 28);
  if (entry.tag.load() == 0) return {EntryClass::kUnused, 0, number};
  if (state == FlowState::kFree || left == 0 || left > 2 * FlowTimeouts::kMaxSeconds)
    return {EntryClass::kTimedOut, 0, number};
  if (MustStay(state)) return {EntryClass::kMustStay, 0, number};
  // Half-closed flows after all others that may go.
  const uint32_t last = state == FlowState::kHalfClosed ? 1 << 22 : 0;
  return {EntryClass::kEvictable, left + last, number};
}

// Of entries that say something, that are at the edges, or that are garbage.
uint32_t SomeExpiry(std::mt19937_64& random, uint32_t now_s) {
  constexpr uint32_t kHorizon = 2 * FlowTimeouts::kMaxSeconds;
  const uint32_t lefts[] = {0,
                            1,
                            2,
                            30,
                            3600,
                            1u << 20,
                            kHorizon - 1,
                            kHorizon,
                            kHorizon + 1,
                            0xfffffff,
                            static_cast<uint32_t>(random() % kHorizon),
                            static_cast<uint32_t>(random())};
  const uint32_t left = lefts[random() % std::size(lefts)];
  return static_cast<uint32_t>(random() % 16) << 28 | ((now_s + left) & kFlowTimeMask);
}

TEST_CASE("the lowest rank is that of the entry to overwrite") {
  std::mt19937_64 random(11);
  uint32_t of_class[4] = {};
  for (int i = 0; i < 300000; ++i) {
    const auto now_s = static_cast<uint32_t>(random());
    // Many alike, so that no class decides always.
    const uint64_t must_stay = random() % 4 == 0 ? 0 : random() % 256;
    FlowBucket buckets[2] = {};
    std::vector<Rank> ranks;
    for (uint32_t number = 0; number < 8; ++number) {
      FlowEntry& entry = buckets[number / 4].entries[number % 4];
      const uint64_t tags[] = {random(), random() << 32, 1, random() % 8};
      entry.tag = tags[random() % 4];
      entry.backend = static_cast<uint32_t>(random());
      entry.expiry = SomeExpiry(random, now_s);
      if ((must_stay >> number & 1) != 0) {
        entry.tag = 5;
        const auto state = static_cast<uint32_t>(FlowState::kEstablished);
        entry.expiry = state << 28 | ((now_s + 9) & kFlowTimeMask);
      }
      ranks.push_back(PlainRank(entry, number, now_s));
    }
    const auto [entry_class, left, number] = *std::min_element(ranks.begin(), ranks.end());
    const EntryRank lowest =
        Lowest(LowerOf(RanksOf(buckets[0], 0, now_s), RanksOf(buckets[1], 4, now_s)));
    REQUIRE(lowest.entry_class() == entry_class);
    REQUIRE(lowest.number() == number);
    ++of_class[static_cast<size_t>(entry_class)];
  }
  for (const uint32_t count : of_class) CHECK(count > 100);
}

TEST_CASE("entries with a tag are all found, and no others") {
  for (uint32_t mask = 0; mask < 16; ++mask) {
    FlowBucket bucket = {};
    for (uint32_t i = 0; i < 4; ++i)
      bucket.entries[i].tag = (mask >> i & 1) != 0 ? 0x1234567800000001 : 0x1234567900000001;
    CHECK(EntriesWithTag(bucket, 0x1234567800000001) == mask);
    CHECK(EntriesWithTag(bucket, 0) == 0);
    if (mask != 0) CHECK(&FirstEntry(bucket, mask) == &bucket.entries[std::countr_zero(mask)]);
  }
}

}  // namespace
}  // namespace guideway
