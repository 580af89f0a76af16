// The Maglev builder: purity, shares, disruption, refusals. (Tables themselves are compared with an
// independent implementation in tests/oracle.)
#include "lib/hash/maglev.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>

#include "lib/hash/siphash.h"

namespace guideway {
namespace {

std::vector<MaglevBackend> Backends(uint16_t count) {
  std::vector<MaglevBackend> backends;
  for (uint16_t i = 0; i < count; ++i) {
    backends.push_back({"web-" + std::to_string(i), 1, i});
  }
  return backends;
}

std::vector<uint32_t> Counts(const std::vector<uint16_t>& table, size_t backends) {
  std::vector<uint32_t> counts(backends);
  for (uint16_t owner : table) ++counts.at(owner);
  return counts;
}

TEST_CASE("the order of the input does not matter") {
  auto backends = Backends(50);
  for (size_t i = 0; i < backends.size(); ++i)
    backends[i].weight = static_cast<uint32_t>(1 + i % 3);
  const auto table = BuildMaglevTable(backends, 5003, 9).value();
  std::mt19937 random(1);
  for (int i = 0; i < 5; ++i) {
    std::shuffle(backends.begin(), backends.end(), random);
    CHECK(BuildMaglevTable(backends, 5003, 9).value() == table);
  }
  CHECK(BuildMaglevTable(backends, 5003, 10).value() != table);
}

TEST_CASE("equal weights: counts differ by one slot at most") {
  const auto counts = Counts(BuildMaglevTable(Backends(100), 65537, 1).value(), 100);
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  CHECK(*most - *least <= 1);
}

TEST_CASE("weights: each share within 1% of what was asked, 65537 slots, 100 backends") {
  auto backends = Backends(100);
  double sum = 0;
  for (size_t i = 0; i < backends.size(); ++i) {
    backends[i].weight = static_cast<uint32_t>(1 + i % 10) * 100;
    sum += backends[i].weight;
  }
  const auto counts = Counts(BuildMaglevTable(backends, 65537, 1).value(), 100);
  for (size_t i = 0; i < backends.size(); ++i) {
    const double asked = backends[i].weight / sum * 65537;
    CAPTURE(i, asked, counts[i]);
    CHECK(std::abs(counts[i] - asked) <= asked / 100);
  }
}

TEST_CASE("extreme weights stay proportional") {
  auto backends = Backends(3);
  backends[0].weight = 10000;
  backends[1].weight = 1;
  backends[2].weight = 0;
  const auto counts = Counts(BuildMaglevTable(backends, 65537, 1).value(), 3);
  CHECK(counts[0] + counts[1] == 65537);
  CHECK((counts[1] == 6 || counts[1] == 7));
  CHECK(counts[2] == 0);
}

// Slots that changed hands although neither their old nor their new owner was touched.
double Churn(const std::vector<uint16_t>& before, const std::vector<uint16_t>& after,
             uint16_t touched) {
  uint32_t moved = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    moved += before[i] != after[i] && before[i] != touched && after[i] != touched;
  }
  return moved / static_cast<double>(before.size());
}

TEST_CASE("removing or re-weighting one of 100 backends moves few other slots") {
  auto backends = Backends(100);
  const auto before = BuildMaglevTable(backends, 65537, 1).value();
  backends[40].weight = 0;
  CHECK(Churn(before, BuildMaglevTable(backends, 65537, 1).value(), 40) < 0.02);
  backends[40].weight = 1;
  backends.push_back({"web-100", 1, 100});
  CHECK(Churn(before, BuildMaglevTable(backends, 65537, 1).value(), 100) < 0.02);
  backends.pop_back();

  for (size_t i = 0; i < backends.size(); ++i)
    backends[i].weight = static_cast<uint32_t>(10 + i % 5);
  const auto weighted = BuildMaglevTable(backends, 65537, 1).value();
  backends[40].weight += 5;
  CHECK(Churn(weighted, BuildMaglevTable(backends, 65537, 1).value(), 40) < 0.02);
}

TEST_CASE("a large table is what walking step by step gives, also its last slots") {
  constexpr uint32_t kSlots = 1048573;
  constexpr uint64_t kSeed = 7;
  const auto backends = Backends(7);  // in the order of their identities
  std::vector<uint16_t> expected(kSlots, kNoBackend);
  std::vector<uint64_t> next, skip;
  for (const MaglevBackend& backend : backends) {
    next.push_back(SipHash24(SipKey{kSeed, 0}, backend.identity) % kSlots);
    skip.push_back(SipHash24(SipKey{kSeed, 1}, backend.identity) % (kSlots - 1) + 1);
  }
  for (uint32_t i = 0; i < kSlots; ++i) {
    const auto backend = static_cast<uint16_t>(i % backends.size());
    while (expected[next[backend]] != kNoBackend) {
      next[backend] = (next[backend] + skip[backend]) % kSlots;
    }
    expected[next[backend]] = backend;
  }
  CHECK((BuildMaglevTable(backends, kSlots, kSeed).value() == expected));
}

TEST_CASE("weight 0 is the same as not being there") {
  auto backends = Backends(10);
  backends[3].weight = 0;
  const auto with_zero = BuildMaglevTable(backends, 251, 1).value();
  backends.erase(backends.begin() + 3);
  CHECK(BuildMaglevTable(backends, 251, 1).value() == with_zero);
}

TEST_CASE("nobody to select: all slots say so") {
  CHECK(BuildMaglevTable({}, 7, 0).value() == std::vector<uint16_t>(7, kNoBackend));
  std::vector<MaglevBackend> disabled = {{"a", 0, 0}};
  CHECK(BuildMaglevTable(disabled, 7, 0).value() == std::vector<uint16_t>(7, kNoBackend));
}

TEST_CASE("what cannot be built is refused and named") {
  const auto message = [](std::vector<MaglevBackend> backends, uint32_t slots) {
    return std::string(BuildMaglevTable(backends, slots, 0).status().message());
  };
  CHECK(message({}, 65536).find("65536") != std::string::npos);
  CHECK(message({}, 2).find("slot count 2") != std::string::npos);
  CHECK(message({}, 0).find("slot count 0") != std::string::npos);
  CHECK(message({}, 16777259).find("slot count") != std::string::npos);  // the first prime > 2^24
  CHECK(message({{"a", 1, 0}, {"a", 1, 1}}, 7).find("identity 'a'") != std::string::npos);
  CHECK(message({{"a", 1, 5}, {"b", 1, 5}}, 7).find("'b': index 5") != std::string::npos);
  CHECK(message({{"a", 1, kNoBackend}}, 7).find("'a': index 65535") != std::string::npos);
  CHECK(message({{"a", 10001, 0}}, 7).find("'a': weight 10001") != std::string::npos);
}

TEST_CASE("the digest follows identities, not indices") {
  auto backends = Backends(10);
  const auto table = BuildMaglevTable(backends, 251, 1).value();
  const uint64_t digest = MaglevDigest(table, backends);
  auto renumbered = backends;
  for (auto& backend : renumbered) backend.index = static_cast<uint16_t>(500 - backend.index);
  CHECK(MaglevDigest(BuildMaglevTable(renumbered, 251, 1).value(), renumbered) == digest);
  auto renamed = backends;
  renamed[0].identity = "web-x";
  CHECK(MaglevDigest(table, renamed) != digest);
  auto changed = table;
  std::swap(changed[0], *std::find_if(changed.begin(), changed.end(),
                                      [&](uint16_t owner) { return owner != changed[0]; }));
  CHECK(MaglevDigest(changed, backends) != digest);
}

TEST_CASE("primes") {
  for (uint32_t n : {2u, 3u, 5u, 7u, 251u, 65537u, 655373u, 1048573u, 4294967291u})
    CHECK(IsPrime(n));
  for (uint32_t n : {0u, 1u, 4u, 9u, 65536u, 65535u, 1048575u, 4294967295u})
    CHECK_FALSE(IsPrime(n));
}

}  // namespace
}  // namespace guideway
