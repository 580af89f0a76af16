// What the benchmarks that need no packets have in common: how often they run, and the clock.
#ifndef GUIDEWAY_PERF_MICRO_STOPWATCH_H_
#define GUIDEWAY_PERF_MICRO_STOPWATCH_H_

#include <chrono>

namespace guideway {

inline constexpr int kBenchmarkRuns = 7;

// Nanoseconds of the monotonic clock that `work()` takes.
template <typename Work>
double NanosecondsOf(Work work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace guideway

#endif  // GUIDEWAY_PERF_MICRO_STOPWATCH_H_
