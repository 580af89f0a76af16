// Transactions: all or nothing, broken, aborted, stale; references; shared pool tables; memory.
#include "dataplane/tables/table_draft.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "dataplane/tables/snapshot_builder.h"
#include "tests/unit/tables/requests.h"

namespace guideway {
namespace {

using namespace channel;  // NOLINT(google-build-using-namespace)

constexpr uint32_t kSlots = 101;

struct Fixture {
  Fixture() { arena.Fill(0, 1, 1); }
  Response Apply(const Request& request) { return draft.Apply(request, arena.view()); }
  // Applies all, expects every response to be kOk.
  void Good(const std::vector<Request>& requests) {
    for (const Request& request : requests) {
      const Response response = Apply(request);
      INFO("type " << static_cast<uint32_t>(request.type) << ": " << response.field);
      REQUIRE(response.code == ResponseCode::kOk);
    }
  }
  void Bad(const Request& request, ResponseCode code, const std::string& field, uint64_t value) {
    const Response response = Apply(request);
    CHECK(response.code == code);
    CHECK(response.field == field);
    CHECK(response.value == value);
  }
  // Generation 1: one VIP, one pool, one backend.
  void First() {
    Good({Begin(true), SetGlobals(), SetVip(0, 0), SetPool(0, kSlots, 0), SetBackend(1, 2),
          SetNextHop(2), Commit(1)});
  }
  uint64_t Digest() const { return snapshot ? DigestOf(*snapshot->get()) : 0; }

  HeapTableMemory memory{1 << 20};
  HeapArena arena{kSlots};
  std::unique_ptr<OwnedSnapshot> snapshot;
  absl::Status publish_status;
  std::optional<uint32_t> late_worker;
  TableDraft draft{&memory, 1, [this](const TableState& tables) {
                     if (!publish_status.ok()) return publish_status;
                     auto built = OwnedSnapshot::Build(tables, &memory);
                     if (!built.ok()) return built.status();
                     snapshot = *std::move(built);
                     if (late_worker) draft.AwaitWorker(*late_worker);
                     return absl::OkStatus();
                   }};
};

TEST_CASE("a pool's scheduler and who has which share reach the snapshot") {
  Fixture f;
  f.Good({Begin(true), SetGlobals(), SetBackend(1, kNoNextHop), SetBackend(5, kNoNextHop)});
  for (uint32_t i = 0; i < kSlots; ++i) f.arena.at(0, i) = {1, 1};
  f.arena.at(0, 0) = {5, 1};
  for (uint8_t scheduler = 0; scheduler <= 4; ++scheduler) {
    Request pool = SetPool(scheduler, kSlots, 0);
    pool.body.pool.scheduler = static_cast<Scheduler>(scheduler);
    if (scheduler == 1) pool.body.pool.source_bits_ipv4 = 24, pool.body.pool.source_bits_ipv6 = 56;
    f.Good({pool});
  }
  f.Good({Commit(1)});
  const Snapshot& s = *f.snapshot->get();
  for (uint8_t scheduler = 0; scheduler <= 4; ++scheduler) {
    const Pool& pool = s.pools[scheduler];
    CHECK(pool.scheduler == static_cast<Scheduler>(scheduler));
    CHECK(pool.source_bits_ipv4 == (scheduler == 1 ? 24 : 0));
    CHECK(pool.source_bits_ipv6 == (scheduler == 1 ? 56 : 0));
    CHECK(pool.candidates.size() == (scheduler >= 2 ? 2 : 0));
    CHECK(pool.turns.size() == (scheduler == 2 ? kSlots : 0));
  }
  CHECK(s.pools[2].candidates[0].backend == 1);
  CHECK(s.pools[2].candidates[0].slots == kSlots - 1);
  CHECK(std::count(s.pools[2].turns.begin(), s.pools[2].turns.end(), 5) == 1);
  CHECK(s.shares[1] == kSlots - 1);
  CHECK(s.shares[5] == 1);
  CHECK(s.shares[0] == 0);
}

TEST_CASE("a pool's circuit breaker reaches the snapshot, and with it who has which share") {
  Fixture f;
  f.Good({Begin(true), SetGlobals(), SetBackend(1, kNoNextHop)});
  for (uint32_t i = 0; i < kSlots; ++i) f.arena.at(0, i) = {1, 1};
  Request pool = SetPool(2, kSlots, 0);
  f.Good({SetPool(0, kSlots, 0)});
  pool.body.pool.breaker = {7, 9, WhenFull::kDrop, {}};
  f.Good({pool, Commit(1)});
  const Snapshot& s = *f.snapshot->get();
  CHECK_FALSE(s.pools[0].keeps_state);
  CHECK(s.pools[0].candidates.empty());
  CHECK(s.pools[2].keeps_state);
  CHECK(s.pools[2].breaker.max_new_flows_per_second == 7);
  CHECK(s.pools[2].breaker.max_flows == 9);
  CHECK(s.pools[2].breaker.when_full == WhenFull::kDrop);
  REQUIRE(s.pools[2].candidates.size() == 1);
  CHECK(s.shares[1] == kSlots);
}

TEST_CASE("a VIP's timeouts that are 0 are those for all") {
  Fixture f;
  Request vip = SetVip(1, 3);
  vip.body.vip.established_s = 77;
  vip.body.vip.half_closed_s = 78;
  f.Good({Begin(true), SetGlobals(), vip, SetPool(3, kSlots, 0), SetBackend(1, 2), SetNextHop(2)});
  CHECK(f.Apply(Commit(5)).code == ResponseCode::kOk);
  const Snapshot& s = *f.snapshot->get();
  CHECK(s.TimeoutsOf(1).established_s == 77);
  CHECK(s.TimeoutsOf(1).closing_s == 31);
  CHECK(s.TimeoutsOf(1).half_closed_s == 78);
  for (const uint32_t other : {0u, 2u, ~0u}) {
    CHECK(s.TimeoutsOf(other).established_s == s.timeouts.established_s);
    CHECK(s.TimeoutsOf(other).closing_s == 31);
    CHECK(s.TimeoutsOf(other).half_closed_s == 121);
  }
}

TEST_CASE("tables that a worker has not taken: the commit says so, and nothing new begins") {
  Fixture f;
  f.First();
  Request ask;
  ask.type = MessageType::kAwaitCommit;
  f.Good({ask});
  f.late_worker = 7;
  f.Good({Begin(false, 1), SetVip(1, 0)});
  f.Bad(Commit(2), ResponseCode::kNotTaken, "worker", 7);
  CHECK(f.draft.committed().generation == 2);
  CHECK_FALSE(f.draft.in_transaction());
  f.Bad(ask, ResponseCode::kNotTaken, "worker", 7);
  f.Bad(Begin(false, 2), ResponseCode::kNotTaken, "worker", 7);
  f.Bad(SetVip(2, 0), ResponseCode::kTransactionBroken, "type",
        static_cast<uint64_t>(MessageType::kSetVip));
  Request abort;
  abort.type = MessageType::kAbort;
  f.Good({abort});
  f.late_worker.reset();
  f.draft.Settle();
  const Response taken = f.Apply(ask);
  CHECK(taken.code == ResponseCode::kOk);
  CHECK(taken.generation == 2);
  CHECK(taken.value > 0);
  f.Good({Begin(false, 2), SetVip(2, 0)});
  f.Bad(ask, ResponseCode::kInsideTransaction, "type", static_cast<uint64_t>(ask.type));
}

TEST_CASE("a full transaction puts everything in force, at commit and not before") {
  Fixture f;
  f.Good({Begin(true), SetGlobals(), SetVip(7, 3), SetPool(3, kSlots, 0), SetBackend(1, 2),
          SetNextHop(2)});
  CHECK(f.snapshot == nullptr);
  CHECK(f.draft.committed().generation == 0);
  const Response response = f.Apply(Commit(5));
  CHECK(response.code == ResponseCode::kOk);
  CHECK(response.generation == 5);
  CHECK_FALSE(f.draft.in_transaction());
  const Snapshot& s = *f.snapshot->get();
  CHECK(s.generation == 5);
  CHECK(s.flow_hash_key.words[5] == 6);
  CHECK(s.timeouts.closing_s == 31);
  const VipCell* cell =
      s.vips.Find(IpAddress::Parse("198.51.100.7").value(), Be16(80), IpProtocol::kTcp);
  REQUIRE(cell != nullptr);
  CHECK(cell->vip == 7);
  CHECK(cell->pool == 3);
  REQUIRE(s.pools.size() == 4);
  CHECK(s.pools[0].slot_count == 0);
  CHECK(s.pools[3].slot_count == kSlots);
  CHECK(s.pools[3].slots[kSlots - 1].current == 1);
  REQUIRE(s.backends.size() == 2);
  CHECK_FALSE(s.backends[0].exists);
  CHECK(s.backends[1].exists);
  CHECK(s.backends[1].id == (1u << 16 | 1));
  CHECK(s.backends[1].keeps_known_flows);
  CHECK(s.backends[1].next_hop.mtu_bytes == 1500);
  CHECK(s.backends[1].next_hop.destination_mac.ToString() == "02:00:00:00:01:02");
}

TEST_CASE("what is prepared for the next transaction is forgotten with what it was made from") {
  Fixture f;
  f.First();
  f.draft.Prepare();
  f.Good({Begin(false, 1), SetVip(1, 0), Commit(2)});
  CHECK(f.snapshot->get()->vips.HasAddress(IpAddress::Parse("198.51.100.1").value()));
  f.draft.Prepare();
  f.Bad(Begin(false, 1), ResponseCode::kStaleBase, "begin.base_generation", 1);
  f.draft.Prepare();  // not now: broken
  f.Good({Begin(false, 2), Delete(MessageType::kDeleteVip, 1), Commit(3)});
  CHECK(f.snapshot->get()->vips.HasAddress(IpAddress::Parse("198.51.100.0").value()));
  CHECK_FALSE(f.snapshot->get()->vips.HasAddress(IpAddress::Parse("198.51.100.1").value()));
  f.draft.Prepare();
  f.Good({Begin(true), SetGlobals(), Commit(4)});
  CHECK(f.snapshot->get()->pools.empty());
}

TEST_CASE("a delta changes what it names and keeps the rest") {
  Fixture f;
  f.First();
  const MaglevSlot* pool = f.snapshot->get()->pools[0].slots;
  f.arena.Fill(0, 9, 9);  // the arena is no longer looked at
  f.Good({Begin(false, 1), SetBackend(1, kNoNextHop), SetVip(1, 0), Commit(2)});
  const Snapshot& s = *f.snapshot->get();
  CHECK(s.pools[0].slots == pool);  // shared, not copied
  CHECK(s.pools[0].slots[0].current == 1);
  CHECK(s.backends[1].next_hop.mtu_bytes == 0);
  f.Good({Begin(false, 2), Delete(MessageType::kDeleteVip, 0), Commit(3)});
  CHECK_FALSE(f.snapshot->get()->vips.HasAddress(IpAddress::Parse("198.51.100.0").value()));
  CHECK(f.snapshot->get()->vips.HasAddress(IpAddress::Parse("198.51.100.1").value()));
  f.Good({Begin(true), SetGlobals(), Commit(4)});  // full: the rest is gone
  CHECK(f.snapshot->get()->pools.empty());
  CHECK(f.snapshot->get()->backends.empty());
}

TEST_CASE("what becomes of fragments gets into the snapshot, and hash3 finds VIPs without ports") {
  Fixture f;
  const IpAddress vip = IpAddress::Parse("198.51.100.0").value();
  uint64_t generation = 0;
  for (const FragmentPolicy policy :
       {FragmentPolicy::kTrack, FragmentPolicy::kHash3, FragmentPolicy::kDrop}) {
    Request globals = SetGlobals();
    globals.body.globals.fragments = policy;
    f.Good({Begin(true), globals, SetVip(0, 0), SetVip(1, 0), SetVip(2, 0), SetPool(0, kSlots, 0),
            SetBackend(1, kNoNextHop), Commit(++generation)});
    const Snapshot& s = *f.snapshot->get();
    CHECK(s.fragments == policy);
    CHECK((s.vips.FindForFragments(vip, IpProtocol::kTcp) != nullptr) ==
          (policy == FragmentPolicy::kHash3));
    CHECK(s.vips.Find(vip, Be16(80), IpProtocol::kTcp) != nullptr);
  }
}

TEST_CASE("generations: the base must be the current one, the new one above it") {
  Fixture f;
  f.First();
  f.Bad(Begin(false, 0), ResponseCode::kStaleBase, "begin.base_generation", 0);
  f.Bad(SetVip(3, 0), ResponseCode::kTransactionBroken, "type", 3);
  f.Bad(Begin(false, 2), ResponseCode::kStaleBase, "begin.base_generation", 2);
  f.Good({Begin(false, 1)});
  f.Bad(Commit(1), ResponseCode::kStaleGeneration, "commit.generation", 1);
  f.Good({Begin(true), SetGlobals()});
  f.Bad(Commit(0), ResponseCode::kStaleGeneration, "commit.generation", 0);
  f.Good({Begin(false, 1)});
  const uint64_t far = 1 + kMaxGenerationStep;
  f.Bad(Commit(far + 1), ResponseCode::kOutOfRange, "commit.generation", far + 1);
  f.Good({Begin(false, 1)});
  f.Bad(Commit(~uint64_t{0}), ResponseCode::kOutOfRange, "commit.generation", ~uint64_t{0});
  f.Good({Begin(false, 1), Commit(far)});
}

TEST_CASE("what is allowed outside and inside a transaction") {
  Fixture f;
  Request counters;
  counters.type = MessageType::kReadCounters;
  Request unknown;
  unknown.type = static_cast<MessageType>(99);
  f.Good({counters, Abort()});
  f.Bad(SetVip(0, 0), ResponseCode::kOutsideTransaction, "type", 3);
  f.Bad(Commit(1), ResponseCode::kOutsideTransaction, "type", 11);
  f.Bad(unknown, ResponseCode::kUnknownType, "type", 99);
  f.Bad(Request{}, ResponseCode::kUnknownType, "type", 0);
  f.Good({counters, Begin(true)});
  f.Bad(Begin(true), ResponseCode::kInsideTransaction, "type", 1);
  f.Bad(SetGlobals(), ResponseCode::kTransactionBroken, "type", 2);
  f.Good({Begin(true)});
  f.Bad(counters, ResponseCode::kInsideTransaction, "type", 13);
  f.Bad(counters, ResponseCode::kTransactionBroken, "type", 13);
  f.Good({Abort(), counters, Begin(true)});
  f.Bad(unknown, ResponseCode::kUnknownType, "type", 99);
  f.Bad(Commit(1), ResponseCode::kTransactionBroken, "type", 11);
}

TEST_CASE("whatever breaks or ends a transaction, the last good tables stay") {
  Fixture f;
  f.First();
  const uint64_t digest = f.Digest();
  const size_t used = f.memory.used_bytes();
  f.arena.Fill(1, 1, 0xffff);
  const std::vector<Request> changes = {Begin(false, 1),           SetPool(0, kSlots, 1),
                                        SetPool(1, kSlots, 1),     SetVip(0, 1),
                                        SetBackend(1, kNoNextHop), SetGlobals()};
  SECTION("abort") { f.Good(changes), f.Good({Abort()}); }
  SECTION("the control plane goes away") { f.Good(changes), f.draft.Abort(); }
  SECTION("a refused message, then commit") {
    f.Good(changes);
    f.Apply(SetVip(kMaxVips, 0));
    CHECK(f.Apply(Commit(2)).code == ResponseCode::kTransactionBroken);
  }
  SECTION("a refused commit") {
    f.Good(changes);
    f.Good({Delete(MessageType::kDeletePool, 1)});
    CHECK(f.Apply(Commit(2)).code == ResponseCode::kUnresolvedReference);
    CHECK(f.Apply(Commit(2)).code == ResponseCode::kTransactionBroken);
  }
  SECTION("publishing fails") {
    f.Good(changes);
    f.publish_status = absl::ResourceExhaustedError("no hugepages");
    f.Bad(Commit(2), ResponseCode::kNoMemory, "snapshot", 2);
    f.publish_status = absl::OkStatus();
    CHECK(f.Apply(Commit(2)).code == ResponseCode::kTransactionBroken);
  }
  CHECK(f.draft.committed().generation == 1);
  CHECK(f.snapshot->get()->generation == 1);
  CHECK(f.Digest() == digest);
  CHECK(f.memory.used_bytes() == used);
  f.Good({Begin(false, 1), SetVip(5, 0), Commit(2)});
  CHECK(f.Digest() != digest);
}

TEST_CASE("references and duplicates are found at commit") {
  Fixture f;
  const auto broken = ResponseCode::kUnresolvedReference;
  f.Good({Begin(true), SetVip(0, 0)});
  f.Bad(Commit(1), broken, "globals", 0);
  f.Good({Begin(true), SetGlobals(), SetVip(4, 9)});
  f.Bad(Commit(1), broken, "vip[4].pool", 9);
  f.Good({Begin(true), SetGlobals(), SetBackend(3, 8)});
  f.Bad(Commit(1), broken, "backend[3].next_hop", 8);
  f.Good({Begin(true), SetGlobals(), SetPool(6, kSlots, 0), SetBackend(0, kNoNextHop)});
  f.Bad(Commit(1), broken, "pool[6].slots", 1);
  f.arena.Fill(1, 0xffff, 2);  // previous counts as well
  f.Good({Begin(true), SetGlobals(), SetPool(6, kSlots, 1)});
  f.Bad(Commit(1), broken, "pool[6].slots", 2);

  Request twin = SetVip(2, 0);
  twin.body.vip.index = 3;
  f.Good({Begin(true), SetGlobals(), SetPool(0, kSlots, 0), SetBackend(1, kNoNextHop), SetVip(2, 0),
          twin});
  f.Bad(Commit(1), ResponseCode::kDuplicate, "vip[3].address", 0xc6336402);
  twin.body.vip.port = Be16(0);  // any port beside an exact one is fine
  f.Good({Begin(true), SetGlobals(), SetPool(0, kSlots, 0), SetBackend(1, kNoNextHop), SetVip(2, 0),
          twin, Commit(1)});
}

TEST_CASE("deleting what is still referred to is found in pools that did not change") {
  Fixture f;
  f.First();
  f.Good({Begin(false, 1), Delete(MessageType::kDeleteBackend, 1)});
  f.Bad(Commit(2), ResponseCode::kUnresolvedReference, "pool[0].slots", 1);
  f.Good({Begin(false, 1), Delete(MessageType::kDeletePool, 0)});
  f.Bad(Commit(2), ResponseCode::kUnresolvedReference, "vip[0].pool", 0);
  f.Good({Begin(false, 1), Delete(MessageType::kDeleteNextHop, 2)});
  f.Bad(Commit(2), ResponseCode::kUnresolvedReference, "backend[1].next_hop", 2);
  f.Good({Begin(false, 1), Delete(MessageType::kDeleteBackend, 1), SetBackend(1, 2), Commit(2)});
  f.Good({Begin(false, 2), Delete(MessageType::kDeleteVip, 0), Delete(MessageType::kDeletePool, 0),
          Delete(MessageType::kDeleteBackend, 1), Commit(3)});
}

TEST_CASE("no memory for a table or a snapshot is an answer, and all memory comes back") {
  HeapArena arena(kSlots);
  arena.Fill(0, 0xffff, 0xffff);
  HeapTableMemory memory(2500);
  {
    std::unique_ptr<OwnedSnapshot> snapshot;
    TableDraft draft(&memory, 1, [&](const TableState& tables) {
      auto built = OwnedSnapshot::Build(tables, &memory);
      if (built.ok()) snapshot = *std::move(built);
      return built.status();
    });
    const auto apply = [&](const Request& r) { return draft.Apply(r, arena.view()); };
    for (const auto& r : {Begin(true), SetGlobals(), SetPool(0, kSlots, 0), Commit(1)}) {
      REQUIRE(apply(r).code == ResponseCode::kOk);
    }
    apply(Begin(false, 1));
    Response response;
    for (uint32_t i = 1; i < 10 && response.code == ResponseCode::kOk; ++i) {
      response = apply(SetPool(i, kSlots, 0));
    }
    CHECK(response.code == ResponseCode::kNoMemory);
    CHECK_THAT(std::string(response.field), Catch::EndsWith("].slots"));
    CHECK(response.value == kSlots * sizeof(MaglevSlot));
    apply(Begin(false, 1));
    for (uint32_t i = 1; i < 60; ++i) apply(SetBackend(i, kNoNextHop));
    response = apply(Commit(2));
    CHECK(response.code == ResponseCode::kNoMemory);
    CHECK(response.field == std::string("snapshot"));
    CHECK(snapshot->get()->generation == 1);
  }
  CHECK(memory.used_bytes() == 0);
}

TEST_CASE("a snapshot keeps its pool tables when the draft has moved on") {
  Fixture f;
  f.First();
  const std::unique_ptr<OwnedSnapshot> old = std::move(f.snapshot);
  const uint64_t digest = DigestOf(*old->get());
  f.arena.Fill(1, 0xffff, 0xffff);
  f.Good({Begin(false, 1), SetPool(0, kSlots, 1), Commit(2)});
  CHECK(DigestOf(*old->get()) == digest);
  CHECK(DigestOf(*f.snapshot->get()) != digest);
}

}  // namespace
}  // namespace guideway
