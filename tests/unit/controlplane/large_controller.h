// The real controller at its largest, for tests and measurements: the channel and the data plane's
// tables are real, probes go to 127.x.y.z, where one server answers all.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LARGE_CONTROLLER_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LARGE_CONTROLLER_H_

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/controller.h"
#include "lib/base/unique_fd.h"
#include "lib/config/defaults.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {

class LargeController {
 public:
  // Also for programs that are no tests.
  static void Must(bool condition) {
    if (!condition) abort();
  }

  struct Size {
    int pools = 1000;
    int backends_of_pool = 1;
    int vips_of_pool = 1;
    uint32_t table_size = 65537;
    int probe_interval_s = 5;
    bool static_gateway = true;  // else next hops come from the kernel
  };

  explicit LargeController(Size size) : size_(size) {
    Must(mkdtemp(directory_) != nullptr);
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    StartServer();
    dataplane_thread_.On([&] {
      dataplane_ = std::make_unique<FakeDataplane>(
          dataplane_thread_.loop(), absl::StrCat(directory_, "/dataplane.sock"),
          channel::Capacities{.arena_slot_bytes = size_.table_size * 4});
    });
    control_.On([&] {
      controller = std::make_unique<Controller>(
          control_.loop(),
          Controller::Options{absl::StrCat(directory_, "/dataplane.sock"), directory_});
      Must(controller->Start().ok());
    });
  }
  ~LargeController() {
    control_.On([&] { controller.reset(); });
    dataplane_thread_.On([&] { dataplane_.reset(); });
    server_thread_.On([&] {
      server_thread_.loop()->Unwatch(server_.get());
      server_.reset();
    });
    std::filesystem::remove_all(directory_);
  }

  // `weight`: of the first backend of each pool.
  v1::Config MakeConfig(uint32_t weight = 1) const {
    v1::Config config;
    config.set_flow_hash_secret("0123456789abcdef0123456789abcdef");
    v1::Port* port = config.add_ports();
    port->set_name("eth1");
    if (size_.static_gateway) port->mutable_static_gateway()->set_mac("02:00:00:00:00:99");
    config.mutable_settle_time()->set_seconds(1);
    int backend_number = 0;
    int vip_number = 0;
    for (int i = 0; i < size_.pools; ++i) {
      v1::Pool* pool = config.add_pools();
      pool->set_name(absl::StrCat("pool-", i));
      pool->set_table_size(size_.table_size);
      pool->mutable_probe()->set_type(v1::TCP_CONNECT);
      pool->mutable_probe()->set_port(port_);
      pool->mutable_probe()->mutable_interval()->set_seconds(size_.probe_interval_s);
      for (int n = 0; n < size_.backends_of_pool; ++n, ++backend_number) {
        v1::Backend* backend = pool->add_backends();
        backend->set_name(absl::StrCat("b", n));
        backend->set_address(
            absl::StrCat("127.1.", backend_number / 250, ".", backend_number % 250 + 1));
        if (n == 0) backend->set_weight(weight);
      }
      for (int n = 0; n < size_.vips_of_pool; ++n, ++vip_number) {
        v1::Vip* vip = config.add_vips();
        vip->set_name(absl::StrCat("vip-", vip_number));
        vip->set_address(absl::StrCat("203.0.", vip_number / 250, ".", vip_number % 250 + 1));
        vip->set_port(80);
        vip->set_protocol(v1::TCP);
        vip->set_pool(pool->name());
      }
    }
    FillDefaults(&config);
    return config;
  }

  // The store takes no loopback addresses: there the backends are at 198.18.x.y.
  v1::Config MakeStoredConfig(uint32_t weight = 1) const {
    v1::Config config = MakeConfig(weight);
    Readdress("198.18.", &config);
    return config;
  }
  static void ReaddressStored(v1::Config* config) { Readdress("127.1.", config); }

  // Without a copy on the loop.
  void SetConfig(v1::Config config) {
    auto shared = std::make_shared<v1::Config>(std::move(config));
    control_.On([&] {
      told_ = false;
      controller->SetConfig(shared, [this](const CommitOutcome&) { told_ = true; });
    });
  }
  EventLoop* loop() { return control_.loop(); }
  LoopThread* control() { return &control_; }
  LoopThread* dataplane_thread() { return &dataplane_thread_; }
  FakeDataplane* dataplane() { return dataplane_.get(); }
  v1::GetStatusResponse Status() {
    v1::GetStatusResponse status;
    control_.On([&] { controller->FillStatus(&status); });
    return status;
  }
  // What was set last, settled.
  bool AwaitInForce(absl::Duration timeout) {
    return control_.Await([&] { return IsInForce(); }, timeout);
  }
  bool IsInForce() {  // control loop
    v1::GetStatusResponse status;
    controller->FillStatus(&status);
    return told_ && status.dataplane_connected() && status.wanted_generation() > 0 &&
           status.settling() == 0 && status.wanted_generation() == status.dataplane_generation();
  }

  std::unique_ptr<Controller> controller;  // of the control loop

 private:
  static void Readdress(const std::string& network, v1::Config* config) {
    for (v1::Pool& pool : *config->mutable_pools()) {
      for (v1::Backend& backend : *pool.mutable_backends()) {
        const std::vector<std::string> parts = absl::StrSplit(backend.address(), '.');
        if (parts.size() != 4 || (parts[0] != "127" && parts[0] != "198")) continue;
        backend.set_address(absl::StrCat(network, parts[2], ".", parts[3]));
      }
    }
  }

  void StartServer() {
    server_.reset(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t length = sizeof(address);
    Must(bind(server_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    Must(listen(server_.get(), 4096) == 0);
    Must(getsockname(server_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    server_thread_.On([&] {
      server_thread_.loop()->Watch(server_.get(), EPOLLIN, [this](uint32_t) {
        for (;;) {
          const UniqueFd accepted(accept4(server_.get(), nullptr, nullptr, SOCK_CLOEXEC));
          if (!accepted.valid()) return;
        }
      });
    });
  }

  const Size size_;
  char directory_[32] = "/tmp/guideway-large-XXXXXX";
  uint16_t port_ = 0;
  bool told_ = false;  // the outcome of the last SetConfig(), on the control loop
  UniqueFd server_;
  std::unique_ptr<FakeDataplane> dataplane_;
  LoopThread server_thread_;
  LoopThread dataplane_thread_;
  LoopThread control_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LARGE_CONTROLLER_H_
