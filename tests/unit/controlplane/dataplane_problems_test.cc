// What the data plane's board says, as problems: hung, stuck workers, ports, lost lines.
#include "controlplane/dataplane_problems.h"

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {
namespace {

struct Bench {
  Bench() {
    REQUIRE(mkdtemp(directory) != nullptr);
    const std::string path = absl::StrCat(directory, "/dataplane.sock");
    thread.On([&] {
      dataplane = std::make_unique<FakeDataplane>(thread.loop(), path);
      session = std::make_unique<Session>(thread.loop(), path, [] {});
      session->Start();
    });
  }
  ~Bench() {
    thread.On([&] {
      session.reset();
      dataplane.reset();
    });
    rmdir(directory);
  }
  // Texts by kind, loop thread.
  std::map<std::string, std::string> Problems() {
    v1::GetStatusResponse status;
    AddDataplaneProblems(*session, &status);
    std::map<std::string, std::string> found;
    for (const auto& problem : status.problems()) found[problem.kind()] = problem.text();
    return found;
  }
  // Until that kind is there; its text. Empty after 2 s.
  std::string Await(const std::string& kind) {
    std::string text;
    thread.Await(
        [&] {
          const auto problems = Problems();
          const auto found = problems.find(kind);
          if (found != problems.end()) text = found->second;
          return !text.empty();
        },
        absl::Seconds(2));
    return text;
  }

  LoopThread thread;
  char directory[40] = "/tmp/guideway_problems_XXXXXX";
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<Session> session;
};

TEST_CASE("all that is well is not named") {
  Bench bench;
  REQUIRE(bench.thread.Await([&] { return bench.session->ready(); }));
  bench.thread.On([&] { CHECK(bench.Problems().empty()); });
}

TEST_CASE(
    "a stuck worker, every fault of a port, a lost socket and lost lines are named, each by its "
    "kind") {
  Bench bench;
  REQUIRE(bench.thread.Await([&] { return bench.session->ready(); }));
  bench.thread.On([&] {
    channel::DataplaneVitals& vitals = bench.dataplane->vitals;
    vitals.worker_silent_ms[1] = 1500;
    vitals.worker_silent_ms[9] = 1500;  // there is no such worker
    vitals.log_loses_lines = 1;
    vitals.socket_lost = 1;
    vitals.ports[0].faults = 0xffffffff;
    vitals.ports[0].receive_queues = 4;
    vitals.ports[0].mtu_bytes = 1700;
    vitals.ports[0].interface_mtu_bytes = 9000;
    strcpy(vitals.ports[0].kernel_interface, "la\x1bn0");
    vitals.ports[1].faults = 1;  // there is no such port
  });
  CHECK(bench.Await("worker-stuck") == "worker 1 does not move: packets of its queues are lost");
  CHECK(bench.Await("port-gone") == "port eth1: its interface is gone");
  CHECK(bench.Await("port-queues") ==
        "port eth1: it has 4 receive queue(s) and there are 2 worker(s): packets of the others go "
        "to the kernel");
  CHECK(bench.Await("port-mtu") ==
        "port eth1: its MTU is 9000, and the buffers hold 1700: longer frames are lost");
  CHECK(bench.Await("port-link-down") == "port eth1: its link is down");
  CHECK_FALSE(bench.Await("port-program").empty());
  CHECK(bench.Await("port-renamed") ==
        "port eth1: its interface is called la?n0 now; a restart will not find it");
  CHECK_FALSE(bench.Await("log-lines-lost").empty());
  CHECK(bench.Await("dataplane-socket") ==
        "the data plane's socket is lost: no other control plane can connect");
  bench.thread.On([&] { CHECK(bench.Problems().size() == 9); });
  // What it said last is not repeated once it does not move any more.
  bench.thread.On([&] { bench.dataplane->Pause(/*beats=*/false); });
  CHECK_FALSE(bench.Await("dataplane-hung").empty());
  bench.thread.On([&] { CHECK(bench.Problems().size() == 1); });
}

}  // namespace
}  // namespace guideway
