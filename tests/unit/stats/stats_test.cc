// Counters: the accounting invariant and consistent reads while a writer is at work.
#include "lib/stats/stats.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

namespace guideway {
namespace {

CounterValues BalancedBurst() {
  CounterValues burst;
  burst[Counter::received_packets] = 8;
  burst[Counter::forwarded_packets] = 2;
  burst[Counter::to_kernel_packets] = 1;
  burst[Counter::answered_packets] = 3;
  burst[DropReason::ip_header_bad] = 2;
  return burst;
}

TEST_CASE("received = forwarded + to kernel + answered + drops decides Balanced") {
  CounterValues values = BalancedBurst();
  CHECK(values.Balanced());
  CHECK(values.TotalDrops() == 2);
  values[DropReason::too_big] += 1;
  CHECK_FALSE(values.Balanced());
}

TEST_CASE("names and help texts stand for every counter and reason") {
  for (const DropReasonInfo& info : kDropReasons) {
    CHECK(std::string(info.name).size() > 3);
    CHECK(std::string(info.help).size() > 10);
  }
  CHECK(std::string(kCounters[static_cast<size_t>(Counter::flow_hits)].name) == "flow_hits");
}

TEST_CASE("a reader never sees half a burst") {
  WorkerCounters counters;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    const CounterValues burst = BalancedBurst();
    while (!stop.load()) counters.Add(burst);
  });
  int unbalanced = 0;
  for (int i = 0; i < 20000; ++i) unbalanced += counters.ReadConsistent().Balanced() ? 0 : 1;
  stop.store(true);
  writer.join();
  CHECK(unbalanced == 0);
  CHECK(counters.ReadConsistent()[Counter::received_packets] % 8 == 0);
}

}  // namespace
}  // namespace guideway
