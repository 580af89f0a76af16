// Runs single probes on an event loop of their own, for tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_PROBE_RUNNER_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_PROBE_RUNNER_H_

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/probe_starter.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {

inline ProbeRequest Request(ProbeKind kind, uint16_t port,
                            const std::string& address = "127.0.0.1") {
  ProbeRequest request;
  request.kind = kind;
  request.address = *IpAddress::Parse(address);
  request.port = port;
  request.timeout = absl::Seconds(2);
  request.path.assign(1, '/');
  return request;
}

// Runs probes one after the other.
class ProbeRunner {
 public:
  explicit ProbeRunner(std::function<void()> before_run = [] {}) : thread(std::move(before_run)) {
    thread.On([&] { starter_ = std::make_unique<ProbeStarter>(thread.loop()); });
  }
  ~ProbeRunner() {
    thread.On([&] { starter_.reset(); });
  }
  ProbeResult Run(const ProbeRequest& request) {
    std::unique_ptr<Probe> probe;
    bool done = false;
    ProbeResult result;
    thread.On([&] {
      probe = starter_->Start(request, [&](const ProbeResult& r) {
        result = r;
        done = true;
        probe.reset();  // as users do
      });
    });
    CHECK(thread.Await([&] { return done; }));
    thread.On([&] { probe.reset(); });
    return result;
  }
  // Starts one and gives it up again.
  void RunAndCancel(const ProbeRequest& request, std::function<bool()> until) {
    std::unique_ptr<Probe> probe;
    thread.On([&] {
      probe = starter_->Start(request, [](const ProbeResult&) { FAIL("it was cancelled"); });
    });
    CHECK(thread.Await(std::move(until)));
    thread.On([&] { probe.reset(); });
  }
  LoopThread thread;

 private:
  std::unique_ptr<ProbeStarter> starter_;
};

class ProbeDirectory {
 public:
  ProbeDirectory() { REQUIRE(mkdtemp(path_) != nullptr); }
  ~ProbeDirectory() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const { return absl::StrCat(path_, "/", name); }

 private:
  char path_[40] = "/tmp/guideway_probes_XXXXXX";
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_PROBE_RUNNER_H_
