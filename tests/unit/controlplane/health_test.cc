// The health state machine and the settle rule, by table and with a clock that the test sets.
#include <catch2/catch.hpp>

#include "controlplane/health/settling.h"
#include "controlplane/health/state_machine.h"
#include "tests/unit/controlplane/health_letter.h"

namespace guideway {
namespace {

TEST_CASE("health: results in, states out") {
  struct Row {
    uint32_t rise, fall;
    const char* results;  // + success, - failure
    const char* states;   // after each: ? unknown, H healthy, U unhealthy
  };
  const auto row = GENERATE(values<Row>({
      {2, 3, "+", "H"},      // the first success decides
      {2, 3, "---", "??U"},  // failures need their number
      {2, 3, "--+", "??H"},
      {2, 3, "+--+--+---", "HHHHHHHHHU"},  // only failures in a row count
      {2, 3, "---+-+-++", "??UUUUUUH"},    // only successes in a row count
      {2, 3, "---++--+---", "??UUHHHHHHU"},
      {1, 1, "+-+-", "HUHU"},
      {3, 2, "--+++--", "?UUUHHU"},
      {5, 2, "+--++++-+++++", "HHUUUUUUUUUUH"},
  }));
  HealthStateMachine health(row.rise, row.fall, absl::Seconds(100));
  absl::Duration now = absl::Seconds(100);
  absl::Duration since = now;
  HealthState last = HealthState::kUnknown;
  for (size_t i = 0; row.results[i] != '\0'; ++i) {
    now += absl::Seconds(5);
    INFO(row.results << " after " << i + 1);
    const bool changed = health.Record(row.results[i] == '+', "reason", now);
    CHECK(Letter(health.state()) == row.states[i]);
    CHECK(changed == (health.state() != last));
    if (changed) since = now;
    last = health.state();
    CHECK(health.since() == since);
  }
}

TEST_CASE("health: the reason is the last result's, new thresholds keep the state") {
  HealthStateMachine health(2, 3, absl::ZeroDuration());
  CHECK(health.reason().empty());
  health.Record(true, "HTTP status 200", absl::Seconds(1));
  health.Record(false, "HTTP status 503", absl::Seconds(2));
  CHECK(health.reason() == "HTTP status 503");
  health.SetThresholds(1, 2);
  CHECK(health.state() == HealthState::kHealthy);
  CHECK(health.Record(false, "HTTP status 503", absl::Seconds(3)));
}

TEST_CASE("settling: until every backend of the pool's first sight has a verdict") {
  Settling settling;
  std::set<std::string> verdicts;
  const auto has = [&](const std::string& key) { return verdicts.contains(key); };
  settling.SetPools({{"a", {"a1", "a2"}}, {"b", {}}}, absl::Seconds(20), absl::Seconds(1));
  CHECK(settling.IsSettling("a"));
  CHECK(settling.NextDeadline() == absl::Seconds(21));
  CHECK(settling.Update(has, absl::Seconds(1)));
  CHECK_FALSE(settling.IsSettling("b"));  // nothing to wait for
  verdicts.insert("a1");
  CHECK_FALSE(settling.Update(has, absl::Seconds(2)));
  CHECK(settling.AnySettling());

  SECTION("the last verdict ends it") {
    verdicts.insert("a2");
    CHECK(settling.Update(has, absl::Seconds(3)));
    CHECK_FALSE(settling.AnySettling());
    CHECK(settling.NextDeadline() == absl::InfiniteDuration());
  }
  SECTION("the settle time ends it") {
    CHECK_FALSE(settling.Update(has, absl::Seconds(20.9)));
    CHECK(settling.Update(has, absl::Seconds(21)));
    CHECK_FALSE(settling.IsSettling("a"));
  }
  SECTION("a backend that leaves is not waited for, one that comes neither") {
    settling.SetPools({{"a", {"a1", "a3"}}, {"b", {}}}, absl::Seconds(20), absl::Seconds(4));
    CHECK(settling.Update(has, absl::Seconds(4)));
    CHECK_FALSE(settling.AnySettling());
  }
  SECTION("a pool that gets its first probe settles anew") {
    settling.SetPools({{"a", {"a1", "a2"}}, {"b", {"b1"}}}, absl::Seconds(20), absl::Seconds(5));
    CHECK(settling.IsSettling("b"));
    verdicts.insert("b1");
    CHECK(settling.Update(has, absl::Seconds(6)));
    CHECK_FALSE(settling.IsSettling("b"));
  }
  SECTION("a pool that comes back settles anew") {
    settling.SetPools({{"b", {}}}, absl::Seconds(20), absl::Seconds(4));
    settling.SetPools({{"a", {"a1", "a2"}}, {"b", {}}}, absl::Seconds(20), absl::Seconds(5));
    CHECK(settling.IsSettling("a"));
    CHECK(settling.NextDeadline() == absl::Seconds(25));
  }
}

TEST_CASE("a probe that could not be run says so and changes nothing else") {
  HealthStateMachine health(2, 2, absl::Seconds(1));
  CHECK(health.Record(true, "connected", absl::Seconds(2)));
  CHECK(!health.Record(false, "refused", absl::Seconds(3)));
  CHECK(!health.not_run());
  CHECK(health.RecordNotRun("no device"));
  CHECK(!health.RecordNotRun("no device"));  // no news
  CHECK(health.not_run());
  CHECK(health.state() == HealthState::kHealthy);
  CHECK(health.since() == absl::Seconds(2));
  CHECK(health.reason() == "not probed: no device");
  // It neither was a failure nor broke the row of failures.
  CHECK(health.Record(false, "refused", absl::Seconds(4)));
  CHECK(health.state() == HealthState::kUnhealthy);
  CHECK(!health.not_run());
  CHECK(health.reason() == "refused");
}

}  // namespace
}  // namespace guideway
