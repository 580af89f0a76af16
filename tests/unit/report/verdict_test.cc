// The one verdict: what is wrong by status and state, and how much is served.
#include "controlplane/report/verdict.h"

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "controlplane/report/problem.h"

namespace guideway {
namespace {

v1::BackendState* AddBackend(v1::PoolState* pool, const std::string& name) {
  v1::BackendState* backend = pool->add_backends();
  backend->mutable_backend()->set_name(name);
  backend->mutable_backend()->set_state(v1::ENABLED);
  backend->mutable_backend()->set_weight(100);
  backend->set_health(v1::HEALTH_HEALTHY);
  backend->set_next_hop("no route");
  backend->set_share(0.5);
  return backend;
}

// Pool web with b1 and b2, which VIP site leads to; all is well.
struct Fixture {
  Fixture() {
    status.set_dataplane_connected(true);
    status.set_dataplane_generation(7);
    status.set_wanted_generation(7);
    web = state.add_pools();
    web->mutable_pool()->set_name("web");
    b1 = AddBackend(web, "b1");
    b2 = AddBackend(web, "b2");
    v1::Vip* vip = state.add_vips()->mutable_vip();
    vip->set_name("site");
    vip->set_pool("web");
  }
  std::vector<std::string> Kinds() const {
    v1::GetStatusResponse completed = status;
    CompleteVerdict(state, &completed);
    std::vector<std::string> kinds;
    for (const v1::Problem& problem : completed.problems()) kinds.push_back(problem.kind());
    return kinds;
  }
  std::string Text() const {
    v1::GetStatusResponse completed = status;
    CompleteVerdict(state, &completed);
    return VerdictText(completed);
  }

  v1::GetStatusResponse status;
  v1::GetStateResponse state;
  v1::PoolState* web;
  v1::BackendState *b1, *b2;
};

using Kinds = std::vector<std::string>;

}  // namespace

TEST_CASE("what is wrong, one thing at a time") {
  struct Case {
    const char* name;
    std::function<void(Fixture*)> break_it;
    Kinds kinds;
  };
  const std::vector<Case> cases = {
      {"nothing", [](Fixture*) {}, {}},
      {"no data plane",
       [](Fixture* f) { f->status.set_dataplane_connected(false); },
       {"dataplane-disconnected"}},
      {"refused",
       [](Fixture* f) { f->status.set_dataplane_problem("tables refused: memory"); },
       {"tables-refused"}},
      {"a commit on its way",
       [](Fixture* f) {
         f->status.set_wanted_generation(8);
         f->status.set_tables_behind_ms(kTablesBehindMs - 1);
       },
       {}},
      {"a commit that does not end",
       [](Fixture* f) {
         f->status.set_wanted_generation(8);
         f->status.set_tables_behind_ms(kTablesBehindMs);
       },
       {"tables-behind"}},
      {"unhealthy",
       [](Fixture* f) { f->b1->set_health(v1::HEALTH_UNHEALTHY); },
       {"backend-unhealthy"}},
      {"ejected", [](Fixture* f) { f->b1->set_health(v1::HEALTH_EJECTED); }, {"backend-ejected"}},
      {"unreachable", [](Fixture* f) { f->b1->set_unreachable(true); }, {"backend-unreachable"}},
      {"first probes", [](Fixture* f) { f->b1->set_health(v1::HEALTH_UNKNOWN); }, {}},
      {"never a verdict",
       [](Fixture* f) {
         f->b1->set_health(v1::HEALTH_UNKNOWN);
         f->b1->set_health_age_ms(kUnknownPatienceMs);
       },
       {"backend-unknown"}},
      {"all red and failed open",
       [](Fixture* f) {
         f->web->set_failed_open(true);
         f->b1->set_health(v1::HEALTH_UNHEALTHY);
         f->b2->set_health(v1::HEALTH_UNHEALTHY);
       },
       {"pool-failed-open"}},
      {"nobody has a share",
       [](Fixture* f) {
         f->b1->set_share(0);
         f->b2->set_share(0);
       },
       {"pool-empty"}},
      {"nobody has a share, while another pool settles",
       [](Fixture* f) {
         f->status.set_settling(true);
         f->b1->set_share(0);
         f->b2->set_share(0);
       },
       {"pool-empty"}},
      {"never a verdict, while another pool settles",
       [](Fixture* f) {
         f->status.set_settling(true);
         f->b1->set_health(v1::HEALTH_UNKNOWN);
         f->b1->set_health_age_ms(kUnknownPatienceMs);
       },
       {"backend-unknown"}},
      {"all unreachable",
       [](Fixture* f) {
         f->b1->set_unreachable(true);
         f->b2->set_unreachable(true);
       },
       {"pool-unreachable"}},
      {"all unreachable but one that is drained",
       [](Fixture* f) {
         f->b1->set_unreachable(true);
         f->b2->mutable_backend()->set_state(v1::DRAINED);
       },
       {"pool-unreachable"}},
      {"all unreachable, and probes say the same",
       [](Fixture* f) {
         f->web->set_failed_open(true);
         for (v1::BackendState* backend : {f->b1, f->b2}) {
           backend->set_unreachable(true);
           backend->set_health(v1::HEALTH_UNHEALTHY);
         }
       },
       {"pool-failed-open", "pool-unreachable"}},
      {"a component's own",
       [](Fixture* f) { AddProblem(ProblemKind::kAuditLog, "", "disk full", &f->status); },
       {"audit-log"}},
  };
  for (const Case& one : cases) {
    INFO(one.name);
    Fixture fixture;
    one.break_it(&fixture);
    CHECK(fixture.Kinds() == one.kinds);
    CHECK(fixture.Text().starts_with(one.kinds.empty() ? "all is well: " : "NOT WELL: "));
  }
}

TEST_CASE("a pool that settles itself is neither empty nor without verdicts") {
  Fixture fixture;
  fixture.status.set_settling(true);
  fixture.web->set_settling(true);
  for (v1::BackendState* backend : {fixture.b1, fixture.b2}) {
    backend->set_share(0);
    backend->set_health(v1::HEALTH_UNKNOWN);
    backend->set_health_age_ms(kUnknownPatienceMs);
  }
  CHECK(fixture.Kinds().empty());
  CHECK(fixture.Text().starts_with("first probes: "));
}

TEST_CASE("a pool without any way is critical, and names who cannot be reached") {
  Fixture fixture;
  fixture.b1->set_unreachable(true);
  CompleteVerdict(fixture.state, &fixture.status);
  CHECK_FALSE(IsCritical(fixture.status));
  fixture.status.clear_problems();
  fixture.b2->set_unreachable(true);
  CHECK(fixture.Text() ==
        "NOT WELL: pool web: no next hop to any backend: b1 (no route), b2 (no route)");
  CompleteVerdict(fixture.state, &fixture.status);
  CHECK(IsCritical(fixture.status));
}

TEST_CASE("what is out on purpose is no problem") {
  for (const v1::AdminState admin : {v1::DRAINED, v1::DISABLED}) {
    Fixture fixture;
    fixture.b1->mutable_backend()->set_state(admin);
    fixture.b1->set_health(v1::HEALTH_UNHEALTHY);
    fixture.b1->set_unreachable(true);
    fixture.b1->set_share(0);
    CHECK(fixture.Kinds().empty());
    CHECK(fixture.Text() ==
          "all is well: 1 VIP, 1 pool, 1 of 1 backend healthy, 1 not meant to take flows");
  }
  Fixture fixture;
  fixture.b1->mutable_backend()->set_weight(0);
  fixture.b1->set_health(v1::HEALTH_UNHEALTHY);
  CHECK(fixture.Kinds().empty());
}

TEST_CASE("a pool that no VIP leads to cannot be empty or open") {
  Fixture fixture;
  fixture.state.clear_vips();
  fixture.b1->set_share(0);
  fixture.b2->set_share(0);
  fixture.web->set_failed_open(true);
  CHECK(fixture.Kinds().empty());
  fixture.b1->set_unreachable(true);
  fixture.b2->set_unreachable(true);
  CHECK(fixture.Kinds() == Kinds{"backend-unreachable"});
}

TEST_CASE("without a data plane nobody knows who can be reached") {
  Fixture fixture;
  fixture.status.set_dataplane_connected(false);
  fixture.b1->set_unreachable(true);
  fixture.b2->set_unreachable(true);
  CHECK(fixture.Kinds() == Kinds{"dataplane-disconnected"});
}

TEST_CASE("the worst comes first, and decides whether it is critical") {
  Fixture fixture;
  AddProblem(ProblemKind::kAuditLog, "", "disk full", &fixture.status);
  fixture.b1->set_health(v1::HEALTH_UNHEALTHY);
  CHECK_FALSE(IsCritical(fixture.status));
  fixture.status.set_dataplane_connected(false);
  CHECK(fixture.Kinds() == Kinds{"dataplane-disconnected", "audit-log", "backend-unhealthy"});
  CompleteVerdict(fixture.state, &fixture.status);
  CHECK(IsCritical(fixture.status));
}

TEST_CASE("only what is probed, well and reachable counts as healthy") {
  Fixture fixture;
  AddBackend(fixture.web, "b3")->set_health(v1::HEALTH_UNPROBED);
  AddBackend(fixture.web, "b4")->set_unreachable(true);
  AddBackend(fixture.web, "b5")->set_health(v1::HEALTH_UNHEALTHY);
  AddBackend(fixture.web, "b6")->mutable_backend()->set_state(v1::DRAINED);
  const v1::ServingCounts counts = CountBackends(*fixture.web);
  CHECK(BackendsText(counts) ==
        "2 of 5 backends healthy, 1 not probed, 1 unhealthy, 1 unreachable, 1 not meant to take "
        "flows");
  CHECK(counts.meant_backends() == counts.serving_backends() + counts.unprobed_backends() +
                                       counts.unhealthy_backends() + counts.unreachable_backends());
  for (v1::BackendState& backend : *fixture.web->mutable_backends()) {
    backend.set_health(v1::HEALTH_UNPROBED);
    backend.set_unreachable(false);
  }
  CHECK(BackendsText(CountBackends(*fixture.web)) ==
        "5 backends not probed, 1 not meant to take flows");
}

TEST_CASE("kinds have names of their own, and say what to do") {
  std::map<std::string, int> names;
  for (const ProblemKindInfo& info : AllProblemKinds()) {
    INFO(info.name);
    CHECK(++names[info.name] == 1);
    CHECK(std::string(info.meaning).size() > 10);
    CHECK(std::string(info.remedy).size() > 10);
  }
}

}  // namespace guideway
