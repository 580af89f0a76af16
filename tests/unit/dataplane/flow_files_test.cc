// Flow tables over restarts: with other numbers of workers, other sizes, after interrupted starts;
// and which old files are not believed. Needs root.
#include "dataplane/flows/flow_files.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/dataplane/flow_host.h"

namespace guideway {
namespace {

TEST_CASE("no flow is lost over restarts with other numbers of workers and other sizes") {
  struct Run {
    uint32_t workers;
    uint64_t flows;
  };
  const std::vector<std::vector<Run>> histories = {
      {{2, 1024}, {1, 1024}, {2, 1024}},
      {{4, 1024}, {2, 1024}, {4, 1024}},
      {{1, 1024}, {4, 1024}, {1, 1024}},
      {{4, 1024}, {1, 4096}, {3, 2048}, {4, 1024}},
      {{2, 1 << 18}, {2, 1024}, {2, 1 << 18}},  // files of other lengths
      {{2, 1024}, {2, 65536}, {1, 2048}, {8, 1024}},
  };
  for (const auto& history : histories) {
    const Host host;
    uint64_t entered = 0;
    for (const Run& run : history) {
      const FlowFiles files = host.Start(run.workers, run.flows);
      INFO(TextOf(files));
      CHECK(files.warnings.empty());
      CHECK(Known(files, 0, entered) == entered);
      // As many as the least of the runs can hold, all in all.
      Enter(files, entered, entered + 200);
      entered += 200;
      // What is asked for is what stands there, not more.
      std::set<std::string> expected;
      for (uint32_t i = 0; i < run.workers; ++i) expected.insert("flows-" + std::to_string(i));
      CHECK(host.Names() == expected);
    }
  }
}

TEST_CASE("state and time left come along") {
  const Host host;
  {
    const FlowFiles files = host.Start(2);
    files.tables[1]->Insert(HashOf(1), 7, FlowState::kHalfClosed, kNow - 20, kTimeouts);
  }
  const FlowFiles files = host.Start(1);
  const auto view = files.tables[0]->Inspect(HashOf(1), kNow);
  REQUIRE(view.has_value());
  CHECK(view->state == FlowState::kHalfClosed);
  CHECK(view->times_out_in_s == kTimeouts.half_closed_s - 20);
  CHECK(Says(files, "flows-1: 1 flows handed on"));
}

TEST_CASE("a flow that began anew at another backend does not come back with the old one") {
  const Host host;
  {
    const FlowFiles files = host.Start(2);
    Enter(files, 0, 100);
  }
  {
    // The last but one run's table 1 has nothing to say any more.
    const FlowFiles files = host.Start(1);
    for (uint64_t n = 0; n < 100; ++n)
      files.tables[0]->Insert(HashOf(n), 4u << 16 | 50, FlowState::kHalfOpen, kNow, kTimeouts);
  }
  const FlowFiles files = host.Start(2);
  for (uint64_t n = 0; n < 100; ++n) {
    uint32_t found = 0;
    for (const auto& table : files.tables) {
      const auto backend = table->Peek(HashOf(n), kNow);
      if (!backend.has_value()) continue;
      ++found;
      CHECK(*backend == (4u << 16 | 50));
    }
    CHECK(found == 1);
  }
}

TEST_CASE("a file that an earlier run left is not believed") {
  const Host host;
  {
    const FlowFiles files = host.Start(2);
    Enter(files, 0, 100);
  }
  fs::copy_file(host.File("flows-1"), host.File("kept"));
  { const FlowFiles files = host.Start(1); }
  fs::copy_file(host.File("kept"), host.File("flows-1"));  // as if it had not been removed
  fs::remove(host.File("kept"));
  const bool again = GENERATE(true, false);
  const FlowFiles files = host.Start(again ? 2 : 1);
  CHECK(Says(files, "of run 1, and the last one was 2"));
  CHECK(Known(files, 0, 100) == 100);  // from the table of run 2
  if (again) CHECK_FALSE(files.tables[1]->Peek(HashOf(1), kNow).has_value());
}

TEST_CASE("what is from before the last boot is not believed, whatever its times say") {
  Host host;
  {
    const FlowFiles files = host.Start(2);
    Enter(files, 0, 100);
  }
  host.boot = kBoot + 1;
  const FlowFiles files = host.Start(1);
  CHECK(Says(files, "flows-1: removed, from before the last boot"));
  CHECK(Says(files, "empty: from before the last boot"));
  CHECK(Known(files, 0, 100) == 0);
}

TEST_CASE("what timed out meanwhile is not handed on") {
  Host host;
  {
    const FlowFiles files = host.Start(2);
    Enter(files, 0, 100);
    Enter(files, 100, 200, FlowState::kUdp);
  }
  host.now_s += kTimeouts.udp_s;
  const FlowFiles files = host.Start(1);
  CHECK(Says(files, "flows-1: 50 flows handed on"));
  CHECK(Known(files, 0, 100, host.now_s) == 100);
  CHECK(Known(files, 100, 200, host.now_s) == 0);
}

TEST_CASE("damaged files are named and lose their own flows only") {
  const Host host;
  {
    const FlowFiles files = host.Start(3);
    Enter(files, 0, 300);
  }
  // magic, layout version and completeness, bucket count; offsets of the header's words
  std::string says;
  SECTION("no table") {
    host.Write("flows-2", 0, 1);
    says = "flows-2: removed, no flow table";
  }
  SECTION("another release's layout") {
    host.Write("flows-2", 8, 3);
    says = "flows-2: removed, layout version 3 is another release's";
  }
  SECTION("longer than the file") {
    host.Write("flows-2", 16, 1 << 30);
    says = "flows-2: removed, damaged: shorter than it says";
  }
  SECTION("a number of buckets that no table has") {
    host.Write("flows-2", 16, 200);
    says = "flows-2: damaged, its flows are lost";
  }
  SECTION("cut off") {
    fs::resize_file(host.File("flows-2"), 100);
    says = "flows-2: removed, damaged: shorter than it says";
  }
  SECTION("empty") {
    fs::resize_file(host.File("flows-2"), 0);
    says = "flows-2: removed, no flow table";
  }
  SECTION("other hash key") {
    host.Write("flows-2", 24, kKey + 1);
    says = "flows-2: 100 flows are of another hash key and lost";
  }
  const FlowFiles files = host.Start(2);
  CHECK(Says(files, says));
  CHECK(Known(files, 0, 300) == 200);
  CHECK(host.Names() == std::set<std::string>{"flows-0", "flows-1"});
}

TEST_CASE("garbage in entries is no flow, and crashes nothing") {
  const Host host;
  {
    const FlowFiles files = host.Start(2);
    Enter(files, 0, 100);
  }
  for (uint64_t at = 64; at < 64 + 16 * 400; at += 8)
    host.Write("flows-1", at, at * 0x9e3779b97f4a7c15);
  const FlowFiles files = host.Start(1);
  CHECK(Known(files, 0, 100) >= 50);
  for (const auto& table : files.tables) {
    table->ForEach([](uint64_t, BackendId, FlowState state, uint32_t) {
      CHECK(static_cast<size_t>(state) < kFlowStates);
    });
  }
}

TEST_CASE("a start that was interrupted loses nothing") {
  const Host host;
  {
    const FlowFiles files = host.Start(3);
    Enter(files, 0, 300);
  }
  SECTION("while stamping: some tables have the new run, not complete") {
    host.Write("flows-0", 8, 5);  // layout version 5, not complete
    host.Write("flows-0", 32, 2);
  }
  SECTION("after a table was set aside and its place begun") {
    fs::rename(host.File("flows-0"), host.File("flows-0-left-0"));
    std::ofstream(host.File("flows-0")) << std::string(size_t{2} << 20, '\0');
  }
  const FlowFiles files = host.Start(GENERATE(1, 2, 3));
  CHECK(Known(files, 0, 300) == 300);
  CHECK(files.warnings.empty());
  for (const std::string& name : host.Names()) CHECK(name.find("left") == std::string::npos);
}

TEST_CASE("flows forgotten: all of them, of workers that are no more, too") {
  const Host host;
  {
    const FlowFiles files = host.Start(3);
    Enter(files, 0, 300);
  }
  const FlowFiles files = host.Start(2, 1024, /*forget=*/true);
  CHECK(Known(files, 0, 300) == 0);
  CHECK(Says(files, "worker 0: flow table for 1024 flows in " + host.path + ", flows forgotten"));
  CHECK(host.Names() == std::set<std::string>{"flows-0", "flows-1"});
}

TEST_CASE("flows that find no room are counted, those that must stay come first") {
  const Host host;
  {
    const FlowFiles files = host.Start(2, 1024);
    Enter(files, 0, 1600);
  }
  const FlowFiles files = host.Start(1, 1024);
  CHECK(files.warnings.size() == 1);
  CHECK(Says(files, "flows-1: no room for "));
  CHECK(Known(files, 0, 1600) > 1000);
}

TEST_CASE("files of another data plane that runs, and what is no file of ours") {
  const Host host;
  const FlowFiles running = host.Start(3);
  const auto second = host.TryToStart(1);
  CHECK(second.status().ToString().find("is in use by another data plane") != std::string::npos);
  const Host other;
  REQUIRE(mkfifo(other.File("flows-7").c_str(), 0600) == 0);
  fs::create_symlink("/etc/passwd", other.File("flows-8"));
  std::ofstream(other.File("flows-x")) << "notes";
  {
    const FlowFiles files = other.Start(1);
    CHECK(Says(files, "flows-7: not a file of ours, left alone"));
    CHECK(Says(files, "flows-8: not a file of ours, left alone"));
    CHECK(other.Names() == std::set<std::string>{"flows-0", "flows-7", "flows-8", "flows-x"});
  }
}

TEST_CASE("room only where the old tables stand: these go first, and come back if all is in vain") {
  REQUIRE(unshare(CLONE_NEWNS) == 0);
  REQUIRE(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  const Host host;
  REQUIRE(mount("small", host.path.c_str(), "tmpfs", 0, "size=9m,mode=0700") == 0);
  {
    const FlowFiles files = host.Start(4, 65536);  // 4 files of 2 MiB
    Enter(files, 0, 1000);
  }
  const auto too_large = host.TryToStart(1, 1 << 20);  // 18 MiB
  CHECK(too_large.status().ToString().find("reserving 18 MiB") != std::string::npos);
  {
    const FlowFiles files = host.Start(1, 1 << 18);  // 6 MiB
    INFO(TextOf(files));
    CHECK(Known(files, 0, 1000) == 1000);
  }
  REQUIRE(umount(host.path.c_str()) == 0);
}

TEST_CASE("the boot's number is the same each time") {
  const auto first = BootNumber();
  REQUIRE(first.ok());
  CHECK(*first == *BootNumber());
}

}  // namespace
}  // namespace guideway
