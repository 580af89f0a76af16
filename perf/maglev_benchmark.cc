// How long a pool's Maglev table takes to build, one thread. Arguments: slots, backends, equal
// weights.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "lib/hash/maglev.h"

namespace guideway {
namespace {

void BuildTable(benchmark::State& state) {
  std::vector<MaglevBackend> backends;
  for (int i = 0; i < state.range(1); ++i) {
    backends.push_back({"backend-" + std::to_string(i),
                        state.range(2) != 0 ? 1 : static_cast<uint32_t>(10 + i % 7),
                        static_cast<uint16_t>(i)});
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        BuildMaglevTable(backends, static_cast<uint32_t>(state.range(0)), 1).value());
  }
}
BENCHMARK(BuildTable)
    ->Unit(benchmark::kMillisecond)
    ->Args({65537, 100, 1})
    ->Args({65537, 1000, 1})
    ->Args({65537, 1000, 0})
    ->Args({655373, 1000, 1});

}  // namespace
}  // namespace guideway

BENCHMARK_MAIN();
