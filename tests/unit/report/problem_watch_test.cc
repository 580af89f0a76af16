// Problems are told when they come, change and go, once each.
#include "controlplane/report/problem_watch.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "controlplane/report/problem.h"

namespace guideway {
namespace {

// Runs on the test's own thread: each look puts the next wrong thing in place, the last one stops.
struct Fixture {
  explicit Fixture(std::vector<std::string> problem_texts) : texts(std::move(problem_texts)) {}

  ProblemWatchHooks Hooks() {
    return {[this](int, StateCursor* cursor, v1::GetStateResponse*) {
              return ++cursor->pool == kTurns;
            },
            [this](v1::GetStatusResponse* status) {
              status->set_dataplane_connected(true);
              if (look < texts.size() && !texts[look].empty()) {
                AddProblem(ProblemKind::kAuditLog, "audit.log", texts[look], status);
              }
              if (++look > texts.size()) loop.Stop();
            },
            [this](const v1::WatchEvent& event) {
              std::string all;
              for (const v1::Problem& problem : event.problems().problems()) all += problem.text();
              told.push_back(all);
            },
            nullptr};
  }

  static constexpr int kTurns = 3;
  const std::vector<std::string> texts;
  EventLoop loop;
  size_t look = 0;
  std::vector<std::string> told;
};

}  // namespace

TEST_CASE("watchers hear of each change once") {
  Fixture fixture({"", "disk full", "disk full", "no such directory", ""});
  const ProblemWatch watch(&fixture.loop, fixture.Hooks());
  fixture.loop.Run();
  CHECK(fixture.told == std::vector<std::string>{"disk full", "no such directory", ""});
}

TEST_CASE("what is urgent is told at once, not with the next second") {
  EventLoop loop;
  bool hangs = false;
  absl::Duration told_at = absl::InfiniteDuration();
  const auto fill = [&](v1::GetStatusResponse* status) {
    status->set_dataplane_connected(true);
    if (hangs) AddProblem(ProblemKind::kDataplaneHung, "data plane", "it does not move", status);
  };
  const ProblemWatch watch(&loop,
                           {[](int, StateCursor*, v1::GetStateResponse*) { return true; }, fill,
                            [&](const v1::WatchEvent&) {
                              told_at = loop.Now();
                              loop.Stop();
                            },
                            fill});
  const absl::Duration began = loop.Now();
  loop.After(absl::Milliseconds(50), [&] { hangs = true; });
  loop.Run();
  CHECK(told_at - began < ProblemWatch::kInterval * 2 / 3);
}

}  // namespace guideway
