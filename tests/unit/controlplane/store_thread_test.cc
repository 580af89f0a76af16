// The store on its thread: who waits for it and who does not, what a status says when, the end.
#include "controlplane/store_thread.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "tests/unit/base/no_threads.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/slow_disk.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);  // only a failure takes so long
using Answer = absl::StatusOr<ConfigChanger::Result>;

// A store with a controller that is made up, and that puts everything in force unless told else.
struct Bench {
  explicit Bench(absl::Duration hung_after = absl::Seconds(5)) {
    auto opened = ConfigStore::Open({.config_file = directory.Write("config.yaml", TestYaml()),
                                     .state_directory = directory.File("state"),
                                     .operations = &disk});
    REQUIRE(opened.ok());
    store = std::make_unique<StoreThread>(*std::move(opened), audit_file, Hooks(), hung_after);
    REQUIRE(store->Start().ok());
  }
  ~Bench() { disk.GoOn(); }

  StoreThread::Hooks Hooks() {
    StoreThread::Hooks hooks;
    hooks.set_config = [this](const std::shared_ptr<v1::Config>& config, const CommitDone& done) {
      configs.push_back(config->pools(0).backends(0).weight());
      if (configs.size() == 2) second_config.Notify();
      if (answers) done(next_outcome);
      next_outcome = {};
    };
    hooks.on_version = [this](uint64_t version) { versions.push_back(version); };
    hooks.beyond_capacity = [this](const v1::Config&) {
      return beyond_capacity ? beyond_capacity() : std::vector<std::string>();
    };
    hooks.on_replaced = [this] { replaced.Notify(); };
    return hooks;
  }

  std::future<Answer> SetWeight(uint32_t weight, const std::string& action = "SetBackend") {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    store->Run(
        {PeerIdentity::System(), action},
        [weight](ConfigStore* changing) {
          v1::Config config = changing->config();
          config.mutable_pools(0)->mutable_backends(0)->set_weight(weight);
          return changing->Replace(std::move(config), false, false);
        },
        [promise](const Answer& answer) { promise->set_value(answer); });
    return future;
  }
  static Answer Get(std::future<Answer>* future) {
    REQUIRE(future->wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    return future->get();
  }
  v1::GetStatusResponse Status() {
    v1::GetStatusResponse status;
    store->FillStatus(&status);
    return status;
  }
  v1::GetStatusResponse FreshStatus() {
    v1::GetStatusResponse status;
    store->FillFreshStatus(&status);
    return status;
  }
  bool HasProblem(const v1::GetStatusResponse& status, const std::string& text) const {
    for (const v1::Problem& problem : status.problems()) {
      if (absl::StrContains(problem.text(), text)) return true;
    }
    return false;
  }
  std::string Audit() const { return ReadWhole(audit_file); }

  TestDirectory directory;
  SlowDisk disk;
  std::string audit_file = directory.File("audit.log");
  // Of the store's thread while it runs.
  bool answers = true;
  CommitOutcome next_outcome;
  std::vector<uint32_t> configs;
  std::vector<uint64_t> versions;
  std::function<std::vector<std::string>()> beyond_capacity;
  absl::Notification replaced, second_config;
  std::unique_ptr<StoreThread> store;  // the last: its thread uses the others
};

TEST_CASE("a status shows a change at once") {
  Bench bench;
  CHECK(bench.Status().config_version() == 1);
  for (uint32_t i = 2; i < 20; ++i) {
    auto answer = bench.SetWeight(i);
    REQUIRE(Bench::Get(&answer).ok());
    CHECK(bench.Status().config_version() == i);
    CHECK(absl::StrContains(bench.Status().config_source(), ", changed through the API"));
  }
  // And what is taken back as well.
  REQUIRE(bench.store->Call([&] {
    bench.next_outcome = {CommitOutcome::kRefused, "out of memory"};
  }));
  auto answer = bench.SetWeight(77);
  CHECK(absl::IsFailedPrecondition(Bench::Get(&answer).status()));
  CHECK(bench.Status().config_version() == 19);
  REQUIRE(bench.store->Call([&] {
    CHECK(bench.configs.back() == 19);
    CHECK(bench.versions.back() == 19);
  }));
}

TEST_CASE("a disk that hangs keeps nobody but those whose change it is") {
  Bench bench(/*hung_after=*/absl::ZeroDuration());
  bench.disk.Hang();
  auto answer = bench.SetWeight(7);
  REQUIRE(bench.disk.AwaitSync());
  CHECK(bench.Status().config_version() == 1);  // asks the store
  const v1::GetStatusResponse status = bench.Status();
  CHECK(status.config_version() == 1);
  CHECK(bench.HasProblem(status, "does the disk of --state_directory hang?"));
  CHECK(bench.FreshStatus().config_version() == 1);
  CHECK(answer.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  bench.disk.GoOn();
  CHECK(Bench::Get(&answer).ok());
  REQUIRE(bench.store->Call([] {}));  // what was asked meanwhile is answered
  CHECK(bench.FreshStatus().config_version() == 2);
  CHECK(bench.FreshStatus().problems().empty());
}

TEST_CASE("a problem that is over is gone with the next question") {
  Bench bench;
  bench.directory.Write("config.yaml", "frob: 1\n");
  bench.store->Reload();
  REQUIRE(bench.store->Call([] {}));
  CHECK(bench.HasProblem(bench.Status(), "frob: unknown field"));
  bench.directory.Write("config.yaml", TestYaml());
  bench.store->Reload();
  CHECK(bench.FreshStatus().problems().empty());
}

TEST_CASE("the store asks the loop, and the loop does not wait for the store") {
  Bench bench;
  LoopThread loop;
  REQUIRE(bench.store->Call([&] {
    bench.beyond_capacity = [&]() -> std::vector<std::string> {
      if (!loop.loop()->Call([] {})) return {"the control plane is stopping"};
      return {};
    };
  }));
  // The loop asks for the status all the time while changes ask the loop.
  std::atomic<bool> stop = false;
  std::function<void()> ask = [&] {
    bench.Status();
    if (!stop) loop.loop()->Post(ask);
  };
  loop.loop()->Post(ask);
  for (uint32_t i = 2; i < 30; ++i) {
    auto answer = bench.SetWeight(i);
    REQUIRE(Bench::Get(&answer).ok());
  }
  stop = true;
  loop.loop()->Stop();
  auto late = bench.SetWeight(77);
  CHECK(absl::StrContains(Bench::Get(&late).status().message(), "the control plane is stopping"));
}

TEST_CASE("the end: who awaits an outcome is told, who waits for a turn is refused") {
  Bench bench;
  REQUIRE(bench.store->Call([&] { bench.answers = false; }));
  auto first = bench.SetWeight(7, "First");
  auto second = bench.SetWeight(8, "Second");
  REQUIRE(bench.store->Call([&] { CHECK(bench.configs == std::vector<uint32_t>{7}); }));
  CHECK(bench.store->EndChanges(kPatience));
  const Answer kept = Bench::Get(&first);
  REQUIRE(kept.ok());
  CHECK(kept->change.warnings.back() ==
        "kept, but not yet in force: the control plane is stopping");
  CHECK(absl::IsUnavailable(Bench::Get(&second).status()));
  auto third = bench.SetWeight(9, "Third");
  CHECK(absl::IsUnavailable(Bench::Get(&third).status()));
  const std::string audit = bench.Audit();
  CHECK(absl::StrContains(audit,
                          "\"action\":\"First\",\"changes\":[\"pool web: backend web-1: "
                          "weight 100 -> 7\"],\"version\":2,\"result\":\"kept, but not yet "
                          "in force: the control plane is stopping\""));
  for (const char* action : {"Second", "Third"}) {
    CHECK(absl::StrContains(audit, absl::StrCat("\"action\":\"", action,
                                                "\",\"changes\":[],\"version\":2,\"result\":"
                                                "\"refused: the control plane is stopping\"")));
  }
}

TEST_CASE("the end comes while a change is being written") {
  Bench bench;
  bench.disk.Hang();
  auto answer = bench.SetWeight(7);
  REQUIRE(bench.disk.AwaitSync());
  CHECK_FALSE(bench.store->EndChanges(absl::Milliseconds(1)));
  bench.disk.GoOn();
  const Answer kept = Bench::Get(&answer);
  REQUIRE(kept.ok());
  CHECK(absl::StrContains(kept->change.warnings.back(), "the control plane is stopping"));
  REQUIRE(bench.store->Call([&] {
    CHECK(bench.configs.empty());
    CHECK(bench.versions.empty());  // who would be told may be gone
  }));
  // An outcome that comes after all is nobody's.
  CHECK(bench.store->EndChanges(kPatience));
}

TEST_CASE("without a thread for it the store says so, and that is no failed start") {
  const TestDirectory directory;
  auto opened = ConfigStore::Open({.config_file = directory.Write("config.yaml", TestYaml()),
                                   .state_directory = directory.File("state")});
  REQUIRE(opened.ok());
  const std::string attempts = directory.File("state/start-attempts");
  CHECK(std::filesystem::exists(attempts));
  {
    StoreThread store(*std::move(opened), directory.File("audit.log"), {});
    const NoThreads none;
    const absl::Status started = store.Start();
    CHECK(absl::IsUnavailable(started));
    CHECK(absl::StrContains(started.message(), "starting a thread: "));
    CHECK(store.EndChanges(kPatience));
  }
  CHECK_FALSE(std::filesystem::exists(attempts));
}

TEST_CASE("who has lost the state directory is told") {
  Bench bench;
  std::filesystem::remove(bench.directory.File("state/lock"));
  bench.directory.Write("state/lock", "");
  CHECK(bench.replaced.WaitForNotificationWithTimeout(kPatience));
}

TEST_CASE("a version that nobody confirms is rolled back on the store's thread") {
  Bench bench;
  std::promise<Answer> promise;
  auto answer = promise.get_future();
  bench.store->Run(
      {PeerIdentity::System(), "Apply"},
      [](ConfigStore* changing) {
        v1::Config config = changing->config();
        config.mutable_pools(0)->mutable_backends(0)->set_weight(7);
        return changing->Replace(std::move(config), {.confirm_within = absl::Seconds(1)});
      },
      [&](const Answer& result) { promise.set_value(result); });
  REQUIRE(Bench::Get(&answer).ok());
  CHECK(bench.Status().confirm_within_ms() > 0);
  CHECK(bench.Status().confirm_rollback_to() == 1);
  REQUIRE(bench.second_config.WaitForNotificationWithTimeout(kPatience));
  CHECK(absl::StrContains(bench.Status().last_rollback(), "back to version 1"));
  CHECK(bench.Status().config_version() == 3);
  CHECK(bench.Status().confirm_within_ms() == 0);
  REQUIRE(bench.store->Call([&] { CHECK(bench.configs == std::vector<uint32_t>{7, 100}); }));
}

}  // namespace
}  // namespace guideway
