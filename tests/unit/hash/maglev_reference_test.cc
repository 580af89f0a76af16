// The Maglev builder against a plain one, written from docs/decisions/0003-maglev-weights.md: every
// table has to be the same, slot by slot, since all nodes of a fleet must agree on it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <queue>
#include <random>
#include <set>
#include <tuple>

#include "lib/hash/maglev.h"
#include "lib/hash/maglev_turns.h"
#include "lib/hash/siphash.h"

namespace guideway {
namespace {

// Ranks in the order of their turns.
std::vector<uint32_t> PlainTurns(const std::vector<uint32_t>& weights, size_t count) {
  using Turn = std::tuple<uint64_t, uint32_t, uint64_t>;  // time, rank, how manieth of the backend
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> due;
  const auto time = [&](uint32_t rank, uint64_t n) { return ((2 * n - 1) << 32) / weights[rank]; };
  for (uint32_t rank = 0; rank < weights.size(); ++rank) due.push({time(rank, 1), rank, 1});
  std::vector<uint32_t> turns;
  while (turns.size() < count) {
    const auto [_, rank, n] = due.top();
    due.pop();
    due.push({time(rank, n + 1), rank, n + 1});
    turns.push_back(rank);
  }
  return turns;
}

std::vector<uint16_t> PlainTable(std::vector<MaglevBackend> backends, uint32_t slot_count,
                                 uint64_t seed) {
  std::erase_if(backends, [](const auto& backend) { return backend.weight == 0; });
  std::vector<uint16_t> table(slot_count, kNoBackend);
  if (backends.empty()) return table;
  std::sort(backends.begin(), backends.end(),
            [](const auto& a, const auto& b) { return a.identity < b.identity; });
  std::vector<uint32_t> weights;
  std::vector<uint64_t> next, skip;
  for (const MaglevBackend& backend : backends) {
    weights.push_back(backend.weight);
    next.push_back(SipHash24(SipKey{seed, 0}, backend.identity) % slot_count);
    skip.push_back(SipHash24(SipKey{seed, 1}, backend.identity) % (slot_count - 1) + 1);
  }
  for (const uint32_t rank : PlainTurns(weights, slot_count)) {
    while (table[next[rank]] != kNoBackend) next[rank] = (next[rank] + skip[rank]) % slot_count;
    table[next[rank]] = backends[rank].index;
  }
  return table;
}

// Weights as pools have them: alike, a few values, in ramps, anything.
uint32_t DrawWeight(int kind, std::mt19937_64& random) {
  switch (kind) {
    case 0:
      return 7;
    case 1:
      return static_cast<uint32_t>(10 + random() % 7);
    case 2:
      return random() % 2 == 0 ? 10 : 30;  // a third of the latter's turns at the same times
    case 3:
      return static_cast<uint32_t>(9900 + random() % 101);
    case 4:
      return random() % 50 == 0 ? 10000 : 1;
    default:
      return static_cast<uint32_t>(random() % 10001);
  }
}

std::vector<MaglevBackend> DrawBackends(size_t count, int kind, std::mt19937_64& random) {
  static const std::vector<std::string> kPrefixes = {"", "web-1/10.0.0.", "\xff\x80/"};
  const std::string& prefix = kPrefixes[random() % kPrefixes.size()];
  std::set<std::string> identities;
  while (identities.size() < count) {
    std::string identity = prefix;
    if (random() % 4 == 0) identity += random() % 2 == 0 ? "same for 8 bytes" : "same for nine";
    identity += std::to_string(random() % (10 * count));
    if (random() % 4 == 0) identity += std::string(random() % 10, static_cast<char>(random()));
    identities.insert(identity);
  }
  std::vector<MaglevBackend> backends;
  for (const std::string& identity : identities) {
    backends.push_back(
        {identity, DrawWeight(kind, random), static_cast<uint16_t>(3 * backends.size())});
  }
  std::shuffle(backends.begin(), backends.end(), random);
  return backends;
}

void CheckSame(size_t count, uint32_t slot_count, int kind, std::mt19937_64& random) {
  const uint64_t seed = random();
  const auto backends = DrawBackends(count, kind, random);
  CAPTURE(count, slot_count, kind, seed);
  // In parentheses: a difference is reported without printing both tables.
  CHECK((BuildMaglevTable(backends, slot_count, seed).value() ==
         PlainTable(backends, slot_count, seed)));
}

TEST_CASE("tables are those of the plain builder: small ones") {
  std::mt19937_64 random(3);
  for (const uint32_t slot_count : {3u, 5u, 7u, 11u, 13u, 31u, 61u, 251u, 509u, 1009u, 2053u}) {
    for (const size_t count : {1, 2, 3, 4, 15, 16, 17, 40, 300}) {
      for (int kind = 0; kind < 6; ++kind) CheckSame(count, slot_count, kind, random);
    }
  }
}

TEST_CASE("tables are those of the plain builder: the usual sizes") {
  std::mt19937_64 random(4);
  for (int kind = 0; kind < 6; ++kind) {
    for (const size_t count : {2, 10, 100, 1000}) CheckSame(count, 65537, kind, random);
    CheckSame(5000, 4099, kind, random);
    CheckSame(20000, 16381, kind, random);
  }
  CheckSame(1000, 655373, 0, random);
  CheckSame(1000, 655373, 5, random);
}

TEST_CASE("turns are in order over many windows, also of extreme weights") {
  std::mt19937_64 random(5);
  for (const uint32_t asked : {1u, 100u, 100000u}) {
    for (int kind = 0; kind < 6; ++kind) {
      for (const size_t count : {1, 3, 50, 6000}) {
        std::vector<uint32_t> weights;
        for (size_t i = 0; i < count; ++i)
          weights.push_back(std::max(1u, DrawWeight(kind, random)));
        const std::vector<uint32_t> expected = PlainTurns(weights, 30000);
        MaglevTurns turns(weights, asked);
        std::vector<uint32_t> got;
        while (got.size() < expected.size()) {
          const auto next = turns.Next();
          REQUIRE_FALSE(next.empty());
          got.insert(got.end(), next.begin(), next.end());
        }
        got.resize(expected.size());
        CAPTURE(asked, kind, count);
        CHECK((got == expected));
      }
    }
  }
}

}  // namespace
}  // namespace guideway
