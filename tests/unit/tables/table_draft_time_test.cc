// How long the data plane takes over a change of one pool among many. Measures, checks nothing.
#include <time.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <vector>

#include "dataplane/tables/snapshot_builder.h"
#include "dataplane/tables/table_draft.h"
#include "tests/unit/tables/requests.h"

namespace guideway {
namespace {

using namespace channel;  // NOLINT(google-build-using-namespace)

double ProcessorMicros() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// Run with the argument "[benchmark]".
TEST_CASE("time of a delta with one changed pool of many", "[.][benchmark]") {
  constexpr uint32_t kPools = 1000, kBackends = 10000, kBig = 65537;
  HeapTableMemory memory(size_t{1} << 30);
  HeapArena arena(kBig);
  for (uint32_t i = 0; i < kBig; ++i) {
    arena.at(0, i) = {static_cast<uint16_t>(i % kBackends), static_cast<uint16_t>(i % 9999)};
  }
  std::unique_ptr<OwnedSnapshot> snapshot;
  TableDraft draft(&memory, 1, [&](const TableState& tables) {
    auto built = OwnedSnapshot::Build(tables, &memory);
    if (built.ok()) snapshot = *std::move(built);
    return built.status();
  });
  const auto apply = [&](const Request& r) {
    REQUIRE(draft.Apply(r, arena.view()).code == ResponseCode::kOk);
  };
  apply(Begin(true));
  apply(SetGlobals());
  for (uint32_t i = 0; i < kBackends; ++i) apply(SetNextHop(i)), apply(SetBackend(i, i));
  for (uint32_t i = 0; i < kPools; ++i) apply(SetPool(i, kBig, 0)), apply(SetVip(i, i));
  apply(Commit(1));
  // Processor time beside the clock: on a busy machine the clock counts other processes' turns too.
  std::vector<double> elapsed, processor;
  for (uint64_t generation = 1; generation <= 101; ++generation) {
    const auto start = std::chrono::steady_clock::now();
    const double processor_start = ProcessorMicros();
    apply(Begin(false, generation));
    apply(SetPool(500, kBig, 0));
    apply(Commit(generation + 1));
    processor.push_back(ProcessorMicros() - processor_start);
    const auto end = std::chrono::steady_clock::now();
    elapsed.push_back(std::chrono::duration<double, std::micro>(end - start).count());
  }
  std::cout << "delta of one pool of " << kPools << ", us of processor time: first "
            << processor[0];
  std::sort(elapsed.begin(), elapsed.end());
  std::sort(processor.begin(), processor.end());
  std::cout << ", median " << processor[50] << ", slowest " << processor[100]
            << "; us of the clock: median " << elapsed[50] << ", slowest " << elapsed[100] << "\n";
}

}  // namespace
}  // namespace guideway
