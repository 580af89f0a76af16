// The longest turns of the control plane's event loop at its largest, by phase and work.
//
// usage: loop_turns [POOLS [BACKENDS_OF_POOL [VIPS_OF_POOL [TABLE_SIZE [kernel]]]]]
// The default is the largest configuration with default tables: 2048 pools, 16384 backends, 4096
// VIPs; a TABLE_SIZE of 0 is the default, too. With "kernel" next hops are looked up, else there is
// a static gateway. The data plane is the tests': real tables, no packets. Prints milliseconds of
// wall and processor time. The applies go through the store on its thread.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "glog/logging.h"
#include "tests/unit/controlplane/large_controller.h"
#include "tests/unit/controlplane/large_store.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {
namespace {

double Ms(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

void Report(LargeController* large, const char* phase, absl::Duration took) {
  std::map<std::string, LoopMeter::Work> works;
  large->control()->On([&] {
    works = large->loop()->meter().ByWork();
    large->loop()->meter().Reset();
  });
  printf("%s: %.0f ms\n", phase, Ms(took));
  for (const auto& [name, work] : works) {
    if (work.longest < absl::Milliseconds(1)) continue;
    printf("  %-20s turns %7lu  total %9.1f  longest %8.2f  processor %8.2f\n", name.c_str(),
           work.turns, Ms(work.total), Ms(work.longest), Ms(work.longest_processor));
  }
  fflush(stdout);
}

void SetConfig(LargeController* large, const v1::Config& config, const char* phase) {
  const absl::Time began = absl::Now();
  large->SetConfig(config);
  const absl::Time set = absl::Now();
  const bool in_force = large->AwaitInForce(absl::Seconds(120));
  printf("%s: the call %.1f ms, in force: %s\n", phase, Ms(set - began), in_force ? "yes" : "no");
  Report(large, phase, absl::Now() - began);
}

class Store {
 public:
  explicit Store(LargeController* large) : large_(large) {
    auto opened = ConfigStore::Open({.config_file = directory_.Write("config.yaml", TestYaml()),
                                     .state_directory = directory_.File("state")});
    LargeController::Must(opened.ok());
    store_ = std::make_unique<StoreThread>(*std::move(opened), directory_.File("audit.log"),
                                           LargeStoreHooks(large));
    LargeController::Must(store_->Start().ok());
  }
  ~Store() { store_->EndChanges(absl::Seconds(10)); }

  void Apply(v1::Config config, const char* phase) {
    const absl::Time began = absl::Now();
    absl::Notification done;
    absl::Duration edit;
    store_->Run(
        {PeerIdentity::System(), "Apply"},
        [&](ConfigStore* store) {
          const absl::Time edit_began = absl::Now();
          auto change = store->Replace(std::move(config), /*force=*/true, /*dry_run=*/false);
          edit = absl::Now() - edit_began;
          LargeController::Must(change.ok());
          return change;
        },
        [&](const auto& result) {
          LargeController::Must(result.ok());
          done.Notify();
        });
    done.WaitForNotification();
    const bool in_force = large_->AwaitInForce(absl::Seconds(120));
    printf("%s: the store's thread %.1f ms, in force: %s\n", phase, Ms(edit),
           in_force ? "yes" : "no");
    Report(large_, phase, absl::Now() - began);
  }

 private:
  LargeController* const large_;
  TestDirectory directory_;
  std::unique_ptr<StoreThread> store_;
};

void Run(int argc, char** argv) {
  LargeController::Size size{.pools = 2048, .backends_of_pool = 8, .vips_of_pool = 2};
  if (argc > 1) size.pools = atoi(argv[1]);
  if (argc > 2) size.backends_of_pool = atoi(argv[2]);
  if (argc > 3) size.vips_of_pool = atoi(argv[3]);
  if (argc > 4 && atoi(argv[4]) > 0) size.table_size = static_cast<uint32_t>(atoi(argv[4]));
  size.static_gateway = argc <= 5 || strcmp(argv[5], "kernel") != 0;
  auto large = std::make_unique<LargeController>(size);
  large->control()->On([&] { large->loop()->meter().Reset(); });  // made before there are turns
  SetConfig(large.get(), large->MakeConfig(), "start");
  SetConfig(large.get(), large->MakeConfig(), "same again");
  SetConfig(large.get(), large->MakeConfig(2), "every pool changed");
  {
    Store store(large.get());
    store.Apply(large->MakeStoredConfig(3), "every pool changed by an apply");
    store.Apply(large->MakeStoredConfig(4), "once more");
  }
  const absl::Time began = absl::Now();
  absl::SleepFor(absl::Seconds(5));
  Report(large.get(), "5 s of probes", absl::Now() - began);
  // No turn: the process does this after the loop's last one, see Controller::PrepareEnd().
  large->control()->On([&] {
    const absl::Time ending = absl::Now();
    large->controller->PrepareEnd();
    const absl::Time prepared = absl::Now();
    large->controller.reset();
    printf("end, after the last turn: PrepareEnd() %.0f ms, all of it %.0f ms\n",
           Ms(prepared - ending), Ms(absl::Now() - ending));
  });
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  FLAGS_minloglevel = google::GLOG_ERROR;
  FLAGS_logtostderr = true;
  guideway::Run(argc, argv);
}
