// A data plane that hangs, as a whole or with one worker, and a control plane that has lost its
// place.
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/session/session.h"
#include "lib/base/unique_fd.h"
#include "lib/channel/unix_socket.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/session_tables.h"

namespace guideway {
namespace {

using channel::MessageType;

class Bench {
 public:
  Bench() {
    REQUIRE(mkdtemp(directory_) != nullptr);
    path = absl::StrCat(directory_, "/dataplane.sock");
    thread.On([&] { dataplane = std::make_unique<FakeDataplane>(thread.loop(), path); });
    StartSession();
    REQUIRE(thread.Await([&] { return session->ready(); }));
  }
  ~Bench() {
    thread.On([&] {
      session.reset();
      dataplane.reset();
    });
    rmdir(directory_);
  }
  void StartSession() {
    thread.On([&] {
      session = std::make_unique<Session>(thread.loop(), path, [this] {
        if (wanted) session->SetWanted(wanted);
      });
      session->Start();
    });
  }
  void Want(uint8_t last_mac_byte) {
    thread.On([&] {
      wanted = TablesWithNextHop(last_mac_byte);
      session->SetWanted(wanted);
    });
  }
  // The session, with its tables in force.
  bool AwaitMac(uint8_t last_mac_byte) {
    return thread.Await([this, last_mac_byte] {
      const auto& hops = dataplane->tables().next_hops;
      return !hops.empty() && hops.at(0).body.destination_mac.bytes[5] == last_mac_byte &&
             session->generation() == dataplane->generation() && session->DelayReason().empty();
    });
  }
  uint64_t Generation() {
    uint64_t generation = 0;
    thread.On([&] { generation = session->generation(); });
    return generation;
  }

  LoopThread thread;
  std::string path;
  std::shared_ptr<const Tables> wanted;
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<Session> session;

 private:
  char directory_[40] = "/tmp/guideway_silence_XXXXXX";
};

TEST_CASE("a data plane that does not move is known within 2 s, and so is that it does again") {
  Bench bench;
  bench.thread.On([&] { bench.dataplane->Pause(/*beats=*/false); });
  const auto silent = [&] { return bench.session->DataplaneSilence() > absl::ZeroDuration(); };
  CHECK(bench.thread.Await(silent, absl::Seconds(2)));
  bench.thread.On([&] { CHECK(bench.session->ready()); });
  bench.thread.On([&] { bench.dataplane->Resume(); });
  CHECK(bench.thread.Await([&] { return !silent(); }));
}

TEST_CASE("a data plane that accepts connections and never answers them is silent") {
  Bench bench;
  bench.thread.On([&] {
    bench.dataplane->Pause(/*beats=*/false);
    bench.session.reset();
  });
  bench.StartSession();
  const auto silent = [&] { return bench.session->DataplaneSilence() > absl::ZeroDuration(); };
  CHECK(bench.thread.Await(silent, absl::Seconds(2)));
  bench.thread.On([&] { bench.dataplane->Resume(); });
  CHECK(bench.thread.Await([&] { return bench.session->ready() && !silent(); }));
}

TEST_CASE("a data plane that hangs for long has a full queue of connections, and is silent still") {
  Bench bench;
  bench.thread.On([&] {
    bench.dataplane->Pause(/*beats=*/false);
    bench.session.reset();
  });
  std::vector<UniqueFd> waiting;
  absl::Status full;
  while (full.ok() && waiting.size() < 1000) {
    auto connected = channel::ConnectTo(bench.path);
    full = connected.status();
    if (connected.ok()) waiting.push_back(*std::move(connected));
  }
  REQUIRE(absl::IsDeadlineExceeded(full));
  bench.StartSession();
  const auto silent = [&] { return bench.session->DataplaneSilence() > absl::ZeroDuration(); };
  CHECK(bench.thread.Await(silent, absl::Seconds(3)));
  waiting.clear();
  bench.thread.On([&] { bench.dataplane->Resume(); });
  CHECK(bench.thread.Await([&] { return bench.session->ready() && !silent(); }));
}

TEST_CASE("an answer that does not come ends the connection, however much else is asked") {
  Bench bench;
  bench.thread.On([&] { bench.dataplane->Pause(/*beats=*/true); });
  // Asked twice a second, for longer than any answer may take.
  bool asking = true;
  std::function<void()> ask = [&] {
    if (!asking) return;  // the session is about to go
    bench.session->LookupFlow({}, [](const auto&) {});
    bench.thread.loop()->After(absl::Milliseconds(500), ask);
  };
  bench.thread.On(ask);
  CHECK(bench.thread.Await([&] { return !bench.session->ready(); }, absl::Seconds(13)));
  bench.thread.On([&] {
    CHECK(bench.session->problem() == "the data plane does not answer");
    asking = false;
  });
}

TEST_CASE("tables that a worker has not taken are not in force; all waits and then goes on") {
  Bench bench;
  bench.Want(1);
  REQUIRE(bench.AwaitMac(1));
  const uint64_t before = bench.Generation();
  uint64_t outcomes = 0;
  bench.thread.On([&] {
    bench.session->set_on_outcome([&](uint64_t, const absl::Status& outcome, absl::Duration) {
      CHECK(outcome.ok());
      ++outcomes;
    });
    bench.dataplane->late_worker = 1;
  });
  bench.Want(2);
  REQUIRE(bench.thread.Await([&] {
    return bench.session->DelayReason() ==
           absl::StrCat("worker 1 of the data plane has not taken generation ", before + 1);
  }));
  CHECK(bench.Generation() == before);
  bench.Want(3);  // waits
  // What does not change tables goes on.
  bool counted = false;
  bench.thread.On(
      [&] { bench.session->ReadCounters([&](const auto& counters) { counted = counters.ok(); }); });
  CHECK(bench.thread.Await([&] { return counted; }));
  bench.thread.On([&] {
    CHECK(bench.dataplane->tables().next_hops.at(0).body.destination_mac.bytes[5] == 2);
    CHECK(outcomes == 0);
    CHECK(bench.session->DelayTime() > absl::ZeroDuration());
    bench.dataplane->Settle();
  });
  REQUIRE(bench.AwaitMac(3));
  CHECK(bench.thread.Await([&] { return outcomes == 2; }));
  CHECK(bench.Generation() == before + 2);
}

TEST_CASE("a session that ends while it waits to ask again asks no more") {
  Bench bench;
  bench.thread.On([&] { bench.dataplane->late_worker = 1; });
  bench.Want(1);
  REQUIRE(bench.thread.Await([&] { return !bench.session->DelayReason().empty(); }));
  const auto asked = [&] {
    return bench.thread.loop()->meter().ByWork()["session_questions"].turns;
  };
  uint64_t before = 0;
  bool later = false;
  bench.thread.On([&] {
    bench.session.reset();
    before = asked();
    // Longer than any pause between two questions.
    bench.thread.loop()->After(absl::Milliseconds(200), [&] { later = true; });
  });
  REQUIRE(bench.thread.Await([&] { return later; }));
  bench.thread.On([&] { CHECK(asked() == before); });
}

TEST_CASE("a new control plane does not take tables for tables in force") {
  Bench bench;
  bench.thread.On([&] { bench.dataplane->late_worker = 0; });
  bench.Want(1);
  REQUIRE(bench.thread.Await([&] { return !bench.session->DelayReason().empty(); }));
  bench.thread.On([&] { bench.session.reset(); });
  bench.wanted = TablesWithNextHop(2);
  bench.StartSession();
  REQUIRE(bench.thread.Await([&] { return !bench.session->DelayReason().empty(); }));
  CHECK(bench.Generation() == 0);
  bench.thread.On([&] { bench.dataplane->Settle(); });
  CHECK(bench.AwaitMac(2));
}

TEST_CASE("ports are as the data plane's board says") {
  Bench bench;
  bool told = false;
  bench.thread.On([&] {
    bench.session->set_on_ports([&] { told = true; });
    channel::PortVitals& port = bench.dataplane->vitals.ports[0];
    strcpy(port.kernel_interface, "lan0");
    port.mtu_bytes = 1400;
    port.mac = *MacAddress::Parse("02:00:00:00:00:09");
  });
  REQUIRE(bench.thread.Await([&] { return told; }));
  bench.thread.On([&] {
    const channel::PortInfo& port = bench.session->welcome().ports[0];
    CHECK(port.name == std::string("eth1"));
    CHECK(port.kernel_interface == std::string("lan0"));
    CHECK(port.mtu_bytes == 1400);
    CHECK(port.mac == *MacAddress::Parse("02:00:00:00:00:09"));
  });
}

TEST_CASE("a port whose interface is gone has no kernel interface until that is back") {
  Bench bench;
  int told = 0;
  const auto interface = [&] {
    return std::string(bench.session->welcome().ports[0].kernel_interface);
  };
  bench.thread.On([&] {
    bench.session->set_on_ports([&] { ++told; });
    channel::PortVitals& port = bench.dataplane->vitals.ports[0];
    strcpy(port.kernel_interface, "eth1");
    port.mtu_bytes = 1400;
    port.mac = *MacAddress::Parse("02:00:00:00:00:09");
    port.faults = static_cast<uint32_t>(channel::PortFault::kGone);
  });
  REQUIRE(bench.thread.Await([&] { return interface().empty(); }));
  bench.thread.On([&] {
    CHECK(told == 1);
    bench.dataplane->vitals.ports[0].faults = static_cast<uint32_t>(channel::PortFault::kLinkDown);
  });
  REQUIRE(bench.thread.Await([&] { return interface() == "eth1"; }));
  bench.thread.On([&] { CHECK(told == 2); });
}

}  // namespace
}  // namespace guideway
