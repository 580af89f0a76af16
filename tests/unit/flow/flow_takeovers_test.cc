// Flows that pass from one worker's table to another's: none is lost, none counts twice for long,
// in any order of packets and readings; and what tables hand on at a start.
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "tests/unit/flow/flow_fixture.h"

namespace guideway {
namespace {

using enum FlowState;

void CountAll(Table* t) {
  const auto nobody = [](BackendId) { return false; };
  while (!t->table.counts_all()) t->table.Sweep(64, kNow, nobody, [](BackendId) {});
}

struct Workers {
  Workers() : a(64), b(64) {
    CountAll(&a);
    CountAll(&b);
  }
  bool AFollows() { return a.table.FollowTakeovers(b.table, kNow, &a_read); }
  bool BFollows() { return b.table.FollowTakeovers(a.table, kNow, &b_read); }
  Table a, b;
  uint64_t a_read = 0, b_read = 0;
};

TEST_CASE("a flow that was taken over counts where it is, and stays as the last resort") {
  Workers w;
  w.a.Insert(5, kEstablished);
  CHECK(w.b.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts) == FlowInsert::kInserted);
  CHECK(w.a.table.CountOf(7) == 1);
  CHECK_FALSE(w.AFollows());
  CHECK(w.a.table.CountOf(7) == 0);
  CHECK(w.a.Counts().empty());
  CHECK(w.b.table.CountOf(7) == 1);
  const auto left = w.a.table.Inspect(5, kNow);
  REQUIRE(left.has_value());
  CHECK(left->state == kTakenOver);
  CHECK(left->backend == 7);
  CHECK(left->times_out_in_s == kTimeouts.established_s);
  // Back again: counted once.
  CHECK(w.a.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts) == FlowInsert::kInserted);
  CHECK(w.a.table.CountOf(7) == 1);
  w.BFollows();
  CHECK(w.b.table.CountOf(7) == 0);
  w.AFollows();
  CHECK(w.a.table.CountOf(7) == 1);
}

TEST_CASE("both give the flow up: both still know it, and the next packet takes it back") {
  Workers w;
  w.a.Insert(5, kEstablished);
  w.b.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts);
  w.AFollows();
  w.a.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts);
  w.b.table.Clear(0);  // lost it before it read that
  w.b.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts);
  w.AFollows();
  w.BFollows();
  for (Table* t : {&w.a, &w.b}) {
    const auto seen = t->table.Inspect(5, kNow);
    REQUIRE(seen.has_value());
    CHECK(seen->state == kTakenOver);
  }
  CHECK(w.a.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts) == FlowInsert::kInserted);
  CHECK(w.a.table.CountOf(7) == 1);
}

TEST_CASE("a SYN begins a flow that was given up anew; sweeping forgets it when it times out") {
  Workers w;
  w.a.Insert(5, kHalfOpen);
  w.b.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts);
  w.AFollows();
  CHECK(w.a.Insert(5, kHalfOpen, kNow, 8) == FlowInsert::kInserted);
  CHECK(w.a.table.CountOf(8) == 1);
  CHECK(w.a.table.CountOf(7) == 0);
  w.b.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts);
  uint32_t unanswered = 0;
  w.a.Insert(6, kHalfOpen);
  w.b.table.TakeOver(6, 7, kEstablished, kNow, kTimeouts);
  w.AFollows();
  const auto nobody = [](BackendId) { return false; };
  w.a.table.Sweep(w.a.table.bucket_count(), kNow + kTimeouts.half_open_s, nobody,
                  [&](BackendId) { ++unanswered; });
  CHECK(unanswered == 1);  // flow 5; flow 6 is another's
  CHECK(w.a.table.CountOf(7) == 0);
}

TEST_CASE("who reads late misses the oldest, and nothing else") {
  Workers w;
  const uint64_t flows = TakeoverLog::kCapacity + 40;
  Table large(flows * 4), taker(flows * 4);
  CountAll(&large);
  for (uint64_t i = 1; i <= flows; ++i) {
    REQUIRE(large.Insert(i * 0x9e3779b97f4a7c15, kEstablished) == FlowInsert::kInserted);
    REQUIRE(taker.table.TakeOver(i * 0x9e3779b97f4a7c15, 7, kEstablished, kNow, kTimeouts) ==
            FlowInsert::kInserted);
  }
  uint64_t place = 0;
  int rounds = 1;
  while (large.table.FollowTakeovers(taker.table, kNow, &place)) ++rounds;
  CHECK(place == flows);
  CHECK(rounds == TakeoverLog::kCapacity / FlowTable::kMostGivenUp);
  CHECK(large.table.CountOf(7) == 40);
}

TEST_CASE("flows that go to and fro at random are always known, and count once in the end") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    Workers w;
    Table* tables[] = {&w.a, &w.b};
    w.a.Insert(5, kEstablished);
    for (int step = 0; step < 100; ++step) {
      Table& at = *tables[random() % 2];
      Table& other = &at == &w.a ? w.b : w.a;
      const FlowEntry* own = at.Find(5);
      if (own == nullptr || FlowTable::State(*own) == kTakenOver) {
        REQUIRE((own != nullptr || other.table.Inspect(5, kNow).has_value()));
        at.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts);
      }
      if (random() % 3 == 0) w.AFollows();
      if (random() % 3 == 0) w.BFollows();
    }
    w.AFollows();
    w.BFollows();
    const uint32_t count = w.a.table.CountOf(7) + w.b.table.CountOf(7);
    REQUIRE(count <= 1);
    REQUIRE((w.a.Find(5) != nullptr || w.b.Find(5) != nullptr));
  }
}

TEST_CASE("a moved entry that was given up does not count in its new place") {
  Table t(16);
  CountAll(&t);
  Table other(64);
  uint64_t place = 0;
  // Bucket 0 and its second ones full of flows that must stay, so that a newcomer moves others.
  std::mt19937_64 random(9);
  for (int i = 0; i < 3000; ++i) {
    const uint64_t hash = random() | 1;
    t.Insert(hash, i % 3 == 0 ? kPickedUp : kEstablished, kNow, static_cast<BackendId>(i % 5));
    if (i % 2 == 0) other.table.TakeOver(hash, 7, kEstablished, kNow, kTimeouts);
    t.table.FollowTakeovers(other.table, kNow, &place);
    const auto counts = t.Counts();
    for (uint16_t backend = 0; backend < 5; ++backend) {
      const auto found = counts.find(backend);
      REQUIRE(t.table.CountOf(backend) == (found == counts.end() ? 0 : found->second));
    }
  }
}

TEST_CASE("of two entries of a flow the newer one stays; what was given up is older") {
  Table t(64);
  const auto inherit = [&](uint64_t hash, BackendId backend, FlowState state, uint32_t left_s) {
    return t.table.InheritFlow(hash, backend, state, left_s, kNow);
  };
  CHECK(inherit(5, 7, kEstablished, 100) == FlowInsert::kInserted);
  CHECK(t.table.Inspect(5, kNow)->times_out_in_s == 100);
  CHECK(inherit(5, 8, kEstablished, 99) == FlowInsert::kKnown);
  CHECK(t.table.Inspect(5, kNow)->backend == 7);
  CHECK(inherit(5, 8, kEstablished, 101) == FlowInsert::kKnown);
  CHECK(t.table.Inspect(5, kNow)->backend == 8);
  CHECK(inherit(5, 9, kTakenOver, 500) == FlowInsert::kKnown);
  CHECK(t.table.Inspect(5, kNow)->backend == 8);
  CHECK(inherit(6, 9, kTakenOver, 500) == FlowInsert::kInserted);
  CHECK(inherit(6, 7, kHalfClosed, 10) == FlowInsert::kKnown);
  CHECK(t.table.Inspect(6, kNow)->state == kHalfClosed);
  CHECK(t.table.Inspect(6, kNow)->times_out_in_s == 10);
}

TEST_CASE("with one worker what was given up is its own again") {
  Table t(64), other(64);
  t.Insert(5, kEstablished);
  other.table.TakeOver(5, 7, kEstablished, kNow, kTimeouts);
  uint64_t place = 0;
  t.table.FollowTakeovers(other.table, kNow, &place);
  t.table.OwnAll();
  CHECK(t.table.Inspect(5, kNow)->state == kPickedUp);
  CHECK(t.table.Inspect(5, kNow)->times_out_in_s == kTimeouts.established_s);
}

}  // namespace
}  // namespace guideway
