// The flow table: lookup, timeouts, what a full bucket gives up, memory that outlives its process.
#include "lib/flow/flow_table.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/unit/flow/flow_fixture.h"

namespace guideway {
namespace {

// The n-th hash that falls into `bucket` of a table of 2 buckets.
uint64_t Hash(uint64_t n, uint64_t bucket) { return (n + 1) << 8 | bucket; }

TEST_CASE("a flow is found with its backend, state and time, and no other is") {
  Table t(1000);
  CHECK(t.table.capacity() == 1024);
  CHECK(t.Find(42) == nullptr);
  CHECK(t.Insert(42, FlowState::kHalfOpen, kNow, 0x00030009) == FlowInsert::kInserted);
  FlowEntry* entry = t.Find(42);
  REQUIRE(entry != nullptr);
  CHECK(entry->backend.load() == 0x00030009);
  CHECK(FlowTable::State(*entry) == FlowState::kHalfOpen);
  CHECK(FlowTable::TimesOutAt(*entry) == kNow + kTimeouts.half_open_s);
  CHECK(t.Find(42 + 1024) == nullptr);
  FlowTable::Touch(entry, FlowState::kEstablished, kNow + 5, kTimeouts);
  CHECK(FlowTable::State(*entry) == FlowState::kEstablished);
  CHECK(FlowTable::TimesOutAt(*entry) == kNow + 5 + kTimeouts.established_s);
  CHECK(t.Insert(42, FlowState::kHalfOpen, kNow + 6, 3) == FlowInsert::kKnown);
  CHECK(t.Find(42) == entry);
  CHECK(entry->backend.load() == 3);
}

TEST_CASE("Peek sees what Find finds and changes nothing") {
  Table t(8);
  for (uint64_t n = 0; n < 6; ++n) {  // the last two stand in the second bucket
    t.Insert(Hash(n, 0), FlowState::kEstablished, kNow, static_cast<BackendId>(n + 1));
  }
  for (uint64_t n = 0; n < 6; ++n) {
    CHECK(t.table.Peek(Hash(n, 0), kNow) == static_cast<BackendId>(n + 1));
  }
  CHECK(t.table.Peek(Hash(6, 0), kNow) == std::nullopt);
  CHECK(t.table.Peek(Hash(0, 1), kNow) == std::nullopt);
  const uint32_t late = kNow + kTimeouts.established_s;
  CHECK(t.table.Peek(Hash(0, 0), late - 1).has_value());
  CHECK(t.table.Peek(Hash(0, 0), late) == std::nullopt);
  CHECK(FlowTable::TimesOutAt(*t.Find(Hash(0, 0))) == late);
}

TEST_CASE("each state times out after its own idle time") {
  const std::pair<FlowState, uint32_t> cases[] = {
      {FlowState::kHalfOpen, kTimeouts.half_open_s},
      {FlowState::kEstablished, kTimeouts.established_s},
      {FlowState::kClosing, kTimeouts.closing_s},
      {FlowState::kUdp, kTimeouts.udp_s},
      {FlowState::kPickedUp, kTimeouts.established_s},
      {FlowState::kUdpFirst, kTimeouts.udp_s},
      {FlowState::kHalfClosed, kTimeouts.half_closed_s},
      {FlowState::kHalfClosedEnding, kTimeouts.closing_s},
      {FlowState::kRevived, kTimeouts.established_s}};
  for (const auto& [state, timeout_s] : cases) {
    Table t(8);
    t.Insert(5, state);
    CHECK(t.Find(5, kNow + timeout_s - 1) != nullptr);
    CHECK(t.Find(5, kNow + timeout_s) == nullptr);
    CHECK(t.Find(5, kNow - 10) != nullptr);  // a clock that steps back kills no flow
    CHECK(t.Insert(5, state, kNow + timeout_s) == FlowInsert::kInserted);
  }
}

TEST_CASE("times wrap around after 2^28 seconds") {
  Table t(8);
  t.Insert(5, FlowState::kUdp, 0x0fffffff);
  CHECK(t.Find(5, 0x10000000 + 20) != nullptr);
  CHECK(t.Find(5, 0x10000000 + 200) == nullptr);
  CHECK(t.Find(5, 0x18000000) == nullptr);  // long dead
}

TEST_CASE("each flow has the timeouts it was last touched with, in one bucket too") {
  Table t(8);
  constexpr FlowTimeouts kLong{.established_s = FlowTimeouts::kMaxSeconds, .udp_s = 600};
  t.Insert(Hash(0, 0), FlowState::kUdp);
  t.table.Insert(Hash(1, 0), 7, FlowState::kUdp, kNow, kLong);
  t.table.Insert(Hash(2, 0), 7, FlowState::kEstablished, kNow, kLong);
  CHECK(t.Find(Hash(0, 0), kNow + 120) == nullptr);
  CHECK(t.Find(Hash(1, 0), kNow + 599) != nullptr);
  CHECK(t.Find(Hash(1, 0), kNow + 600) == nullptr);
  CHECK(t.Find(Hash(2, 0), kNow + FlowTimeouts::kMaxSeconds - 1) != nullptr);
  CHECK(t.Find(Hash(2, 0), kNow - 1000) != nullptr);
  FlowTable::Touch(t.Find(Hash(2, 0)), FlowState::kClosing, kNow, kLong);
  CHECK(t.Find(Hash(2, 0), kNow + kLong.closing_s) == nullptr);
}

TEST_CASE("another packet confirms a flow; a SYN unmakes no established one, but a moved one") {
  Table t(8);
  const auto state_after = [&](FlowState before, FlowState entered, BackendId backend) {
    t.table.Clear(0);
    CHECK(t.Insert(5, before) == FlowInsert::kInserted);
    CHECK(t.Insert(5, entered, kNow, backend) == FlowInsert::kKnown);
    CHECK(t.Find(5)->backend.load() == backend);
    return FlowTable::State(*t.Find(5));
  };
  using enum FlowState;
  for (const BackendId backend : {7u, 8u}) {
    CHECK(state_after(kUdpFirst, kUdpFirst, backend) == kUdp);
    CHECK(state_after(kUdp, kUdpFirst, backend) == kUdp);
    CHECK(state_after(kPickedUp, kPickedUp, backend) == kEstablished);
    CHECK(state_after(kHalfOpen, kPickedUp, backend) == kEstablished);
    CHECK(state_after(kClosing, kPickedUp, backend) == kRevived);
    CHECK(state_after(kHalfClosed, kPickedUp, backend) == kHalfClosed);
    CHECK(state_after(kEstablished, kClosing, backend) == kClosing);
    CHECK(state_after(kClosing, kHalfOpen, backend) == kHalfOpen);
    CHECK(state_after(kPickedUp, kHalfOpen, backend) == kHalfOpen);
  }
  // Of another protocol, with the same hash.
  CHECK(state_after(kUdp, kPickedUp, 7) == kPickedUp);
  CHECK(state_after(kUdpFirst, kHalfOpen, 7) == kHalfOpen);
  CHECK(state_after(kHalfClosed, kUdpFirst, 7) == kUdpFirst);
  CHECK(state_after(kEstablished, kHalfOpen, 7) == kEstablished);
  CHECK(state_after(kEstablished, kHalfOpen, 8) == kHalfOpen);
}

TEST_CASE("a full bucket spills into the second one") {
  Table t(8);
  for (uint64_t n = 0; n < 8; ++n) {
    CHECK(t.Insert(Hash(n, 0), FlowState::kEstablished) == FlowInsert::kInserted);
  }
  for (uint64_t n = 0; n < 8; ++n) CHECK(t.Find(Hash(n, 0)) != nullptr);
  CHECK(t.Insert(Hash(9, 0), FlowState::kEstablished) == FlowInsert::kFull);
  CHECK(t.Insert(Hash(9, 1), FlowState::kUdp) == FlowInsert::kFull);
  CHECK(t.Find(Hash(9, 0)) == nullptr);
}

TEST_CASE("timed-out flows give way first, then the next to time out that may be evicted") {
  Table t(8);
  for (uint64_t n = 0; n < 4; ++n) t.Insert(Hash(n, 0), FlowState::kEstablished);
  t.Insert(Hash(4, 0), FlowState::kHalfOpen, kNow - 10);
  t.Insert(Hash(5, 0), FlowState::kClosing, kNow - 20);
  t.Insert(Hash(6, 0), FlowState::kUdp, kNow - 100);
  t.Insert(Hash(7, 0), FlowState::kHalfOpen, kNow - 40);  // timed out
  CHECK(t.Insert(Hash(8, 0), FlowState::kHalfOpen) == FlowInsert::kInserted);
  CHECK(t.Insert(Hash(9, 0), FlowState::kHalfOpen) == FlowInsert::kEvicted);
  CHECK(t.Find(Hash(5, 0)) == nullptr);
  CHECK(t.Insert(Hash(10, 0), FlowState::kHalfOpen) == FlowInsert::kEvicted);
  CHECK(t.Find(Hash(4, 0)) == nullptr);
  for (uint64_t n : {0, 1, 2, 3, 6}) CHECK(t.Find(Hash(n, 0)) != nullptr);
}

// A million new flows of every kind that one packet makes, against a table half full of flows that
// are established: all of these stay, and a new one is still entered in the flood and stays.
TEST_CASE("a flood evicts no live established or UDP flow, and keeps no new one out") {
  const FlowState flood = GENERATE(FlowState::kHalfOpen, FlowState::kPickedUp, FlowState::kUdpFirst,
                                   FlowState::kClosing);
  CAPTURE(static_cast<int>(flood));
  Table t(4096);
  std::mt19937_64 random(3);
  std::vector<uint64_t> stay;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t hash = random();
    if (t.Insert(hash, i % 2 != 0 ? FlowState::kEstablished : FlowState::kUdp) !=
        FlowInsert::kFull) {
      stay.push_back(hash);
    }
  }
  CHECK(stay.size() > 1980);
  uint32_t kept_out = 0;
  for (int i = 0; i < 1000000; ++i) {
    t.Insert(random(), flood, kNow + 60);
    if (i % 10000 != 9999) continue;
    // A client's handshake; the table is full by now.
    const uint64_t hash = random();
    t.Insert(hash, FlowState::kHalfOpen, kNow + 60);
    if (FlowEntry* entry = t.Find(hash, kNow + 60)) {
      FlowTable::Touch(entry, FlowState::kEstablished, kNow + 60, kTimeouts);
      stay.push_back(hash);
    } else {
      ++kept_out;
    }
  }
  CHECK(kept_out < 10);  // where both buckets hold established ones only, and their other ones do
  for (uint64_t hash : stay) REQUIRE(t.Find(hash, kNow + 60) != nullptr);
}

// The table may forget a flow, but must never invent one or give another flow's backend.
TEST_CASE("random operations agree with a map") {
  Table t(256);
  std::map<uint64_t, BackendId> model;
  std::mt19937_64 random(4);
  uint32_t now_s = kNow;
  uint32_t found = 0;
  for (int i = 0; i < 300000; ++i) {
    now_s += random() % 16 == 0;
    const uint64_t hash = random() % 600 * 0x9e3779b97f4a7c15 + 1;
    if (random() % 2 != 0) {
      const auto backend = static_cast<BackendId>(random());
      const auto state = static_cast<FlowState>(1 + random() % 9);
      if (t.Insert(hash, state, now_s, backend) != FlowInsert::kFull) {
        model[hash] = backend;
        REQUIRE(t.Find(hash, now_s) != nullptr);
      } else {
        REQUIRE(t.Find(hash, now_s) == nullptr);
      }
    } else if (FlowEntry* entry = t.Find(hash, now_s)) {
      ++found;
      REQUIRE(model.count(hash) == 1);
      REQUIRE(entry->backend.load() == model[hash]);
    }
  }
  CHECK(found > 1000);
  std::map<uint64_t, int> seen;
  t.table.ForEach([&](uint64_t hash, BackendId, FlowState, uint32_t) { ++seen[hash]; });
  for (const auto& [hash, count] : seen) REQUIRE(count == 1);  // no flow stands twice
}

TEST_CASE("memory that holds the same table keeps its flows; any difference clears them") {
  Memory memory(FlowTable::BytesFor(100));
  bool kept = false;
  {
    FlowTable first;
    REQUIRE(first.Attach(memory.data.get(), memory.bytes, &kept).ok());
    CHECK_FALSE(kept);
    first.Clear(11);
    first.Insert(77, 5, FlowState::kEstablished, kNow, kTimeouts);
  }
  FlowTable again;
  REQUIRE(again.Attach(memory.data.get(), memory.bytes, &kept).ok());
  CHECK(kept);
  CHECK(again.key_digest() == 11);
  CHECK(again.Find(77, kNow) != nullptr);

  SECTION("another key") {
    again.Clear(12);
    REQUIRE(again.Attach(memory.data.get(), memory.bytes, &kept).ok());
    CHECK(again.key_digest() == 12);
    kept = false;
  }
  SECTION("another size") {
    REQUIRE(again.Attach(memory.data.get(), memory.bytes / 2, &kept).ok());
  }
  SECTION("a damaged header") {
    static_cast<uint8_t*>(memory.data.get())[8] ^= 1;  // layout version
    REQUIRE(again.Attach(memory.data.get(), memory.bytes, &kept).ok());
  }
  CHECK_FALSE(kept);
  CHECK(again.Find(77, kNow) == nullptr);
}

TEST_CASE("unusable memory is refused") {
  Memory memory(1024);
  FlowTable table;
  bool kept = true;
  auto* bytes = static_cast<uint8_t*>(memory.data.get());
  CHECK_FALSE(table.Attach(bytes + 8, 512, &kept).ok());
  CHECK_FALSE(table.Attach(bytes, FlowTable::BytesFor(1) - 1, &kept).ok());
  CHECK_FALSE(table.Attach(nullptr, 512, &kept).ok());
  CHECK_FALSE(kept);
}

TEST_CASE("another thread never sees half an entry") {
  Table t(8);
  std::atomic<bool> stop{false};
  std::atomic<uint32_t> rounds{0};
  uint64_t torn = 0, visited = 0, peeks = 0;
  std::thread reader([&] {
    while (!stop.load()) {
      t.table.ForEach([&](uint64_t hash, BackendId backend, FlowState, uint32_t) {
        ++visited;
        if (static_cast<uint32_t>(hash >> 8) != backend) ++torn;
        const auto peeked = t.table.Peek(hash, kNow);
        if (!peeked.has_value()) return;  // overwritten since
        ++peeks;
        if (static_cast<uint32_t>(hash >> 8) != *peeked) ++torn;
      });
      rounds.fetch_add(1);
    }
  });
  // Enough for the reader to have looked many times, however the threads are scheduled.
  for (uint64_t n = 0; n < 500000 || rounds.load() < 100; ++n) {
    t.Insert(Hash(n, n & 1), FlowState::kHalfOpen, kNow, static_cast<BackendId>(n + 1));
  }
  stop.store(true);
  reader.join();
  CHECK(visited > 0);
  CHECK(peeks > 0);
  CHECK(torn == 0);
}

TEST_CASE("who only looks sees backend, state and time left, and changes nothing") {
  Table t(1000);
  CHECK_FALSE(t.table.Inspect(42, kNow).has_value());
  t.Insert(42, FlowState::kHalfOpen, kNow, 0x00030009);
  const auto seen = t.table.Inspect(42, kNow + 10);
  REQUIRE(seen.has_value());
  CHECK(seen->backend == 0x00030009);
  CHECK(seen->state == FlowState::kHalfOpen);
  CHECK(seen->times_out_in_s == kTimeouts.half_open_s - 10);
  CHECK(t.table.Peek(42, kNow + 10) == BackendId{0x00030009});
  CHECK(FlowTable::TimesOutAt(*t.Find(42)) == kNow + kTimeouts.half_open_s);
  CHECK_FALSE(t.table.Inspect(42, kNow + kTimeouts.half_open_s).has_value());
}

}  // namespace
}  // namespace guideway
