// Verdicts as they are kept: by what is asked of which address, with their age.
#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "controlplane/verdict_keeper.h"
#include "tests/unit/base/no_threads.h"
#include "tests/unit/controlplane/closed_port.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/loopback_target.h"
#include "tests/unit/controlplane/misplaced.h"

namespace guideway {
namespace {

VerdictClock ClockAt(const std::string& boot, int64_t since_boot_s, int64_t wall_s) {
  return {boot, absl::Seconds(since_boot_s), absl::FromUnixSeconds(wall_s)};
}

TEST_CASE("verdicts in a file: their age goes by the time since boot, else by the wall clock") {
  const std::vector<Verdict> verdicts = {{"aa", true, absl::Seconds(5)},
                                         {"bb", false, absl::Seconds(70)}};
  const std::string text =
      HealthToText({.verdicts = verdicts,
                    .holds = {{.address = "10.0.0.1", .held = true},
                              {.address = "10.0.0.2", .left = absl::Seconds(50)},
                              {.address = "10.0.0.3", .left = absl::Seconds(20)},
                              {.address = "10.0.0.4", .limited = true}}},
                   ClockAt("one", 1000, 50000));
  // The wall clock was set two hours ahead meanwhile.
  auto read = HealthFromText(text, ClockAt("one", 1030, 57230));
  REQUIRE(read.ok());
  REQUIRE(read->verdicts.size() == 2);
  CHECK(read->verdicts[0].identity == "aa");
  CHECK(read->verdicts[0].healthy);
  CHECK(read->verdicts[0].age == absl::Seconds(35));
  CHECK_FALSE(read->verdicts[1].healthy);
  CHECK(read->verdicts[1].age == absl::Seconds(100));
  REQUIRE(read->holds.size() == 3);  // that of the third has ended
  CHECK(read->holds[2].address == "10.0.0.4");
  CHECK(read->holds[2].limited);
  CHECK_FALSE(read->holds[0].limited);
  CHECK(read->holds[0].address == "10.0.0.1");
  CHECK(read->holds[0].held);
  CHECK_FALSE(read->holds[1].held);
  CHECK(read->holds[1].left == absl::Seconds(20));
  // After a reboot.
  read = HealthFromText(text, ClockAt("two", 20, 50100));
  REQUIRE(read.ok());
  CHECK(read->verdicts[0].age == absl::Seconds(105));
  CHECK(read->holds.size() == 2);
  // And by a clock that does not know the time yet: nobody knows how old they are.
  read = HealthFromText(text, ClockAt("two", 20, 100));
  REQUIRE(read.ok());
  CHECK(read->verdicts.empty());
  CHECK(read->holds.empty());
  for (const char* bad :
       {"", "health-verdicts 2 one 1000 50000\n", "health-verdicts 1 one x 50000\n",
        "health-verdicts 1 one 1000 50000\naa maybe 5\n",
        "health-verdicts 1 one 1000 50000\naa healthy -5\n",
        "health-verdicts 1 one 1000 50000\naa healthy\n",
        "health-verdicts 1 one 1000 50000\n10.0.0.1 held\n"}) {
    INFO(bad);
    CHECK(absl::IsInvalidArgument(HealthFromText(bad, ClockAt("one", 1, 1)).status()));
  }
}

TEST_CASE("verdicts: without a thread to write them this is said, and they are written later") {
  LoopThread thread;
  const ScratchDirectory directory;
  std::unique_ptr<VerdictKeeper> keeper;
  v1::GetStatusResponse status;
  const auto ask = [&] {
    status.Clear();
    keeper->FillStatus(&status);
    return status.problems_size();
  };
  {
    const NoThreads none;
    thread.On([&] {
      keeper = std::make_unique<VerdictKeeper>(
          thread.loop(), directory.path(),
          [](const std::string&, size_t, std::vector<Verdict>* verdicts) {
            verdicts->push_back({"aa", true, absl::Seconds(5)});
            return std::string();
          },
          [](const std::string&, size_t, std::vector<CommonFailures::AddressHold>*) {
            return std::string();
          });
      keeper->Changed();
    });
    REQUIRE(thread.Await([&] { return ask() == 1; }));
    CHECK(absl::StrContains(status.problems(0).text(), "starting a thread: "));
    CHECK_FALSE(std::filesystem::exists(directory.File("health-verdicts")));
  }
  thread.On([&] { keeper->Changed(); });
  CHECK(thread.Await([&] { return ask() == 0; }));
  CHECK(std::filesystem::exists(directory.File("health-verdicts")));
  thread.On([&] { keeper.reset(); });
}

TEST_CASE("prober: a verdict belongs to what is asked, not to a name") {
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  const ClosedPort closed;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    prober->SetTargets({{"good", Target(server->port())}, {"bad", Target(closed.port)}});
  });
  REQUIRE(thread.Await([&] {
    return prober->Find("good")->state() == HealthState::kHealthy &&
           prober->Find("bad")->state() == HealthState::kUnhealthy;
  }));
  std::vector<Verdict> kept;
  thread.On([&] {
    BackendProbes slower = Target(closed.port);  // of another pool, which asks the same less often
    slower.probes[0].interval = absl::Seconds(9);
    BackendProbes other = Target(closed.port);
    other.probes[0].request.host = "other.example";
    BackendProbes patient = Target(closed.port);
    patient.probes[0].request.timeout = absl::Milliseconds(301);
    prober->SetTargets({{"renamed", Target(closed.port)},
                        {"also", slower},
                        {"other", other},
                        {"patient", patient}});
    CHECK(prober->Find("renamed")->state() == HealthState::kUnhealthy);
    CHECK(prober->IsKeptUnhealthy("renamed"));
    CHECK(prober->Find("also")->state() == HealthState::kUnhealthy);
    CHECK(prober->Find("patient")->state() == HealthState::kUnhealthy);
    CHECK(prober->Find("other")->state() == HealthState::kUnknown);  // another question
    kept = prober->Verdicts();
    CHECK(kept.size() == 2);  // of the port that is there, and the one that was
    // Another process.
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    prober->Remember(kept);
    prober->SetTargets({{"x", Target(closed.port)}, {"y", Target(server->port())}});
    CHECK(prober->Find("x")->state() == HealthState::kUnhealthy);
    CHECK(prober->Find("x")->reason() == "as it was kept; no result yet");
    CHECK(prober->Find("y")->state() == HealthState::kHealthy);
  });
  // Confirmed by results.
  REQUIRE(
      thread.Await([&] { return prober->Find("x")->reason() == "connect: Connection refused"; }));
  thread.On([&] {
    for (Verdict& verdict : kept) verdict.age = Prober::kOldestVerdict + absl::Seconds(1);
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    prober->Remember(kept);
    prober->SetTargets({{"x", Target(closed.port)}});
    CHECK(prober->Find("x")->state() == HealthState::kUnknown);
    prober.reset();
    server.reset();
  });
}

}  // namespace
}  // namespace guideway
