// Two buckets for each flow: which of them it gets, who moves for it, and that nobody is lost
// meanwhile: not to readers, not to the counts, and under 0.1% at a load of 90%.
#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <thread>
#include <vector>

#include "tests/unit/flow/flow_fixture.h"

namespace guideway {
namespace {

constexpr FlowState kEstablished = FlowState::kEstablished;
constexpr FlowState kPickedUp = FlowState::kPickedUp;

// Enters established flows n, n + 1... n + count - 1 of two buckets, each with its own backend.
void Fill(Table& t, uint64_t first, uint64_t second, uint64_t n, uint64_t count) {
  for (const uint64_t end = n + count; n < end; ++n) {
    REQUIRE(t.Insert(FlowOf(first, second, n), kEstablished, kNow, static_cast<BackendId>(n)) ==
            FlowInsert::kInserted);
  }
}

void RequireAll(Table& t, uint64_t first, uint64_t second, uint64_t n, uint64_t count) {
  for (const uint64_t end = n + count; n < end; ++n) {
    CAPTURE(first, second, n);
    const FlowEntry* entry = t.Find(FlowOf(first, second, n));
    REQUIRE(entry != nullptr);
    REQUIRE(entry->backend.load() == static_cast<BackendId>(n));
    REQUIRE(FlowTable::State(*entry) == kEstablished);
    REQUIRE(FlowTable::TimesOutAt(*entry) == kNow + kTimeouts.established_s);
  }
}

// Buckets 2 and 9 of 16 are full, and one flow of bucket 2 may move to bucket 5.
struct OneMoveAway : Table {
  OneMoveAway() : Table(64) {
    Fill(*this, 2, 9, 0, 3);
    Fill(*this, 2, 5, 100, 1);
    Fill(*this, 9, 2, 200, 4);
  }
  FlowInsert Newcomer(FlowState state, uint32_t now_s = kNow) {
    return Insert(FlowOf(2, 9, 50), state, now_s, 50);
  }
  void RequireThatAllStay() {
    RequireAll(*this, 2, 9, 0, 3);
    RequireAll(*this, 2, 5, 100, 1);
    RequireAll(*this, 9, 2, 200, 4);
  }
};

// The same with bucket 5 full as well, of which one flow may move to bucket 8.
struct TwoMovesAway : OneMoveAway {
  TwoMovesAway() {
    Fill(*this, 5, 2, 300, 3);
    Fill(*this, 5, 8, 400, 1);
  }
  void RequireThatAllStay() {
    OneMoveAway::RequireThatAllStay();
    RequireAll(*this, 5, 2, 300, 3);
    RequireAll(*this, 5, 8, 400, 1);
  }
};

TEST_CASE("a flow that finds its first bucket full stands in its second one") {
  Table t(64);
  Fill(t, 2, 9, 0, 8);
  RequireAll(t, 2, 9, 0, 8);
  CHECK(t.Insert(FlowOf(2, 9, 8), kEstablished) == FlowInsert::kFull);
  CHECK(t.Find(FlowOf(2, 9, 8)) == nullptr);
  Fill(t, 3, 4, 0, 4);  // beside both
  Fill(t, 8, 1, 0, 4);
  CHECK(t.Insert(FlowOf(9, 2, 9), kEstablished) == FlowInsert::kFull);
}

TEST_CASE("a lookup goes on to the second bucket only from a full first one without the flow") {
  Table t(64);
  FlowBucket& first = *t.table.FirstBucket(FlowOf(2, 9, 0));
  CHECK_FALSE(FlowTable::MayBeInSecond(first));
  Fill(t, 2, 9, 0, 5);
  CHECK(FlowTable::MayBeInSecond(first));
  for (const uint64_t n : {0, 3}) {
    CHECK(&LikeliestEntry(first, FlowOf(2, 9, n)) == t.Find(FlowOf(2, 9, n)));
  }
  CHECK(TagOf(LikeliestEntry(first, FlowOf(2, 9, 4))) != FlowOf(2, 9, 4));
  REQUIRE(t.Find(FlowOf(2, 9, 4)) != nullptr);
  CHECK(TagOf(*t.Find(FlowOf(2, 9, 4))) == FlowOf(2, 9, 4));
  CHECK(t.Find(FlowOf(2, 9, 5)) == nullptr);
  const uint32_t late = kNow + kTimeouts.established_s;
  for (const uint64_t n : {0, 4}) CHECK(t.Find(FlowOf(2, 9, n), late) == nullptr);
}

TEST_CASE("the two buckets of a flow are never the same") {
  const uint64_t buckets = GENERATE(2u, 4u, 64u);
  std::mt19937_64 random(5);
  for (int i = 0; i < 300; ++i) {
    Table t(buckets * kFlowsPerBucket);
    const uint64_t hash = random();
    // Others of the same two buckets: the bits between say nothing in tables this small.
    for (uint64_t n = 0; n < 8; ++n) {
      REQUIRE(t.Insert(hash ^ n << 20, kEstablished) == FlowInsert::kInserted);
    }
    REQUIRE(t.Insert(hash ^ 8u << 20, kEstablished) == FlowInsert::kFull);
    for (uint64_t n = 0; n < 8; ++n) REQUIRE(t.Find(hash ^ n << 20) != nullptr);
  }
}

TEST_CASE("a flow moves to its other bucket to make room for a new one") {
  OneMoveAway t;
  CHECK(t.Newcomer(kPickedUp) == FlowInsert::kInserted);
  REQUIRE(t.Find(FlowOf(2, 9, 50)) != nullptr);
  CHECK(t.Find(FlowOf(2, 9, 50))->backend.load() == 50);
  t.RequireThatAllStay();
  CHECK(t.Counts().size() == 9);  // each once
  for (const auto& [backend, count] : t.Counts()) CHECK(count == 1);
  // Back again: who has moved may move once more.
  Fill(t, 5, 8, 500, 3);
  CHECK(t.Insert(FlowOf(5, 8, 503), kEstablished) == FlowInsert::kInserted);
  CHECK(t.Insert(FlowOf(8, 5, 504), kEstablished) == FlowInsert::kInserted);
  t.RequireThatAllStay();
}

TEST_CASE("two flows move if one is not enough, three never") {
  TwoMovesAway t;
  SECTION("two") {
    CHECK(t.Newcomer(kEstablished) == FlowInsert::kInserted);
    RequireAll(t, 2, 9, 50, 1);
    CHECK(t.Counts().size() == 13);
    for (const auto& [backend, count] : t.Counts()) CHECK(count == 1);
  }
  SECTION("three") {
    Fill(t, 8, 5, 500, 3);
    Fill(t, 8, 15, 600, 1);
    CHECK(t.Newcomer(kEstablished) == FlowInsert::kFull);
    RequireAll(t, 8, 5, 500, 3);
    RequireAll(t, 8, 15, 600, 1);
  }
  t.RequireThatAllStay();
}

TEST_CASE("nobody moves for a SYN or a FIN, but for the packet after it") {
  const FlowState begins_or_ends =
      GENERATE(FlowState::kHalfOpen, FlowState::kClosing, FlowState::kHalfClosedEnding);
  // Not kPickedUp: of a named constant GENERATE makes references, the others to what is gone.
  const FlowState after_it = GENERATE(FlowState::kPickedUp, FlowState::kUdpFirst);
  OneMoveAway t;
  CHECK(t.Newcomer(begins_or_ends) == FlowInsert::kFull);
  CHECK(t.Newcomer(after_it) == FlowInsert::kInserted);
}

TEST_CASE("nobody moves while there is an entry to evict") {
  OneMoveAway t;
  FlowTable::Touch(t.Find(FlowOf(9, 2, 203)), FlowState::kClosing, kNow, kTimeouts);
  CHECK(t.Newcomer(kEstablished) == FlowInsert::kEvicted);
  CHECK(t.Find(FlowOf(9, 2, 203)) == nullptr);
  RequireAll(t, 2, 5, 100, 1);
  RequireAll(t, 9, 2, 200, 3);
}

TEST_CASE("who moves takes a free place, else one that timed out, else evicts") {
  TwoMovesAway t;
  const auto state = [&](uint64_t n, FlowState now, uint32_t at_s) {
    FlowTable::Touch(t.Find(FlowOf(5, 2, n)), now, at_s, kTimeouts);
  };
  SECTION("a free place, even behind a second move") {
    state(300, FlowState::kClosing, kNow);
    CHECK(t.Newcomer(kEstablished) == FlowInsert::kInserted);
    CHECK(t.Find(FlowOf(5, 2, 300)) != nullptr);
  }
  SECTION("one that timed out") {
    state(300, FlowState::kClosing, kNow);
    state(301, FlowState::kClosing, kNow - kTimeouts.closing_s);
    CHECK(t.Newcomer(kEstablished) == FlowInsert::kInserted);
    CHECK(t.Find(FlowOf(5, 2, 300)) != nullptr);
    CHECK(t.Counts().count(static_cast<uint16_t>(301)) == 0);
  }
  SECTION("one that may be evicted") {
    Fill(t, 8, 5, 500, 4);
    state(300, FlowState::kClosing, kNow);
    state(301, FlowState::kHalfOpen, kNow - 20);
    CHECK(t.Newcomer(kEstablished) == FlowInsert::kEvicted);
    CHECK(t.Find(FlowOf(5, 2, 300)) != nullptr);
    CHECK(t.Find(FlowOf(5, 2, 301)) == nullptr);
  }
  RequireAll(t, 2, 9, 50, 1);
  RequireAll(t, 2, 5, 100, 1);
  RequireAll(t, 5, 8, 400, 1);
}

TEST_CASE("searches in vain are limited in each second, those that find room are not") {
  const uint32_t in_vain =
      GENERATE(FlowTable::kVainSearchesPerSecond - 1, FlowTable::kVainSearchesPerSecond + 0);
  CAPTURE(in_vain);
  OneMoveAway t;
  Fill(t, 4, 11, 500, 8);
  for (uint32_t n = 0; n < in_vain; ++n) {
    REQUIRE(t.Insert(FlowOf(4, 11, 1000 + n), kPickedUp) == FlowInsert::kFull);
  }
  if (in_vain < FlowTable::kVainSearchesPerSecond) {
    CHECK(t.Newcomer(kPickedUp) == FlowInsert::kInserted);
  } else {
    CHECK(t.Newcomer(kPickedUp) == FlowInsert::kFull);
    CHECK(t.Newcomer(kPickedUp, kNow + 1) == FlowInsert::kInserted);
  }
  t.RequireThatAllStay();
}

// What the path does with a client's first packets. True if the flow is established now.
bool Handshake(Table& t, uint64_t hash, BackendId backend, uint32_t now_s,
               const FlowTimeouts& timeouts) {
  t.table.Insert(hash, backend, FlowState::kHalfOpen, now_s, timeouts);
  for (int packet = 0; packet < 2; ++packet) {
    if (FlowEntry* entry = t.Find(hash, now_s)) {
      FlowTable::Touch(entry, kEstablished, now_s, timeouts);
    } else {
      t.table.Insert(hash, backend, kPickedUp, now_s, timeouts);
    }
  }
  const FlowEntry* entry = t.Find(hash, now_s);
  return entry != nullptr && FlowTable::State(*entry) == kEstablished;
}

TEST_CASE("at a load of 90% fewer than 0.1% of established flows are lost") {
  Table t(1 << 18);
  std::mt19937_64 random(6);
  std::vector<uint64_t> hashes(t.table.capacity() * 90 / 100);
  for (uint64_t& hash : hashes) {
    hash = random();
    Handshake(t, hash, static_cast<BackendId>(hash), kNow, kTimeouts);
  }
  uint32_t lost = 0;
  for (const uint64_t hash : hashes) {
    const FlowEntry* entry = t.Find(hash);
    if (entry == nullptr) {
      ++lost;
      continue;
    }
    REQUIRE(entry->backend.load() == static_cast<BackendId>(hash));
    REQUIRE(FlowTable::State(*entry) == kEstablished);
  }
  CHECK(lost * 1000 < hashes.size());

  // No flood takes a place from any of them.
  for (const FlowState flood :
       {FlowState::kHalfOpen, FlowState::kClosing, kPickedUp, FlowState::kUdpFirst}) {
    for (int i = 0; i < 300000; ++i) t.Insert(random(), flood, kNow + i / 100000);
  }
  uint32_t lost_in_flood = 0;
  for (const uint64_t hash : hashes) lost_in_flood += t.Find(hash) == nullptr;
  CHECK(lost_in_flood == lost);
}

TEST_CASE("at a load of 90% fewer than 0.1% of flows find no place, also after three lifetimes") {
  constexpr uint32_t kLifeSeconds = 500;
  constexpr FlowTimeouts kLife{.half_open_s = kLifeSeconds, .established_s = kLifeSeconds};
  Table t(1 << 16);
  std::mt19937_64 random(7);
  const uint32_t each_second = static_cast<uint32_t>(t.table.capacity() * 90 / 100 / kLifeSeconds);
  uint32_t offered = 0, lost = 0;
  for (uint32_t second = 0; second < 3 * kLifeSeconds; ++second) {
    for (uint32_t i = 0; i < each_second; ++i, ++offered) {
      lost += !Handshake(t, random(), 1, kNow + second, kLife);
    }
  }
  CHECK(lost * 1000 < offered);
}

TEST_CASE("counts by backend stay exact when flows move into and out of the counted part") {
  constexpr uint16_t kBackends = 5;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    Table t(256);
    std::mt19937_64 random(seed);
    const auto insert = [&](uint32_t now_s) {
      constexpr FlowState kStates[] = {kEstablished, kEstablished, kPickedUp, FlowState::kHalfOpen};
      t.Insert(random(), kStates[random() % 4], now_s,
               static_cast<BackendId>(random() % kBackends));
    };
    for (int i = 0; i < 240; ++i) insert(kNow);
    REQUIRE(t.table.Attach(t.memory.data.get(), t.memory.bytes, &t.kept).ok());
    REQUIRE(t.kept);
    while (!t.table.counts_all()) {
      for (int i = 0; i < 3; ++i) insert(kNow + 10);
      t.table.Sweep(
          1, kNow + 10, [](BackendId) { return false; }, [](BackendId) {});
    }
    for (int i = 0; i < 100; ++i) insert(kNow + 10);
    auto counts = t.Counts();
    for (uint16_t i = 0; i < kBackends; ++i) REQUIRE(t.table.CountOf(i) == counts[i]);
  }
}

TEST_CASE("another thread misses no flow that moves") {
  constexpr FlowTimeouts kStay{.established_s = FlowTimeouts::kMaxSeconds};
  constexpr FlowTimeouts kGo{.established_s = 1};
  Table t(256);
  std::mt19937_64 random(8);
  std::vector<uint64_t> stay;
  while (stay.size() < t.table.capacity() * 85 / 100) {
    const uint64_t hash = random();
    if (t.table.Insert(hash, static_cast<BackendId>(hash), kEstablished, kNow, kStay) ==
        FlowInsert::kInserted) {
      stay.push_back(hash);
    }
  }
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> peeks{0};
  uint64_t missed = 0, wrong = 0;
  std::thread reader([&] {
    while (!stop.load()) {
      for (const uint64_t hash : stay) {
        const auto backend = t.table.Peek(hash, kNow);
        missed += !backend.has_value();
        wrong += backend.has_value() && *backend != static_cast<BackendId>(hash);
      }
      peeks.fetch_add(stay.size());
    }
  });
  // Those that come and go fill the table and make the others move; until the reader has looked
  // often enough, however the threads are scheduled.
  uint64_t moved = 0;
  for (uint32_t second = 1; second < 20000 || peeks.load() < 10'000'000; ++second) {
    std::vector<const FlowEntry*> before;
    if (second % 1024 == 0) {
      for (const uint64_t hash : stay) before.push_back(t.Find(hash));
    }
    for (size_t i = stay.size(); i < t.table.capacity(); ++i) {
      t.table.Insert(random(), 1, kEstablished, kNow + second % 100000, kGo);
    }
    for (size_t i = 0; i < before.size(); ++i) moved += t.Find(stay[i]) != before[i];
  }
  stop.store(true);
  reader.join();
  CHECK(moved > 100);
  CHECK(missed == 0);
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace guideway
