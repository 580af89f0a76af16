// Orders by hand as the controller gives and keeps them, and what the API says of the guards.
#include "controlplane/health_guards.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/compiler/backend_registry.h"
#include "lib/config/defaults.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {
namespace {

class Directory {
 public:
  Directory() { REQUIRE(mkdtemp(path_) != nullptr); }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_; }

 private:
  char path_[40] = "/tmp/guideway_guards_XXXXXX";
};

// Pool web with a probe and backends a, b (weight 0) and c (drained), pool free without; VIP v.
v1::Config MakeConfig() {
  v1::Config config;
  v1::Pool* web = config.add_pools();
  web->set_name("web");
  web->mutable_probe()->set_type(v1::TCP_CONNECT);
  web->mutable_probe()->set_port(1);
  for (const char* name : {"a", "b", "c", "d"}) {
    v1::Backend* backend = web->add_backends();
    backend->set_name(name);
    backend->set_address(absl::StrCat("10.0.0.", web->backends_size()));
  }
  web->mutable_backends(1)->set_weight(0);
  web->mutable_backends(2)->set_state(v1::DRAINED);
  config.add_pools()->set_name("free");
  v1::Vip* vip = config.add_vips();
  vip->set_name("v");
  vip->set_pool("web");
  vip->set_withdraw_below(50);
  vip->set_announce_from(80);
  FillDefaults(&config);
  return config;
}

std::string KeyOf(const v1::Config& config, int backend) {
  const v1::Pool& web = config.pools(0);
  return BackendKey("web", web.backends(backend).name(), web.backends(backend).address());
}

// As the controller does it on two threads.
absl::Status Keep(HealthGuards* guards) {
  return guards->OrdersKept(guards->WriteOrders(guards->OrdersText()));
}

absl::Status ForceOnly(HealthGuards* guards, const v1::Config& config, const std::string& pool,
                       const std::string& backend, v1::ForcedHealth health, std::string* change) {
  v1::ForceHealthRequest request;
  request.set_pool(pool);
  request.set_backend(backend);
  request.set_force(health);
  change->clear();
  return guards->Force(config, request, change);
}

absl::Status Force(HealthGuards* guards, const v1::Config& config, const std::string& pool,
                   const std::string& backend, v1::ForcedHealth health, std::string* change) {
  const absl::Status forced = ForceOnly(guards, config, pool, backend, health, change);
  return forced.ok() && !change->empty() ? Keep(guards) : forced;
}

std::vector<std::string> Overrides(const HealthGuards& guards) {
  v1::GetStatusResponse status;
  guards.FillStatus(&status);
  return {status.overrides().begin(), status.overrides().end()};
}

// As the controller does it, with no pool settling.
void Update(HealthGuards* guards, const v1::Config& config, absl::Duration now) {
  guards->Update(now);
  for (const v1::Pool& pool : config.pools()) guards->UpdateVips(pool);
}

TEST_CASE("forced health: takes effect, is shown, outlives a restart, ends with its backend") {
  const Directory directory;
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  v1::Config config = MakeConfig();
  std::string change;
  {
    HealthGuards guards(&prober, directory.path());
    guards.Load();  // nothing there
    guards.SetConfig(config);
    CHECK(guards.HealthOf(KeyOf(config, 0)) == HealthState::kUnprobed);
    CHECK(Force(&guards, config, "web", "a", v1::FORCE_UNHEALTHY, &change).ok());
    CHECK(change == "pool web: backend a: health forced to unhealthy");
    CHECK(guards.HealthOf(KeyOf(config, 0)) == HealthState::kUnhealthy);
    CHECK(guards.HealthOf(KeyOf(config, 1)) == HealthState::kUnprobed);
    CHECK(Force(&guards, config, "web", "a", v1::FORCE_UNHEALTHY, &change).ok());
    CHECK(change.empty());
    CHECK(Force(&guards, config, "web", "d", v1::FORCE_HEALTHY, &change).ok());
    CHECK(absl::IsNotFound(Force(&guards, config, "web", "x", v1::FORCE_HEALTHY, &change)));
    CHECK(absl::IsNotFound(Force(&guards, config, "x", "a", v1::FORCE_HEALTHY, &change)));
    v1::BackendState state;
    state.set_health_reason("connected");
    guards.FillBackend(config.pools(0), config.pools(0).backends(0), &state);
    CHECK(state.health() == v1::HEALTH_UNHEALTHY);
    CHECK(state.health_forced());
    CHECK(state.health_reason() == "forced by hand; last probe: connected");
  }
  HealthGuards guards(&prober, directory.path());
  guards.set_on_orders_forgotten([&] { CHECK(Keep(&guards).ok()); });
  guards.Load();
  guards.SetConfig(config);
  CHECK(guards.HealthOf(KeyOf(config, 0)) == HealthState::kUnhealthy);
  CHECK(Overrides(guards) == std::vector<std::string>{"pool web: backend a is forced to unhealthy",
                                                      "pool web: backend d is forced to healthy"});
  CHECK(Force(&guards, config, "web", "d", v1::FORCE_NOTHING, &change).ok());
  CHECK(change == "pool web: backend d: health as probed again");
  config.mutable_pools(0)->mutable_backends()->DeleteSubrange(0, 1);
  guards.SetConfig(config);
  CHECK(Overrides(guards).empty());
  HealthGuards again(&prober, directory.path());
  again.Load();
  again.SetConfig(MakeConfig());
  CHECK(Overrides(again).empty());
}

TEST_CASE("forced health: the event loop writes nothing itself") {
  const Directory directory;
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  const v1::Config config = MakeConfig();
  HealthGuards guards(&prober, directory.path());
  guards.SetConfig(config);
  std::string change;
  REQUIRE(ForceOnly(&guards, config, "web", "a", v1::FORCE_UNHEALTHY, &change).ok());
  CHECK(guards.HealthOf(KeyOf(config, 0)) == HealthState::kUnhealthy);
  CHECK(std::filesystem::is_empty(directory.path()));
  REQUIRE(Keep(&guards).ok());
  CHECK_FALSE(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("forced health that a configuration has ended is told of, also if that is given up") {
  const Directory directory;
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  const v1::Config config = MakeConfig();
  HealthGuards guards(&prober, directory.path());
  int told = 0;
  guards.set_on_orders_forgotten([&] { ++told; });
  guards.SetConfig(config);
  std::string change;
  REQUIRE(Force(&guards, config, "web", "a", v1::FORCE_UNHEALTHY, &change).ok());
  v1::Config without = config;
  without.mutable_pools(0)->mutable_backends()->DeleteSubrange(0, 1);
  guards.BeginConfig(&without);
  while (!Overrides(guards).empty()) REQUIRE(guards.StepConfig());
  CHECK(told == 0);
  guards.SetConfig(config);  // the backend is back, and the order is not
  CHECK(told == 1);
  CHECK(Overrides(guards).empty());
  guards.SetConfig(config);
  CHECK(told == 1);
}

TEST_CASE("forced health: a damaged file is said and costs nothing else") {
  const Directory directory;
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  std::ofstream(directory.path() + "/health-overrides") << "rubbish";
  HealthGuards guards(&prober, directory.path());
  guards.Load();
  v1::GetStatusResponse status;
  guards.FillStatus(&status);
  REQUIRE(status.problems_size() == 1);
  CHECK(absl::StartsWith(status.problems(0).text(), "forced health is forgotten: "));
  const v1::Config config = MakeConfig();
  guards.SetConfig(config);
  std::string change;
  CHECK(Force(&guards, config, "web", "a", v1::FORCE_HEALTHY, &change).ok());
  status.Clear();
  guards.FillStatus(&status);
  CHECK(status.problems_size() == 0);
}

TEST_CASE("forced health that cannot be kept is in force and says so") {
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  HealthGuards guards(&prober, "/dev/null/no/directory");
  const v1::Config config = MakeConfig();
  guards.SetConfig(config);
  std::string change;
  const absl::Status status = Force(&guards, config, "web", "a", v1::FORCE_UNHEALTHY, &change);
  CHECK(absl::StrContains(status.message(), "in force, but not kept over a restart"));
  CHECK(guards.HealthOf(KeyOf(config, 0)) == HealthState::kUnhealthy);
}

TEST_CASE("pauses: of pools that are probed") {
  const Directory directory;
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  HealthGuards guards(&prober, directory.path());
  const v1::Config config = MakeConfig();
  guards.SetConfig(config);
  v1::PauseProbesRequest request;
  std::string change;
  request.set_paused(true);
  request.set_pool("x");
  CHECK(absl::IsNotFound(guards.Pause(config, request, &change)));
  request.set_pool("free");
  CHECK(absl::IsFailedPrecondition(guards.Pause(config, request, &change)));
  request.set_pool("web");
  CHECK(guards.Pause(config, request, &change).ok());
  CHECK(change == "pool web: probes paused");
  CHECK(guards.IsPaused("web"));
  CHECK(Overrides(guards) == std::vector<std::string>{"pool web: probes are paused"});
  request.set_paused(false);
  CHECK(guards.Pause(config, request, &change).ok());
  CHECK(!guards.IsPaused("web"));
}

TEST_CASE("a VIP's share counts backends that may take flows; while settling nothing moves") {
  const Directory directory;
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  HealthGuards guards(&prober, directory.path());
  const v1::Config config = MakeConfig();
  guards.SetConfig(config);
  std::string change;
  const auto state = [&] {
    v1::VipState vip;
    guards.FillVip(config, config.vips(0), &vip);
    return absl::StrCat(vip.announced(), " ", vip.healthy_backends(), "/", vip.enabled_backends());
  };
  const auto force = [&](const char* backend, v1::ForcedHealth health) {
    REQUIRE(Force(&guards, config, "web", backend, health, &change).ok());
  };
  CHECK(state() == "1 2/2");
  force("a", v1::FORCE_UNHEALTHY);
  Update(&guards, config, absl::Seconds(1));
  CHECK(state() == "1 1/2");
  force("d", v1::FORCE_UNHEALTHY);
  guards.Update(absl::Seconds(2));  // the pool settles: its VIPs stay as they are
  CHECK(state() == "1 0/2");
  Update(&guards, config, absl::Seconds(3));
  CHECK(state() == "0 0/2");
  force("a", v1::FORCE_NOTHING);
  Update(&guards, config, absl::Seconds(4));
  CHECK(state() == "0 1/2");
  force("d", v1::FORCE_NOTHING);
  Update(&guards, config, absl::Seconds(5));
  CHECK(state() == "1 2/2");
}

TEST_CASE("the limit on ejections holds a backend that has failed, and says why") {
  const Directory directory;
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  std::unique_ptr<HealthGuards> guards;
  v1::Config config = MakeConfig();
  v1::Pool* web = config.mutable_pools(0);
  web->mutable_ejection_limit()->set_percent(50);  // of two that are probed: one
  web->mutable_ejection_limit()->mutable_interval()->set_seconds(60);
  ProbeTarget target;
  target.request.address = *IpAddress::Parse("127.0.0.1");
  target.request.timeout = target.interval = absl::Milliseconds(100);
  target.fall = 1;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
    target.request.port = server->port();
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    prober->SetTargets(
        {{KeyOf(config, 0), {.probes = {target}}}, {KeyOf(config, 3), {.probes = {target}}}});
    guards = std::make_unique<HealthGuards>(prober.get(), directory.path());
    guards->SetConfig(config);
  });
  const auto both = [&](HealthState state) {
    return prober->Find(KeyOf(config, 0))->state() == state &&
           prober->Find(KeyOf(config, 3))->state() == state;
  };
  REQUIRE(thread.Await([&] { return both(HealthState::kHealthy); }));
  thread.On([&] {
    Update(guards.get(), config, absl::Seconds(100));
    server.reset();
  });
  REQUIRE(thread.Await([&] { return both(HealthState::kUnhealthy); }));
  thread.On([&] {
    Update(guards.get(), config, absl::Seconds(110));
    CHECK(guards->HealthOf(KeyOf(config, 0)) == HealthState::kUnhealthy);
    CHECK(guards->HealthOf(KeyOf(config, 3)) == HealthState::kHealthy);
    CHECK(guards->NextUpdate() == absl::Seconds(170));
    v1::BackendState state;
    state.set_health_reason("refused");
    guards->FillBackend(*web, web->backends(3), &state);
    CHECK(state.ejection_held());
    CHECK(state.health_reason() == "unhealthy, but stays for the pool's ejection_limit: refused");
    CHECK(Overrides(*guards) ==
          std::vector<std::string>{"1 unhealthy backends stay in service for ejection_limit"});
    Update(guards.get(), config, absl::Seconds(170));
    CHECK(guards->HealthOf(KeyOf(config, 3)) == HealthState::kUnhealthy);
    guards.reset();
    prober.reset();
  });
}

TEST_CASE("orders that come between two steps of a new configuration count") {
  const Directory directory;
  EventLoop loop;
  Prober prober(&loop, [](const std::string&) {});
  const v1::Config config = MakeConfig();
  v1::Config next = MakeConfig();
  next.mutable_pools(0)->mutable_backends(3)->set_address("10.0.0.9");
  next.mutable_pools(0)->mutable_backends()->DeleteSubrange(1, 1);  // b
  std::string change;
  for (int steps = 0; steps < 20; ++steps) {
    INFO("after " << steps << " steps");
    HealthGuards guards(&prober, directory.path());
    guards.SetConfig(config);
    for (const char* name : {"b", "c", "d"}) {
      CHECK(Force(&guards, config, "web", name, v1::FORCE_UNHEALTHY, &change).ok());
    }
    guards.BeginConfig(&next);
    for (int i = 0; i < steps; ++i) guards.StepConfig();
    CHECK(Force(&guards, next, "web", "a", v1::FORCE_UNHEALTHY, &change).ok());
    CHECK(Force(&guards, next, "web", "c", v1::FORCE_NOTHING, &change).ok());
    while (guards.StepConfig()) {
    }
    CHECK(guards.IsForced("web/a/10.0.0.1"));
    CHECK(!guards.IsForced("web/b/10.0.0.2"));
    CHECK(!guards.IsForced("web/c/10.0.0.3"));
    CHECK(!guards.IsForced("web/d/10.0.0.4"));
    CHECK(guards.IsForced("web/d/10.0.0.9"));
    CHECK(Overrides(guards) ==
          std::vector<std::string>{"pool web: backend a is forced to unhealthy",
                                   "pool web: backend d is forced to unhealthy"});
    CHECK(guards.IsAnnounced("v"));
  }
}

}  // namespace
}  // namespace guideway
