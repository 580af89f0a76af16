// Kept versions: the power fails at every write, versions wait for confirmation.
#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "controlplane/event_loop.h"
#include "controlplane/rollback_timer.h"
#include "tests/unit/controlplane/power_loss.h"
#include "tests/unit/controlplane/version_fixture.h"

namespace guideway {
namespace {

TEST_CASE_METHOD(VersionFixture, "the power fails at every step of every kind of write") {
  Open();
  for (uint32_t weight = 1; weight <= 6; ++weight) REQUIRE(SetWeight(weight).ok());
  // A few versions only, so that old ones are forgotten within the write as well.
  v1::Config few = store->config();
  few.mutable_change_safety()->set_kept_versions(3);
  REQUIRE(store->Replace(few, false, false).ok());
  REQUIRE(weight() == 6);
  const uint64_t version = store->version();
  const PowerLoss::Files before = Files();
  REQUIRE(before.size() == 4);  // with the newest one's copy

  enum { kChange, kTakenBack, kUnconfirmed };
  for (const int kind : {kChange, kTakenBack, kUnconfirmed}) {
    bool finished = false;
    int lost = 0;
    for (int steps = 0; !finished; ++steps) {
      CAPTURE(kind, steps);
      Materialize(before);
      PowerLoss failing(Files(), 1'000'000);
      operations = &failing;
      Open();  // which writes, too
      const ConfigStore::Snapshot snapshot = store->TakeSnapshot();
      failing.CountFromHere(steps);
      const bool accepted =
          SetWeight(7, kind == kUnconfirmed ? absl::Seconds(60) : absl::ZeroDuration()).ok();
      if (accepted && kind == kTakenBack) store->Restore(snapshot);
      finished = !failing.power_lost();
      lost += finished ? 0 : 1;
      const bool acknowledged = accepted && kind != kTakenBack;
      store.reset();
      operations = FileOperations::System();
      for (const PowerLoss::Files& outcome : failing.Outcomes()) {
        Materialize(outcome);
        Open();
        // The old one or the new one, whole; the new one for sure once it was acknowledged; and
        // never less than that: what was there before is still in the history.
        const bool is_new = weight() == 7;
        CHECK((is_new || weight() == 6));
        CHECK(store->config().pools(0).backends_size() == 4);
        if (acknowledged) CHECK(is_new);
        if (finished && kind == kTakenBack) CHECK(!is_new);
        CHECK(store->version() == version + (is_new ? 1 : 0));
        CHECK(store->unconfirmed().has_value() == (is_new && kind == kUnconfirmed));
        CHECK(store->Problems().empty());
        const auto history = store->History();
        CHECK(history.size() >= 2);
        for (const auto& [number, info] : history) CHECK(info.ok());
        store.reset();
      }
    }
    CHECK(lost >= 6);  // open, writes, fsync, rename, open and fsync of the folder
  }
}

TEST_CASE_METHOD(VersionFixture, "so many versions are kept, and any of them can come back") {
  Open();
  v1::Config few = store->config();
  few.mutable_change_safety()->set_kept_versions(4);
  REQUIRE(store->Replace(few, false, false).ok());
  for (uint32_t weight = 1; weight <= 5; ++weight) {
    store->SetOrigin("uid 7", "SetBackend");
    REQUIRE(SetWeight(weight).ok());
  }
  const auto history = store->History();
  REQUIRE(history.size() == 4);
  CHECK(history[0].first == 7);
  CHECK(history[3].first == 4);
  CHECK(history[0].second->who == "uid 7");
  CHECK(history[0].second->action == "SetBackend");
  CHECK(history[0].second->note == "pool web: backend web-1: weight 4 -> 5");
  CHECK(absl::IsNotFound(store->RollBack(3, {}).status()));
  const auto change = store->RollBack(5, {});
  REQUIRE(change.ok());
  CHECK(change->changes == std::vector<std::string>{"pool web: backend web-1: weight 5 -> 3"});
  CHECK(weight() == 3);
  CHECK(store->version() == 8);
  CHECK(store->History()[0].second->note ==
        "back to version 5: pool web: backend web-1: weight 5 -> 3");
}

TEST_CASE_METHOD(VersionFixture, "a version that was taken back does not come back at a start") {
  Open();
  const ConfigStore::Snapshot before = store->TakeSnapshot();
  REQUIRE(SetWeight(7).ok());
  store->Restore(before);
  CHECK(!std::filesystem::exists(PathOf(2)));
  Open();
  CHECK(weight() == 100);
}

TEST_CASE_METHOD(VersionFixture,
                 "an unconfirmed version blocks other changes until it is settled") {
  Open();
  REQUIRE(SetWeight(7, absl::Seconds(60)).ok());
  CHECK(store->unconfirmed()->rollback_to == 1);
  const auto refused = SetWeight(8);
  CHECK(refused.status().message() ==
        "version 2 awaits its confirmation: `guideway confirm` keeps it, `guideway rollback 1` "
        "takes it back");
  CHECK(absl::IsFailedPrecondition(store->Reload().status()));
  SECTION("confirmed") {
    REQUIRE(store->Confirm().ok());
    CHECK(absl::IsFailedPrecondition(store->Confirm().status()));
    CHECK(SetWeight(8).ok());
    CHECK(absl::IsFailedPrecondition(store->RollBackUnconfirmed().status()));
    CHECK(weight() == 8);
  }
  SECTION("rolled back by hand") {
    REQUIRE(store->RollBack(1, {}).ok());
    CHECK(weight() == 100);
    CHECK(!store->unconfirmed().has_value());
  }
  SECTION("rolled back by itself, also if nothing can be kept") {
    std::filesystem::create_directory(state + "/versions/next.new");
    REQUIRE(store->RollBackUnconfirmed().ok());
    CHECK(weight() == 100);
    CHECK(store->version() == 3);
    CHECK(absl::StartsWith(store->last_rollback(),
                           "version 2 was not confirmed within 1m: back to version 1, at "));
    for (const ProblemNote& problem : store->Problems()) UNSCOPED_INFO(problem.text);
    CHECK(store->Problems().size() == 1);
  }
  SECTION("confirmed, but that cannot be kept: it stays as it was") {
    std::filesystem::create_directory(state + "/versions/next.new");
    CHECK(!store->Confirm().ok());
    CHECK(store->unconfirmed().has_value());
  }
  SECTION("times out of range") {
    REQUIRE(store->Confirm().ok());
    CHECK(absl::IsInvalidArgument(SetWeight(9, absl::Milliseconds(999)).status()));
    CHECK(absl::IsInvalidArgument(SetWeight(9, absl::Hours(25)).status()));
    CHECK(absl::IsInvalidArgument(SetWeight(9, -absl::Seconds(5)).status()));
    CHECK(weight() == 7);
  }
}

TEST_CASE_METHOD(VersionFixture, "a deadline outlasts a restart") {
  Open();
  REQUIRE(SetWeight(7, absl::Seconds(1)).ok());
  const absl::Time deadline = store->unconfirmed()->deadline;
  Open();
  CHECK(weight() == 7);
  REQUIRE(store->unconfirmed().has_value());
  CHECK(absl::AbsDuration(store->unconfirmed()->deadline - deadline) < absl::Milliseconds(2));
  // Over while nothing runs.
  store.reset();
  absl::SleepFor(deadline + absl::Milliseconds(5) - absl::Now());
  Open();
  CHECK(weight() == 100);
  CHECK(store->version() == 3);
  CHECK(absl::StrContains(store->last_rollback(), "back to version 1"));
  Open();
  CHECK(weight() == 100);
  CHECK(store->source() == file);
}

TEST_CASE_METHOD(VersionFixture,
                 "without a confirmation the timer rolls back, also after a restart") {
  for (const bool restart : {false, true}) {
    Open();
    EventLoop loop;
    AuditLog audit(directory.File("audit.log"));
    std::vector<uint32_t> in_force;
    const auto set_config = [&](const v1::Config& config, const CommitDone& done) {
      in_force.push_back(config.pools(0).backends(0).weight());
      done({});
      if (in_force.back() == 100) loop.Stop();
    };
    auto changer = std::make_unique<ConfigChanger>(store.get(), set_config, &audit);
    auto timer = std::make_unique<RollbackTimer>(&loop, store.get(), changer.get());
    changer->SetOnChange([&] { timer->Update(); });
    changer->Run(
        {PeerIdentity::System(), "Apply"},
        [&](ConfigStore*) { return SetWeight(7, absl::Seconds(1)); }, [](const auto&) {});
    REQUIRE(weight() == 7);
    if (restart) {
      timer.reset();
      Open();
      changer = std::make_unique<ConfigChanger>(store.get(), set_config, &audit);
      timer = std::make_unique<RollbackTimer>(&loop, store.get(), changer.get());
      changer->SetOnChange([&] { timer->Update(); });
    }
    loop.After(absl::Seconds(20), [&] { loop.Stop(); });
    loop.Run();
    CHECK(weight() == 100);
    CHECK(in_force == std::vector<uint32_t>{7, 100});
    const std::string log = ReadWhole(directory.File("audit.log"));
    CHECK(absl::StrContains(log,
                            "\"action\":\"rollback\",\"changes\":[\"pool web: backend web-1: "
                            "weight 7 -> 100\"]"));
  }
}

TEST_CASE_METHOD(VersionFixture,
                 "what the data plane refuses to go back to stays, and is tried again") {
  Open();
  EventLoop loop;
  int tries = 0;
  ConfigChanger changer(store.get(), [&](const v1::Config& config, const CommitDone& done) {
    const bool back = config.pools(0).backends(0).weight() == 100;
    if (back) ++tries;
    done(back ? CommitOutcome{CommitOutcome::kRefused, "out of memory"} : CommitOutcome{});
    if (back) loop.Stop();
  });
  RollbackTimer timer(&loop, store.get(), &changer);
  changer.SetOnChange([&] { timer.Update(); });
  changer.Run(
      {PeerIdentity::System(), "Apply"},
      [&](ConfigStore*) { return SetWeight(7, absl::Seconds(1)); }, [](const auto&) {});
  loop.After(absl::Seconds(20), [&] { loop.Stop(); });
  loop.Run();
  CHECK(tries == 1);
  CHECK(weight() == 7);
  CHECK(store->unconfirmed().has_value());  // still due
}

}  // namespace
}  // namespace guideway
