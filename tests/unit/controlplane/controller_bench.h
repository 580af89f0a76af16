// A controller with real probes to three servers on 127.0.0.x, and a made-up data plane, for tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CONTROLLER_BENCH_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CONTROLLER_BENCH_H_

#include <stdlib.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "controlplane/controller.h"
#include "lib/config/defaults.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/web_config.h"

namespace guideway {

inline constexpr uint32_t kSlots = 1009;

// Backends 127.0.0.1 .. 127.0.0.3 on one TCP port, behind a static gateway.
class Bench {
 public:
  explicit Bench(uint32_t slot_count = kSlots) : slot_count_(slot_count) {
    REQUIRE(mkdtemp(directory_) != nullptr);
    thread.On([&] {
      servers[0] = std::make_unique<LocalServer>(thread.loop(), std::nullopt, Address(0));
      port_ = servers[0]->port();
      for (int i = 1; i < 3; ++i) StartServer(i);
    });
    config = WebConfig(slot_count_);
    config.mutable_settle_time()->set_seconds(20);
    v1::Pool* pool = config.mutable_pools(0);
    pool->mutable_probe()->set_type(v1::TCP_CONNECT);
    pool->mutable_probe()->set_port(port_);
    pool->mutable_probe()->mutable_interval()->set_nanos(100'000'000);
    pool->mutable_probe()->mutable_timeout()->set_nanos(100'000'000);
    for (int i = 0; i < 3; ++i) {
      v1::Backend* backend = pool->add_backends();
      backend->set_name(absl::StrCat("web-", i));
      backend->set_address(Address(i));
    }
    FillDefaults(&config);
    StartDataplane();
    StartController();
  }
  ~Bench() {
    thread.On([&] {
      controller.reset();
      dataplane.reset();
      for (auto& server : servers) server.reset();
    });
    std::filesystem::remove_all(directory_);
  }

  static std::string Address(int i) { return absl::StrCat("127.0.0.", i + 1); }
  void StartServer(int i) {
    servers[i] = std::make_unique<LocalServer>(thread.loop(), std::nullopt, Address(i), port_);
  }
  void StopServer(int i) {
    thread.On([&] { servers[i].reset(); });
  }
  void StartDataplane() {
    thread.On([&] {
      dataplane.reset();
      dataplane = std::make_unique<FakeDataplane>(
          thread.loop(), absl::StrCat(directory_, "/dataplane.sock"),
          channel::Capacities{.arena_slot_bytes = slot_count_ * 4});
    });
  }
  void StartController() {
    thread.On([&] {
      controller.reset();
      controller = std::make_unique<Controller>(
          thread.loop(),
          Controller::Options{absl::StrCat(directory_, "/dataplane.sock"), directory_});
      REQUIRE(controller->Start().ToString() == "OK");
      controller->SetConfig(config);
    });
  }
  v1::BackendState State(int i) const {  // loop thread
    v1::GetStateResponse state;
    controller->FillState(&state);
    return state.pools(0).backends(i);
  }
  v1::GetStatusResponse Status() const {  // loop thread
    v1::GetStatusResponse status;
    controller->FillStatus(&status);
    return status;
  }
  bool HasProblem(const std::string& kind) const {  // loop thread
    const v1::GetStatusResponse status = Status();
    return std::any_of(status.problems().begin(), status.problems().end(),
                       [&](const v1::Problem& problem) { return problem.kind() == kind; });
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(absl::StrCat(directory_, "/", name)) << text;
  }
  bool AwaitHealth(int i, v1::Health health) {
    return thread.Await([=, this] { return State(i).health() == health; });
  }
  // Slots of each backend in the data plane.
  bool AwaitSlots(bool first, bool second, bool third) {
    return thread.Await([=, this] {
      if (dataplane->generation() == 0) return false;
      bool has[3] = {};
      for (const auto& slot : dataplane->Slots(0)) {
        if (slot.current < 3) has[slot.current] = true;
      }
      return has[0] == first && has[1] == second && has[2] == third;
    });
  }

  LoopThread thread;
  v1::Config config;
  std::unique_ptr<LocalServer> servers[3];
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<Controller> controller;

 private:
  char directory_[40] = "/tmp/guideway_controller_XXXXXX";
  uint16_t port_ = 0;
  uint32_t slot_count_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CONTROLLER_BENCH_H_
