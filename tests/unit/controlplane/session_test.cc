// The session against the data plane's real channel end and tables: full, delta, restarts,
// refusals.
#include "controlplane/session/session.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/session_tables.h"

namespace guideway {
namespace {

using channel::MessageType;

constexpr uint32_t kSlots = 101;

std::shared_ptr<Tables> MakeTables(uint32_t pools, uint8_t last_mac_byte) {
  auto tables = TablesWithNextHop(last_mac_byte);
  channel::BackendBody backend = {};
  backend.index = 3;
  backend.incarnation = 9;
  backend.keeps_known_flows = 1;
  backend.outer_destination = backend.outer_source = *IpAddress::Parse("10.0.0.1");
  tables->backends.Set(3, backend);
  for (uint32_t i = 0; i < pools; ++i) {
    auto slots = std::make_shared<std::vector<channel::MaglevSlot>>(kSlots);
    for (auto& slot : *slots) slot.current = slot.previous = 3;
    tables->pools.Set(i, {.slots = slots});
  }
  channel::VipBody vip = {};
  vip.address = *IpAddress::Parse("192.0.2.1");
  vip.port = Be16(80);
  vip.protocol = 6;
  tables->vips.Set(0, vip);
  return tables;
}

// A session and a data plane on one loop; either can be restarted.
class Bench {
 public:
  explicit Bench(channel::Capacities capacities = {.arena_slot_bytes = kSlots * 4})
      : capacities_(capacities) {
    REQUIRE(mkdtemp(directory_) != nullptr);
    path = absl::StrCat(directory_, "/dataplane.sock");
    StartDataplane();
    StartSession();
  }
  ~Bench() {
    thread.On([&] {
      session.reset();
      dataplane.reset();
    });
    rmdir(directory_);
  }
  void StartDataplane() {
    thread.On([&] {
      dataplane.reset();
      dataplane = std::make_unique<FakeDataplane>(thread.loop(), path, capacities_);
    });
  }
  void StartSession() {
    thread.On([&] {
      session = std::make_unique<Session>(thread.loop(), path, [this] {
        foreign_at_ready = session->dataplane_has_foreign_tables();
        if (wanted) session->SetWanted(wanted);
      });
      session->Start();
    });
  }
  void Want(std::shared_ptr<const Tables> tables) {
    thread.On([&] {
      wanted = tables;
      session->SetWanted(tables);
    });
  }
  bool AwaitGeneration(uint64_t generation) {
    return thread.Await([&, generation] {
      return dataplane->generation() == generation && session->generation() == generation;
    });
  }
  // Message types since the last call.
  std::vector<MessageType> TakeTypes() {
    std::vector<MessageType> types;
    thread.On([&] { types.swap(dataplane->types); });
    return types;
  }

  LoopThread thread;
  std::string path;
  std::shared_ptr<const Tables> wanted;
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<Session> session;
  bool foreign_at_ready = false;

 private:
  char directory_[40] = "/tmp/guideway_session_XXXXXX";
  channel::Capacities capacities_;
};

TEST_CASE("everything first, then only what has changed") {
  Bench bench;
  bench.Want(MakeTables(2, 1));
  REQUIRE(bench.AwaitGeneration(1));
  CHECK(bench.TakeTypes().size() == 2 + 1 + 1 + 1 + 2 + 1);
  bench.Want(MakeTables(2, 7));
  REQUIRE(bench.AwaitGeneration(2));
  CHECK(bench.TakeTypes() == std::vector<MessageType>{MessageType::kBegin, MessageType::kSetNextHop,
                                                      MessageType::kCommit});
  bench.thread.On([&] {
    CHECK(bench.dataplane->tables().next_hops.at(0).body.destination_mac.bytes[5] == 7);
    CHECK(bench.session->problem().empty());
  });
  bench.Want(MakeTables(2, 7));  // the same: no transaction
  bench.Want(MakeTables(2, 8));
  REQUIRE(bench.AwaitGeneration(3));
}

TEST_CASE("while a transaction is in flight the newest tables win") {
  Bench bench;
  bench.Want(MakeTables(1, 1));
  REQUIRE(bench.AwaitGeneration(1));
  bench.thread.On([&] { bench.dataplane->Pause(); });
  for (uint8_t i = 2; i < 100; ++i) bench.Want(MakeTables(1, i));
  bench.thread.On([&] { bench.dataplane->Resume(); });
  REQUIRE(bench.AwaitGeneration(3));  // the one in flight, and the last
  bench.thread.On([&] {
    CHECK(bench.dataplane->tables().next_hops.at(0).body.destination_mac.bytes[5] == 99);
  });
}

TEST_CASE("when tables came into force the data plane tells, and is believed what can be") {
  Bench bench;
  absl::Duration outcome_at, told;
  bench.thread.On([&] {
    bench.session->set_on_outcome([&](uint64_t, const absl::Status&, absl::Duration in_force_at) {
      outcome_at = in_force_at;
    });
  });
  uint8_t generation = 0;
  const auto commit = [&](std::function<absl::Duration()> in_force_at) {
    bench.thread.On([&] { bench.dataplane->in_force_at = std::move(in_force_at); });
    ++generation;
    bench.Want(MakeTables(1, generation));
    REQUIRE(bench.AwaitGeneration(generation));
  };
  EventLoop* const loop = bench.thread.loop();
  commit([&] { return told = loop->Now(); });
  CHECK(outcome_at == told);
  const absl::Duration before = loop->Now();
  commit([&] { return before - absl::Hours(1); });
  CHECK(outcome_at >= before);
  commit([&] { return loop->Now() + absl::Hours(1); });
  CHECK(outcome_at >= before);
  CHECK(outcome_at <= loop->Now());
}

TEST_CASE("more messages than ring entries, more pools than arena slots") {
  Bench bench({.request_capacity = 4,
               .response_capacity = 4,
               .arena_slot_count = 2,
               .arena_slot_bytes = kSlots * 4});
  bench.Want(MakeTables(100, 1));
  REQUIRE(bench.AwaitGeneration(1));
  bench.thread.On([&] {
    for (uint32_t i = 0; i < 100; ++i) REQUIRE(bench.dataplane->Slots(i).at(7).current == 3);
  });
}

TEST_CASE("a restarted data plane gets everything again") {
  Bench bench;
  bench.Want(MakeTables(2, 1));
  REQUIRE(bench.AwaitGeneration(1));
  bench.StartDataplane();
  REQUIRE(bench.AwaitGeneration(2));  // generations only grow
  CHECK_FALSE(bench.foreign_at_ready);
  CHECK(bench.TakeTypes().size() == 8);
}

TEST_CASE("a restarted control plane sees foreign tables and replaces them whole") {
  Bench bench;
  bench.Want(MakeTables(2, 1));
  REQUIRE(bench.AwaitGeneration(1));
  bench.Want(MakeTables(2, 2));
  REQUIRE(bench.AwaitGeneration(2));
  bench.TakeTypes();
  bench.thread.On([&] { bench.session.reset(); });
  bench.StartSession();
  REQUIRE(bench.AwaitGeneration(3));
  CHECK(bench.foreign_at_ready);
  const std::vector<MessageType> types = bench.TakeTypes();
  // Whether workers use the tables that are there is asked before anything is changed.
  CHECK(types.size() == 1 + 8);
  CHECK(types.front() == MessageType::kAwaitCommit);
}

TEST_CASE("refused tables: the status names the field, the old ones stay, the next ones count") {
  Bench bench;
  bench.Want(MakeTables(1, 1));
  REQUIRE(bench.AwaitGeneration(1));
  bench.TakeTypes();
  SECTION("at once") {
    auto bad = MakeTables(1, 2);
    channel::NextHopBody next_hop = bad->next_hops.at(0);
    next_hop.mtu_bytes = 5;
    bad->next_hops.Set(0, next_hop);
    bench.Want(bad);
    REQUIRE(bench.thread.Await([&] { return !bench.session->problem().empty(); }));
    bench.thread.On([&] {
      CHECK(bench.session->problem() ==
            "tables refused: kSetNextHop refused: next_hop[0].mtu_bytes = 5: out of range");
    });
  }
  SECTION("at commit") {
    auto bad = MakeTables(1, 2);
    channel::VipBody vip = bad->vips.at(0);
    vip.pool = 77;
    bad->vips.Set(0, vip);
    bench.Want(bad);
    REQUIRE(bench.thread.Await([&] { return !bench.session->problem().empty(); }));
    bench.thread.On([&] {
      CHECK(bench.session->problem() ==
            "tables refused: kCommit refused: vip[0].pool = 77: refers to what does not exist");
    });
  }
  bench.thread.On([&] { CHECK(bench.dataplane->generation() == 1); });
  bench.Want(MakeTables(1, 3));
  REQUIRE(bench.thread.Await([&] { return bench.dataplane->generation() > 1; }));
  bench.thread.On(
      [&] { CHECK(bench.dataplane->tables().next_hops.at(0).body.destination_mac.bytes[5] == 3); });
  CHECK(bench.thread.Await([&] { return bench.session->problem().empty(); }));
  const auto types = bench.TakeTypes();
  CHECK(std::count(types.begin(), types.end(), MessageType::kBegin) == 2);
}

TEST_CASE("counters: read, not connected, no answer") {
  Bench bench;
  bench.Want(MakeTables(1, 1));
  REQUIRE(bench.AwaitGeneration(1));
  absl::Status status = absl::UnknownError("not called");
  uint64_t packets = 0;
  const auto read = [&] {
    status = absl::UnknownError("not called");
    bench.thread.On([&] {
      bench.session->ReadCounters([&](const auto& counters) {
        status = counters.status();
        if (counters.ok()) packets = (*counters)->total[Counter::received_packets];
      });
    });
    return bench.thread.Await([&] { return !absl::IsUnknown(status); });
  };
  bench.thread.On([&] { bench.dataplane->received_packets = 77; });
  REQUIRE(read());
  CHECK(status.ok());
  CHECK(packets == 77);
  bench.thread.On([&] { bench.dataplane->Pause(); });
  REQUIRE(read());
  CHECK(absl::IsDeadlineExceeded(status));
  bench.thread.On([&] { bench.dataplane->Resume(); });
  REQUIRE(read());
  CHECK(status.ok());
  bench.thread.On([&] { bench.dataplane.reset(); });
  REQUIRE(bench.thread.Await([&] { return !bench.session->ready(); }));
  REQUIRE(read());
  CHECK(absl::IsUnavailable(status));
}

TEST_CASE("lookups of flows are answered in order, and fail when the data plane goes") {
  Bench bench;
  REQUIRE(bench.thread.Await([&] { return bench.session->ready(); }));
  std::vector<uint64_t> hashes;
  std::vector<absl::Status> failures;
  const auto ask = [&](uint16_t port) {
    FlowKey flow;
    flow.source_port = Be16(port);
    bench.session->LookupFlow(flow, [&](const absl::StatusOr<channel::FlowLookup>& found) {
      if (!found.ok()) return failures.push_back(found.status());
      CHECK(found->workers[1].times_out_in_s == 17);
      hashes.push_back(found->flow_hash);
    });
  };
  bench.thread.On([&] {
    bench.dataplane->flow_lookup.workers[1].times_out_in_s = 17;
    for (uint16_t port = 1; port <= 3; ++port) ask(port);
  });
  CHECK(bench.thread.Await([&] { return hashes.size() == 3; }));
  CHECK(hashes == std::vector<uint64_t>{1, 2, 3});
  bench.thread.On([&] {
    bench.dataplane->Pause();
    ask(4);
    ask(5);
  });
  CHECK(bench.thread.Await([&] { return failures.size() == 2; }));  // after a second
  CHECK(absl::IsDeadlineExceeded(failures[0]));
  bench.thread.On([&] {
    bench.dataplane->Resume();
    ask(6);  // the answer to 4 is not taken for this one's
  });
  CHECK(bench.thread.Await([&] { return hashes.size() == 4; }));
  CHECK(hashes.back() == 6);
  bench.thread.On([&] {
    bench.dataplane->Pause();
    ask(7);
    bench.dataplane.reset();
  });
  CHECK(bench.thread.Await([&] { return failures.size() == 3; }));
  CHECK(absl::IsUnavailable(failures[2]));
}

}  // namespace
}  // namespace guideway
