// What is made of probes' verdicts, by table and with a clock that the test sets: several probes,
// the limit on ejections, orders by hand, announcing. And how many probes run at once.
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/health/announcing.h"
#include "controlplane/health/backend_health.h"
#include "controlplane/health/ejection_limiter.h"
#include "controlplane/health/overrides.h"
#include "controlplane/health/probe_gate.h"
#include "tests/unit/controlplane/health_letter.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {
namespace {

std::vector<BackendHealth::ProbeSetting> Settings(size_t count) {
  std::vector<BackendHealth::ProbeSetting> settings;
  for (size_t i = 0; i < count; ++i) {
    settings.push_back({absl::StrCat("probe ", i), absl::StrCat("tcp ", i), 2, 2});
  }
  return settings;
}

ProbeResult Good() { return {ProbeResult::Outcome::kSuccess, "connected"}; }
ProbeResult Bad() { return {ProbeResult::Outcome::kFailure, "refused"}; }

TEST_CASE("health of several probes: results in, states out") {
  struct Row {
    size_t probes;
    bool any;
    const char* results;  // "0+ 1-": probe 0 succeeds, probe 1 fails
    const char* states;   // after each
  };
  const auto row = GENERATE(values<Row>({
      {1, false, "0+ 0- 0- 0+ 0+", "HHUUH"},
      {1, true, "0+ 0- 0- 0+ 0+", "HHUUH"},
      // All needed: nothing is known before the last; one is enough for unhealthy.
      {2, false, "0+ 1+ 0- 0- 1+ 0+ 0+", "?HHUUUH"},
      {2, false, "0- 0- 1+ 1+ 0+ 0+", "?UUUUH"},
      {2, false, "0+ 0+ 0+ 1- 1- 1+ 1+", "????UUH"},
      {3, false, "0+ 1+ 2+ 2- 2- 1- 1- 2+ 2+ 1+ 1+", "??HHUUUUUUH"},
      // Any suffices: one is enough for healthy; unhealthy when all are.
      {2, true, "0+ 1- 1- 0- 0- 1+ 1+", "HHHHUUH"},
      {2, true, "0- 0- 1- 1-", "???U"},
      {2, true, "0- 0- 1+ 1- 1-", "??HHU"},
      {3, true, "0+ 0- 0- 1- 1- 2- 2- 2+ 2+", "HHHHHHUUH"},
  }));
  BackendHealth health(absl::Seconds(100));
  health.SetProbes(Settings(row.probes), row.any, absl::Seconds(100));
  absl::Duration now = absl::Seconds(100);
  absl::Duration since = now;
  char last = '?';
  size_t step = 0;
  const std::vector<std::string> results = absl::StrSplit(row.results, ' ');
  for (const std::string& result : results) {
    now += absl::Seconds(5);
    INFO(row.probes << " probes, " << (row.any ? "any" : "all") << ": " << row.results << " after "
                    << step + 1);
    const bool changed =
        health.Record(static_cast<size_t>(result[0] - '0'), result[1] == '+' ? Good() : Bad(), now);
    CHECK(Letter(health.state()) == row.states[step]);
    CHECK(changed == (row.states[step] != last));
    last = row.states[step++];
    if (changed) since = now;
    CHECK(health.since() == since);
  }
  CHECK(row.states[step] == '\0');
}

TEST_CASE("health stays when probes change, until the new ones tell") {
  BackendHealth health(absl::ZeroDuration());
  health.SetProbes(Settings(1), false, absl::Seconds(1));
  CHECK(health.Record(0, Good(), absl::Seconds(2)));
  CHECK(health.reason() == "connected");
  health.SetProbes(Settings(2), false, absl::Seconds(3));
  CHECK(health.state() == HealthState::kHealthy);
  CHECK(health.since() == absl::Seconds(2));
  CHECK(health.reason() == "tcp 0 no result yet; tcp 1 no result yet");
  CHECK(!health.Record(1, Bad(), absl::Seconds(4)));
  // The same probes again, with another threshold: what was counted stays.
  auto settings = Settings(2);
  settings[1].fall = 3;
  health.SetProbes(settings, false, absl::Seconds(5));
  CHECK(!health.Record(1, Bad(), absl::Seconds(6)));
  CHECK(health.Record(1, Bad(), absl::Seconds(7)));
  CHECK(health.state() == HealthState::kUnhealthy);
  CHECK(health.reason() == "tcp 0 no result yet; tcp 1 refused");
  CHECK(!health.not_run());
  CHECK(health.RecordNotRun(0, {ProbeResult::Outcome::kNotRun, "no device"}));
  CHECK(health.not_run());
}

TEST_CASE("whether one probe suffices can be changed: each begins as the whole was") {
  BackendHealth health(absl::ZeroDuration());
  health.SetProbes(Settings(2), /*any_suffices=*/false, absl::Seconds(1));
  health.Record(0, Good(), absl::Seconds(2));
  health.Record(1, Bad(), absl::Seconds(2));
  health.Record(1, Bad(), absl::Seconds(3));
  REQUIRE(health.state() == HealthState::kUnhealthy);
  health.SetProbes(Settings(2), /*any_suffices=*/true, absl::Seconds(4));
  CHECK(health.state() == HealthState::kUnhealthy);
  health.Record(0, Good(), absl::Seconds(5));
  CHECK(health.Record(0, Good(), absl::Seconds(6)));
  CHECK(health.state() == HealthState::kHealthy);
}

TEST_CASE("the limit on ejections: states in, who is held out") {
  // Ten backends a..j, 30 % in 60 s: three at once.
  struct Row {
    uint32_t percent;
    // At each step: seconds, and a state for each backend.
    std::vector<std::pair<int, std::string>> steps;
    std::vector<std::string> held;
    std::vector<int> next_room;  // seconds; 0: never
  };
  const std::vector<Row> rows = {
      // Who was never healthy is not held.
      {30, {{0, "UUUUUUUUUU"}}, {""}, {0}},
      {30,
       {{0, "HHHHHHHHHH"},
        {1, "UUHHHHHHHH"},
        {2, "UUUUUHHHHH"},
        {60, "UUUUUHHHHH"},
        {61, "UUUUUHHHHH"}},
       {"", "", "de", "de", ""},
       {0, 0, 61, 61, 0}},
      // The prober's link breaks: all at once, and it is mended.
      {30,
       {{0, "HHHHHHHHHH"},
        {1, "UUUUUUUUUU"},
        {61, "UUUUUUUUUU"},
        {70, "HHHHHHHHHH"},
        {71, "UHHHHHHHHH"}},
       {"", "defghij", "ghij", "", "a"},
       {0, 61, 121, 0, 121}},
      // At least one; the other waits.
      {1, {{0, "HHHHHHHHHH"}, {1, "HHHHHUUHHH"}, {61, "HHHHHUUHHH"}}, {"", "g", ""}, {0, 61, 0}},
      {100, {{0, "HHHHHHHHHH"}, {1, "UUUUUUUUUU"}}, {"", ""}, {0, 0}},
  };
  for (const Row& row : rows) {
    EjectionLimiter limiter;
    EjectionLimiter::Limit limit{row.percent, absl::Seconds(60), {}};
    for (char c = 'a'; c <= 'j'; ++c) limit.keys.insert(std::string(1, c));
    limiter.SetPools({{"web", limit}});
    for (size_t i = 0; i < row.steps.size(); ++i) {
      const auto& [seconds, states] = row.steps[i];
      limiter.Update(
          [&states = states](const std::string& key) {
            return states[static_cast<size_t>(key[0] - 'a')] == 'H' ? HealthState::kHealthy
                                                                    : HealthState::kUnhealthy;
          },
          absl::Seconds(seconds));
      INFO(row.percent << " % after " << seconds << " s: " << states);
      std::string held;
      for (char c = 'a'; c <= 'j'; ++c) {
        if (limiter.IsHeld(std::string(1, c))) held.push_back(c);
      }
      CHECK(held == row.held[i]);
      CHECK(limiter.held_count() == held.size());
      CHECK(limiter.NextRoom() ==
            (row.next_room[i] == 0 ? absl::InfiniteDuration() : absl::Seconds(row.next_room[i])));
      limiter.SetPools({{"web", limit}});  // a change of something else
    }
    limiter.SetPools({});
    CHECK(limiter.held_count() == 0);
  }
}

TEST_CASE("the limit on ejections: a backend that was removed comes back as a new one") {
  EjectionLimiter limiter;
  const EjectionLimiter::Limit with{50, absl::Seconds(60), {"a", "b"}};
  const EjectionLimiter::Limit without{50, absl::Seconds(60), {"b"}};
  const auto all = [](HealthState state) { return [state](const std::string&) { return state; }; };
  limiter.SetPools({{"web", with}});
  limiter.Update(all(HealthState::kHealthy), absl::Seconds(0));
  limiter.SetPools({{"web", without}});
  limiter.SetPools({{"web", with}});
  // The new one was never healthy, and takes no room from the other.
  limiter.Update(all(HealthState::kUnhealthy), absl::Seconds(1));
  CHECK(limiter.held_count() == 0);
}

TEST_CASE("the limit on ejections outlasts new names and restarts, by address") {
  std::map<std::string, HealthState> states;
  const auto state_of = [&](const std::string& key) { return states.at(key); };
  const auto limit_of = [&](const std::string& pool) {
    EjectionLimiter::Limit limit{25, absl::Seconds(60), {}};
    for (const char* address : {"a", "b", "c", "d"}) {
      const std::string key = absl::StrCat(pool, "/x/", address);
      limit.keys.insert(key);
      states.emplace(key, HealthState::kHealthy);
    }
    return limit;
  };
  EjectionLimiter limiter;
  limiter.SetPool("web", limit_of("web"));
  limiter.Update(state_of, absl::Seconds(1000));
  for (const char* key : {"web/x/a", "web/x/b", "web/x/c"}) states[key] = HealthState::kUnhealthy;
  limiter.Update(state_of, absl::Seconds(1001));
  REQUIRE(limiter.Held() == std::set<std::string>{"web/x/b", "web/x/c"});
  const EjectionLimiter::Limit renamed = limit_of("new");
  for (const char* key : {"new/x/a", "new/x/b", "new/x/c"}) states[key] = HealthState::kUnhealthy;
  EjectionLimiter again;
  const bool restart = GENERATE(false, true);
  if (restart) {
    again.Remember(limiter.Held(), absl::Seconds(1010));
    CHECK(again.Held() == limiter.Held());
  } else {
    std::swap(again, limiter);
  }
  again.SetPool("new", renamed);
  again.RemovePool("web");
  again.Update(state_of, absl::Seconds(1010));
  CHECK(again.IsHeld("new/x/b"));
  CHECK(again.IsHeld("new/x/c"));
  CHECK_FALSE(again.IsHeld("new/x/a"));  // was out before
  again.Update(state_of, absl::Seconds(1070));
  CHECK(again.held_count() == 1);  // one in each interval
  again.Update(state_of, absl::Seconds(1130));
  CHECK(again.held_count() == 0);
}

TEST_CASE("the limit on ejections: who is out of one pool is not held for another one") {
  std::map<std::string, HealthState> states = {{"a/x/1", HealthState::kHealthy},
                                               {"a/x/2", HealthState::kHealthy},
                                               {"b/x/2", HealthState::kUnhealthy}};
  const auto state_of = [&](const std::string& key) { return states.at(key); };
  EjectionLimiter limiter;
  limiter.SetPool("a", {50, absl::Seconds(60), {"a/x/1", "a/x/2"}});
  limiter.Update(state_of, absl::Seconds(1000));
  states["a/x/1"] = states["a/x/2"] = HealthState::kUnhealthy;
  limiter.Update(state_of, absl::Seconds(1001));
  REQUIRE(limiter.IsHeld("a/x/2"));
  const auto is_configured = [&](const std::string& key) { return states.contains(key); };
  if (GENERATE(false, true)) {
    const std::set<std::string> held = limiter.Held();
    limiter = EjectionLimiter();
    limiter.Remember(held, absl::Seconds(1002));
    limiter.SetPool("a", {50, absl::Seconds(60), {"a/x/1", "a/x/2"}}, is_configured);
  }
  limiter.SetPool("b", {50, absl::Seconds(60), {"b/x/2"}}, is_configured);
  limiter.Update(state_of, absl::Seconds(1003));
  CHECK(limiter.IsHeld("a/x/2"));
  CHECK_FALSE(limiter.IsHeld("b/x/2"));
}

TEST_CASE("announcing: low and high mark") {
  struct Row {
    uint32_t below, from;
    const char* healthy;  // of ten, at each step; T: ten
    const char* announced;
  };
  const auto row = GENERATE(values<Row>({
      {0, 0, "T0", "yy"},                  // whatever health says
      {1, 0, "T10", "yyn"},                // as soon as nobody is healthy
      {50, 80, "T54784578", "yynnynnny"},  // back from 80 % on
      {50, 0, "T545", "yyny"},             // one mark
      {100, 100, "T9T", "yny"},
      {50, 30, "T4345", "ynnny"},  // a high mark below the low one does not count
  }));
  Announcing announcing;
  announcing.SetVips({{"v", {row.below, row.from}}});
  CHECK(announcing.IsAnnounced("v"));
  CHECK(!announcing.IsAnnounced("w"));
  bool last = true;
  for (size_t i = 0; row.healthy[i] != '\0'; ++i) {
    const uint32_t healthy =
        row.healthy[i] == 'T' ? 10 : static_cast<uint32_t>(row.healthy[i] - '0');
    INFO(row.below << "/" << row.from << " " << row.healthy << " after " << i + 1);
    const bool changed = announcing.Update("v", healthy, 10);
    const bool announced = announcing.IsAnnounced("v");
    CHECK((announced ? 'y' : 'n') == row.announced[i]);
    CHECK(changed == (announced != last));
    last = announced;
    announcing.SetVips({{"v", {row.below, row.from}}});  // keeps the state
  }
}

TEST_CASE("announcing: shares are not rounded, an empty pool has none") {
  Announcing announcing;
  announcing.SetVips({{"v", {34, 0}}, {"w", {33, 0}}, {"x", {1, 0}}, {"y", {0, 0}}});
  announcing.Update("v", 1, 3);
  announcing.Update("w", 1, 3);
  announcing.Update("x", 0, 0);
  announcing.Update("y", 0, 0);
  CHECK(!announcing.IsAnnounced("v"));
  CHECK(announcing.IsAnnounced("w"));
  CHECK(!announcing.IsAnnounced("x"));
  CHECK(announcing.IsAnnounced("y"));
}

TEST_CASE("orders by hand: kept as text, forgotten with what they are about") {
  HealthOverrides overrides;
  CHECK(overrides.Force({"web", "a"}, true));
  CHECK(!overrides.Force({"web", "a"}, true));
  CHECK(overrides.Force({"web", "a"}, false));
  CHECK(overrides.Force({"dns", "b"}, true));
  CHECK(!overrides.Force({"dns", "c"}, std::nullopt));
  CHECK(overrides.Pause("web", true));
  CHECK(!overrides.Pause("web", true));
  CHECK(overrides.ToText() == "force dns b healthy\nforce web a unhealthy\n");
  HealthOverrides again;
  REQUIRE(again.FromText(overrides.ToText()).ok());
  CHECK(again.forced() == overrides.forced());
  CHECK(!again.IsPaused("web"));  // pauses end with the process
  CHECK(!again.FromText("force dns b well\n").ok());
  CHECK(!again.FromText("force dns b healthy\nx\n").ok());
  CHECK(again.forced() == overrides.forced());
  CHECK(overrides.Retain({"web"}, {{"web", "a"}}));
  CHECK(!overrides.Retain({"web"}, {{"web", "a"}}));
  CHECK(overrides.Forced({"web", "a"}) == false);
  CHECK(!overrides.Forced({"dns", "b"}).has_value());
  CHECK(overrides.Retain({}, {}));
  CHECK(!overrides.IsPaused("web"));
}

TEST_CASE("the gate: first come, first served; those that wait for a backend make room") {
  LoopThread thread;
  std::unique_ptr<ProbeGate> gate;
  std::vector<std::shared_ptr<ProbeGate::Pass>> passes;
  std::vector<std::shared_ptr<void>> tickets;
  const auto ask = [&](ProbeGate::Lane lane, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      tickets.push_back(gate->Ask(
          lane, [&](std::shared_ptr<ProbeGate::Pass> pass) { passes.push_back(std::move(pass)); }));
    }
  };
  const size_t room = ProbeGate::kRoom[ProbeGate::kNetwork];
  const size_t programs = ProbeGate::kRoom[ProbeGate::kProgram];
  thread.On([&] {
    gate = std::make_unique<ProbeGate>(thread.loop(), room * 2);
    ask(ProbeGate::kNetwork, room + 10);
    CHECK(passes.size() == room);  // the rest waits
    tickets.pop_back();            // and one of them no longer
    passes.pop_back();
  });
  CHECK(thread.Await([&] { return passes.size() == room; }));  // one for the one that left
  // Young ones age, though none has ended.
  CHECK(thread.Await([&] { return passes.size() == room + 8; }));
  thread.On([&] {
    CHECK(gate->Lateness() == absl::ZeroDuration());
    passes.clear();
    tickets.clear();
    ask(ProbeGate::kProgram, programs + 1);
    CHECK(passes.size() == programs);
  });
  // Programs do not age.
  CHECK(!thread.Await([&] { return passes.size() > programs; }, ProbeGate::kYoung * 2));
  thread.On([&] {
    CHECK(gate->Lateness() >= ProbeGate::kYoung * 2);
    passes.pop_back();
  });
  CHECK(thread.Await([&] { return passes.size() == programs; }));
  thread.On([&] {
    passes.clear();
    tickets.clear();
    gate.reset();
  });
}

}  // namespace
}  // namespace guideway
