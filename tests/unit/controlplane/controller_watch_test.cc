// What the controller gives to metrics and status page: its state in parts, its observations.
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <future>

#include "absl/strings/str_cat.h"
#include "controlplane/controller.h"
#include "lib/config/defaults.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/web_config.h"

namespace guideway {
namespace {

// A pool of two probed backends, 127.0.0.1 which answers and 127.0.0.2 which does not, and a VIP.
class Bench {
 public:
  Bench() {
    REQUIRE(mkdtemp(directory_) != nullptr);
    config = WebConfig(251);
    v1::Pool* pool = config.mutable_pools(0);
    for (const char* address : {"127.0.0.1", "127.0.0.2"}) {
      v1::Backend* backend = pool->add_backends();
      backend->set_name(absl::StrCat("web-", pool->backends_size()));
      backend->set_address(address);
    }
    thread.On([&] {
      server_ = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
      v1::Probe* probe = pool->mutable_probe();
      probe->set_type(v1::TCP_CONNECT);
      probe->set_port(server_->port());
      probe->mutable_interval()->set_nanos(100'000'000);
      probe->mutable_timeout()->set_nanos(100'000'000);
      FillDefaults(&config);
      const std::string path = absl::StrCat(directory_, "/dataplane.sock");
      dataplane_ = std::make_unique<FakeDataplane>(thread.loop(), path);
      controller =
          std::make_unique<Controller>(thread.loop(), Controller::Options{path, directory_});
      REQUIRE(controller->Start().ok());
      controller->SetConfig(config);
    });
    // Both have their verdicts, and the tables are in force.
    REQUIRE(thread.Await([&] {
      const v1::GetStateResponse state = State();
      return dataplane_->generation() > 0 &&
             state.pools(0).backends(0).health() == v1::HEALTH_HEALTHY &&
             state.pools(0).backends(1).health() == v1::HEALTH_UNHEALTHY;
    }));
  }
  ~Bench() {
    thread.On([&] {
      controller.reset();
      dataplane_.reset();
      server_.reset();
    });
    std::filesystem::remove_all(directory_);
  }
  v1::GetStateResponse State() const {  // loop thread
    v1::GetStateResponse state;
    controller->FillState(&state);
    return state;
  }

  LoopThread thread;
  v1::Config config;
  std::unique_ptr<Controller> controller;

 private:
  char directory_[40] = "/tmp/guideway_watch_XXXXXX";
  std::unique_ptr<LocalServer> server_;
  std::unique_ptr<FakeDataplane> dataplane_;
};

TEST_CASE("the state in parts is the state") {
  Bench bench;
  bench.thread.On([&] {
    const auto without_ages = [](v1::GetStateResponse state) {
      for (v1::BackendState& backend : *state.mutable_pools(0)->mutable_backends()) {
        backend.clear_health_age_ms();
      }
      return state.DebugString();
    };
    const v1::GetStateResponse whole = bench.State();
    CHECK(whole.pools(0).pool().has_probe());
    CHECK(whole.pools(0).pool().backends_size() == 0);
    v1::GetStateResponse parts;
    StateCursor cursor;
    int turns = 1;
    while (!bench.controller->FillStatePart(1, &cursor, &parts)) ++turns;
    CHECK(turns == 3);  // two backends, one VIP
    CHECK(without_ages(parts) == without_ages(whole));
  });
}

TEST_CASE("a configuration that changes in between is there whole") {
  Bench bench;
  bench.thread.On([&] {
    v1::GetStateResponse parts;
    StateCursor cursor;
    CHECK_FALSE(bench.controller->FillStatePart(1, &cursor, &parts));
    bench.config.mutable_pools(0)->mutable_backends(0)->set_weight(7);
    bench.controller->SetConfig(bench.config);
    while (!bench.controller->FillStatePart(1, &cursor, &parts)) {
    }
    REQUIRE(parts.pools(0).backends_size() == 2);
    CHECK(parts.pools(0).backends(0).backend().weight() == 7);
    CHECK(parts.vips_size() == 1);
  });
}

TEST_CASE("probes and the channel are observed") {
  Bench bench;
  std::promise<bool> answered;
  bench.thread.On([&] {
    bench.controller->ReadTotals([&](const auto& totals) {
      answered.set_value(totals.ok() && totals->vips().empty() && totals->counters_size() > 0);
    });
  });
  REQUIRE(answered.get_future().get());
  REQUIRE(bench.thread.Await([&] {
    Observations observations;
    bench.controller->FillObservations(&observations);
    return observations.channel.contains("commit");
  }));
  bench.thread.On([&] {
    Observations observations;
    bench.controller->FillObservations(&observations);
    const auto& web = observations.probes.at("web");
    CHECK(web.counts.succeeded >= 1);
    CHECK(web.counts.failed >= 3);
    CHECK(web.durations.count() == web.counts.succeeded + web.counts.failed);
    CHECK(web.durations.sum_seconds() > 0);
    const v1::GetStateResponse state = bench.State();
    CHECK(state.pools(0).backends(0).probes_succeeded() >= 1);
    CHECK(state.pools(0).backends(0).probes_failed() == 0);
    CHECK(state.pools(0).backends(0).last_probe_us() > 0);
    CHECK(state.pools(0).backends(1).probes_failed() >= 3);
    CHECK(observations.channel.at("commit").count() >= 1);
    CHECK(observations.channel.at("counters").count() >= 1);
    CHECK(observations.channel.at("counters").sum_seconds() > 0);
  });
}

}  // namespace
}  // namespace guideway
