// Targets of the prober replaced step by step: what is true between two steps.
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "controlplane/health/prober.h"
#include "tests/unit/controlplane/closed_port.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {
namespace {

BackendProbes Target(uint16_t port, ProbeKind kind = ProbeKind::kTcp) {
  ProbeTarget target;
  target.request.kind = kind;
  target.request.address = *IpAddress::Parse("127.0.0.1");
  target.request.port = port;
  target.request.path = "/";
  target.request.timeout = absl::Seconds(30);
  target.interval = absl::Milliseconds(50);
  return {.probes = {target}};
}

void Finish(Prober* prober) {
  while (prober->StepTargets()) {
  }
  while (prober->StepStarts()) {
  }
}

// A prober on a loop of its own, and how many results each backend has had.
struct Bench {
  explicit Bench(std::optional<std::string> reply = std::nullopt) {
    thread.On([&] {
      server = std::make_unique<LocalServer>(thread.loop(), reply);
      prober = std::make_unique<Prober>(
          thread.loop(), [](const std::string&) {},
          [this](const std::string& key, ProbeResult::Outcome, absl::Duration) { ++results[key]; });
    });
  }
  ~Bench() {
    thread.On([&] {
      prober.reset();
      server.reset();
    });
  }
  bool AwaitMore(const std::string& key, int count) {
    int before = 0;
    thread.On([&] { before = results[key]; });
    return thread.Await([&] { return results[key] >= before + count; });
  }

  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  std::map<std::string, int> results;
};

TEST_CASE("new targets are not probed before all are in, those that stay go on") {
  Bench bench;
  const ClosedPort closed;
  bench.thread.On([&] { bench.prober->SetTargets({{"stays", Target(bench.server->port())}}); });
  REQUIRE(bench.AwaitMore("stays", 2));
  const ProbeTargets both = {{"comes", Target(closed.port)},
                             {"stays", Target(bench.server->port())}};
  bench.thread.On([&] {
    bench.prober->BeginTargets(&both);
    while (bench.prober->StepTargets()) {
    }
    CHECK(bench.prober->check_count() == 2);
    CHECK(bench.prober->Find("comes")->state() == HealthState::kUnknown);
    CHECK(bench.prober->Find("stays")->state() == HealthState::kHealthy);
  });
  REQUIRE(bench.AwaitMore("stays", 3));
  bench.thread.On([&] {
    CHECK(bench.results["comes"] == 0);
    while (bench.prober->StepStarts()) {
    }
  });
  CHECK(bench.thread.Await(
      [&] { return bench.prober->Find("comes")->state() == HealthState::kUnhealthy; }));
}

TEST_CASE("a backend that comes with another name finds what is known, and one check runs") {
  Bench bench;
  bench.thread.On([&] { bench.prober->SetTargets({{"old", Target(bench.server->port())}}); });
  REQUIRE(bench.thread.Await(
      [&] { return bench.prober->Find("old")->state() == HealthState::kHealthy; }));
  const ProbeTargets renamed = {{"new", Target(bench.server->port())}};
  bench.thread.On([&] {
    bench.prober->BeginTargets(&renamed);
    bool more = true;
    while (more) {
      more = bench.prober->StepTargets();
      CHECK(bench.prober->check_count() == 1);
      REQUIRE(bench.prober->Find("new") != nullptr);
      CHECK(bench.prober->Find("new")->state() == HealthState::kHealthy);
    }
    CHECK(bench.prober->Find("old") == nullptr);
    CHECK(bench.prober->Verdicts().size() == 1);
  });
  CHECK(bench.AwaitMore("new", 2));
}

TEST_CASE("a backend goes whose probe is out: no result comes of it") {
  Bench bench;
  // Takes the connection, and never answers.
  bench.thread.On([&] {
    bench.prober->SetTargets({{"goes", Target(bench.server->port(), ProbeKind::kHttp)},
                              {"stays", Target(bench.server->port())}});
  });
  // The first probe of each begins within one interval.
  REQUIRE(bench.AwaitMore("stays", 4));
  const ProbeTargets rest = {{"stays", Target(bench.server->port())}};
  bench.thread.On([&] {
    bench.prober->BeginTargets(&rest);
    size_t checks = 2;
    while (bench.prober->StepTargets()) {
      // Together they go: the backend, its check and its probe.
      checks = bench.prober->Find("goes") == nullptr ? 1 : 2;
      CHECK(bench.prober->check_count() == checks);
    }
    CHECK(checks == 1);
  });
  REQUIRE(bench.AwaitMore("stays", 3));
  bench.thread.On([&] { CHECK(bench.results["goes"] == 0); });
}

TEST_CASE("results that come between two steps count") {
  Bench bench;
  const ClosedPort closed;
  bench.thread.On([&] { bench.prober->SetTargets({{"a", Target(bench.server->port())}}); });
  REQUIRE(bench.thread.Await(
      [&] { return bench.prober->Find("a")->state() == HealthState::kHealthy; }));
  ProbeTargets next = {{"a", Target(bench.server->port())}, {"b", Target(closed.port)}};
  next["a"].probes[0].fall = 1;
  bench.thread.On([&] {
    bench.prober->BeginTargets(&next);
    bench.prober->StepTargets();
    bench.server.reset();
  });
  CHECK(bench.thread.Await(
      [&] { return bench.prober->Find("a")->state() == HealthState::kUnhealthy; }));
  bench.thread.On([&] {
    Finish(bench.prober.get());
    CHECK(bench.prober->Find("a")->state() == HealthState::kUnhealthy);
  });
}

TEST_CASE("targets given up for newer ones at any step leave nothing behind") {
  EventLoop loop;
  const auto on_change = [](const std::string&) {};
  const ProbeTargets first = {{"a", Target(1)}, {"b", Target(2)}, {"c", Target(3)}};
  ProbeTargets second = {{"a", Target(1)}, {"b", Target(4)}, {"d", Target(5)}, {"e", Target(3)}};
  second["a"].paused = true;
  const ProbeTargets third = {{"a", Target(1)}, {"c", Target(6)}, {"d", Target(5)}};
  for (int steps = 0; steps < 20; ++steps) {
    INFO("given up after " << steps << " steps");
    Prober prober(&loop, on_change);
    prober.Remember({{.identity = "of another time", .healthy = true, .age = absl::Seconds(1)}});
    prober.SetTargets(first);
    prober.BeginTargets(&second);
    for (int i = 0; i < steps; ++i) prober.StepTargets();
    if (steps == 19) prober.StepStarts();
    prober.BeginTargets(&third);
    Finish(&prober);
    CHECK(prober.check_count() == 3);
    for (const char* key : {"a", "b", "c", "d", "e"}) {
      CHECK((prober.Find(key) != nullptr) == third.contains(key));
    }
    CHECK(prober.Verdicts().size() == 1);
    prober.SetTargets({});
    CHECK(prober.check_count() == 0);
  }
}

TEST_CASE("verdicts in parts are those at once") {
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  std::vector<Verdict> known;
  for (int i = 10; i < 35; ++i) {
    known.push_back({absl::StrCat("identity-", i), i % 2 == 0, absl::Seconds(i)});
  }
  prober.Remember(known);
  std::vector<Verdict> parts;
  int calls = 0;
  for (std::string after; calls == 0 || !after.empty(); ++calls) {
    after = prober.AppendVerdicts(after, 10, &parts);
  }
  CHECK(calls == 3);
  REQUIRE(parts.size() == known.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    CHECK(parts[i].identity == known[i].identity);
    CHECK(parts[i].healthy == known[i].healthy);
  }
}

}  // namespace
}  // namespace guideway
