// Which backends are probed, where, and which VIP a probe through the tunnel goes to.
#include "controlplane/probe_plan.h"

#include <catch2/catch.hpp>

#include "controlplane/compiler/compiler.h"
#include "lib/config/defaults.h"

namespace guideway {
namespace {

// Pool "web" by GUE with a backend of each family.
struct Fixture {
  Fixture() {
    pool = config.add_pools();
    pool->set_name("web");
    pool->set_encapsulation(v1::GUE);
    AddBackend("four", "198.18.0.21");
    AddBackend("six", "2001:db8:b::21");
    pool->mutable_probe()->set_type(v1::HTTP_GET);
    pool->mutable_probe()->set_port(8080);
    pool->mutable_probe()->set_via(v1::PROBE_TUNNEL);
  }
  void AddBackend(const std::string& name, const std::string& address) {
    v1::Backend* backend = pool->add_backends();
    backend->set_name(name);
    backend->set_address(address);
  }
  void AddVip(const std::string& address, v1::Protocol protocol, const std::string& of_pool) {
    v1::Vip* vip = config.add_vips();
    vip->set_name("vip" + std::to_string(config.vips_size()));
    vip->set_address(address);
    vip->set_protocol(protocol);
    vip->set_port(443);
    vip->set_pool(of_pool);
  }
  ProbePlan Make() {
    v1::Config filled = config;
    FillDefaults(&filled);
    paths.clear();
    ProbePlanner planner(
        filled,
        [this](const TunnelTarget& target) {
          paths.push_back(target);
          return std::make_shared<Path>();
        },
        [this](const std::string& name) { return paused.contains(name); });
    while (planner.Step()) continue;
    return planner.Take();
  }
  static const ProbeTarget& TargetOf(const ProbePlan& plan, const std::string& backend,
                                     const std::string& address) {
    return plan.targets.at(BackendKey("web", backend, address)).probes.at(0);
  }

  struct Path : ProbePath {
    absl::Status Prepare(int) override { return absl::OkStatus(); }
    absl::Status Check() override { return absl::OkStatus(); }
  };
  v1::Config config;
  v1::Pool* pool;
  std::vector<TunnelTarget> paths;
  std::set<std::string> paused;
};

std::string Probed(const ProbePlan& plan, const std::string& backend, const std::string& address) {
  return Fixture::TargetOf(plan, backend, address).request.address.ToString();
}

TEST_CASE("a direct probe goes to the backend") {
  Fixture f;
  f.AddVip("203.0.113.1", v1::TCP, "web");
  f.pool->mutable_probe()->clear_via();  // the default
  const ProbePlan plan = f.Make();
  CHECK(!plan.uses_tunnel);
  CHECK(f.paths.empty());
  CHECK(Probed(plan, "four", "198.18.0.21") == "198.18.0.21");
  CHECK(Fixture::TargetOf(plan, "six", "2001:db8:b::21").request.via == nullptr);
  CHECK(plan.keys_by_pool.at("web").size() == 2);
}

TEST_CASE(
    "a probe through the tunnel goes to the first VIP of the backend's family, or the first") {
  Fixture f;
  f.AddVip("203.0.113.9", v1::TCP, "another");
  f.AddVip("2001:db8:f::1", v1::UDP, "web");
  SECTION("there is one of each family") {
    f.AddVip("203.0.113.1", v1::TCP, "web");
    f.AddVip("203.0.113.2", v1::TCP, "web");
    const ProbePlan plan = f.Make();
    CHECK(Probed(plan, "four", "198.18.0.21") == "203.0.113.1");
    CHECK(Probed(plan, "six", "2001:db8:b::21") == "2001:db8:f::1");
  }
  SECTION("there is one of one family") {
    const ProbePlan plan = f.Make();
    CHECK(Probed(plan, "four", "198.18.0.21") == "2001:db8:f::1");
    CHECK(Probed(plan, "six", "2001:db8:b::21") == "2001:db8:f::1");
    CHECK(plan.uses_tunnel);
    REQUIRE(f.paths.size() == 2);
    CHECK(f.paths[0].backend.ToString() == "198.18.0.21");
    CHECK(f.paths[0].vip.ToString() == "2001:db8:f::1");
    CHECK(f.paths[0].delivery.ToString() == "gue/6080");
    const ProbeRequest& request = Fixture::TargetOf(plan, "four", "198.18.0.21").request;
    CHECK(request.port == 8080);
    CHECK(request.via != nullptr);
  }
}

TEST_CASE("what is not probed") {
  Fixture f;
  SECTION("through the tunnel, while the pool has no VIP") {
    f.AddVip("203.0.113.9", v1::TCP, "another");
    const ProbePlan plan = f.Make();
    CHECK(!plan.uses_tunnel);
    CHECK(plan.targets.empty());
    CHECK(plan.keys_by_pool.at("web").empty());
  }
  SECTION("a disabled backend") {
    f.AddVip("203.0.113.1", v1::TCP, "web");
    f.pool->mutable_backends(0)->set_state(v1::DISABLED);
    const ProbePlan plan = f.Make();
    CHECK(plan.targets.size() == 1);
    CHECK(plan.pool_of_key.at(BackendKey("web", "six", "2001:db8:b::21")) == "web");
  }
  SECTION("a pool without probe") {
    f.pool->clear_probe();
    CHECK(f.Make().targets.empty());
  }
}

}  // namespace
}  // namespace guideway
