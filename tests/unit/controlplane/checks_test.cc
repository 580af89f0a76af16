// The prober with checks that are shared, paused, or thousands. On loopback.
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "controlplane/health/prober.h"
#include "tests/unit/controlplane/closed_port.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/loopback_target.h"

namespace guideway {
namespace {

TEST_CASE("prober: equal checks run once, each backend with its own thresholds") {
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  const ClosedPort closed;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    BackendProbes slow = Target(closed.port);
    slow.probes[0].fall = 6;
    BackendProbes both = Target(server->port());
    both.probes.push_back(Target(closed.port).probes[0]);
    BackendProbes any = both;
    any.any_suffices = true;
    BackendProbes other = Target(server->port());
    other.probes[0].interval = absl::Milliseconds(110);
    prober->SetTargets({{"quick", Target(closed.port)},
                        {"slow", slow},
                        {"both", both},
                        {"any", any},
                        {"other", other}});
    CHECK(prober->check_count() == 3);  // closed, open, and open at another interval
  });
  const auto state = [&](const char* key) { return prober->Find(key)->state(); };
  CHECK(thread.Await([&] {
    return state("quick") == HealthState::kUnhealthy && state("slow") == HealthState::kUnknown;
  }));
  CHECK(thread.Await([&] { return state("slow") == HealthState::kUnhealthy; }));
  thread.On([&] {
    CHECK(state("both") == HealthState::kUnhealthy);
    CHECK(state("any") == HealthState::kHealthy);
    CHECK(state("other") == HealthState::kHealthy);
    const std::string reason = prober->Find("both")->reason();
    CHECK(reason == absl::StrCat("tcp ", server->port(), " connected; tcp ", closed.port,
                                 " connect: Connection refused"));
    // What nobody wants any more is not asked any more.
    prober->SetTargets({{"quick", Target(closed.port)}});
    CHECK(prober->check_count() == 1);
    prober.reset();
    server.reset();
  });
}

TEST_CASE("prober: while paused nothing is asked and health stays") {
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  uint16_t port = 0;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
    port = server->port();
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    prober->SetTargets({{"a", Target(port)}});
  });
  const auto state = [&] { return prober->Find("a")->state(); };
  CHECK(thread.Await([&] { return state() == HealthState::kHealthy; }));
  BackendProbes paused = Target(port);
  paused.paused = true;
  thread.On([&] {
    prober->SetTargets({{"a", paused}});
    CHECK(prober->check_count() == 0);
    CHECK(state() == HealthState::kHealthy);
    server.reset();
    prober->SetTargets({{"a", Target(port)}});
  });
  CHECK(thread.Await([&] { return state() == HealthState::kUnhealthy; }));
  thread.On([&] { prober.reset(); });
}

TEST_CASE("prober: thousands of backends are known soon after the start, within the gate's room") {
  LoopThread thread;
  std::unique_ptr<Prober> prober;
  const ClosedPort closed;
  constexpr size_t kCount = 4000;  // a first round of one second
  size_t known = 0;
  absl::Duration start, end;
  thread.On([&] {
    prober = std::make_unique<Prober>(thread.loop(), [&](const std::string&) { ++known; });
    std::map<std::string, BackendProbes> targets;
    for (size_t i = 0; i < kCount; ++i) {
      BackendProbes target = Target(closed.port);
      target.probes[0].request.address =
          *IpAddress::Parse(absl::StrCat("127.1.", i / 250, ".", i % 250 + 1));
      target.probes[0].interval = absl::Seconds(5);
      target.probes[0].fall = 1;
      targets.emplace(absl::StrCat("b", i), target);
    }
    start = thread.loop()->Now();
    prober->SetTargets(targets);
  });
  CHECK(thread.Await([&] { return known == kCount; }, absl::Seconds(10)));
  thread.On([&] {
    end = thread.loop()->Now();
    prober.reset();
  });
  CHECK(end - start > absl::Milliseconds(900));  // not all at once
}

}  // namespace
}  // namespace guideway
