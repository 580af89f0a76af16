// How long a pool's Maglev table takes to build, one thread, and how far the shares of its backends
// are from their weights. Prints rows as JSON lines.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/hash/maglev.h"
#include "perf/micro/json_row.h"
#include "perf/micro/stopwatch.h"

namespace guideway {
namespace {

// From a share of so many slots on, a slot more or less is within 1% of it.
constexpr double kSlotsOfOnePercent = 100;

enum class Weights { kEqual, kMixed, kSteep };

uint32_t WeightOf(int backend, Weights weights) {
  if (weights == Weights::kEqual) return 1;
  return static_cast<uint32_t>(weights == Weights::kMixed ? 10 + backend % 7 : 1 + backend % 100);
}

std::vector<MaglevBackend> Backends(int count, Weights weights) {
  std::vector<MaglevBackend> backends;
  for (int i = 0; i < count; ++i) {
    backends.push_back({"backend-" + std::to_string(i), WeightOf(i, weights),  //
                        static_cast<uint16_t>(i)});
  }
  return backends;
}

void MeasureTime(const std::string& row, uint32_t slots, int count, Weights weights, int builds) {
  const std::vector<MaglevBackend> backends = Backends(count, weights);
  uint64_t sum = 0;
  std::vector<double> milliseconds;
  for (int run = -1; run < kBenchmarkRuns; ++run) {  // the first only warms up
    const double nanoseconds = NanosecondsOf([&] {
      for (int i = 0; i < builds; ++i) sum += BuildMaglevTable(backends, slots, 1).value().back();
    });
    if (run >= 0) milliseconds.push_back(nanoseconds / builds / 1e6);
  }
  std::fprintf(stderr, "%s: last slots add up to %llu\n", row.c_str(),
               static_cast<unsigned long long>(sum));
  PrintRow(row, "ms", milliseconds);
}

struct Worst {
  double slots = 0;    // that a backend has more or less than its exact share
  double percent = 0;  // the same in percent of its share, where a slot is at most 1% of that
};

void LookAtShares(uint32_t slots, int count, Weights weights, uint64_t seed, Worst* worst) {
  const std::vector<MaglevBackend> backends = Backends(count, weights);
  double sum = 0;
  for (const MaglevBackend& backend : backends) sum += backend.weight;
  std::vector<uint32_t> owned(backends.size());
  const auto table = BuildMaglevTable(backends, slots, seed);
  for (const uint16_t owner : table.value()) ++owned[owner];
  for (size_t i = 0; i < backends.size(); ++i) {
    const double share = slots * (backends[i].weight / sum);
    const double error = std::abs(owned[i] - share);
    worst->slots = std::max(worst->slots, error);
    if (share >= kSlotsOfOnePercent) {
      worst->percent = std::max(worst->percent, error / share * 100);
    }
  }
}

// The tables are a pure function of the seed: runs are seeds.
void MeasureShares() {
  std::vector<double> slots, percent;
  for (int seed = 1; seed <= kBenchmarkRuns; ++seed) {
    Worst worst;
    for (const uint32_t slot_count : {65537u, 655373u}) {
      for (const int count : {3, 100, 1000}) {
        for (const Weights weights : {Weights::kEqual, Weights::kMixed, Weights::kSteep}) {
          LookAtShares(slot_count, count, weights, static_cast<uint64_t>(seed), &worst);
        }
      }
    }
    slots.push_back(worst.slots);
    percent.push_back(worst.percent);
  }
  PrintRow("maglev_share_error_percent", "percent", percent);
  PrintRow("maglev_share_error_slots", "slots", slots);
}

int Main() {
  MeasureTime("maglev_65537_100", 65537, 100, Weights::kEqual, 50);
  MeasureTime("maglev_65537_1000", 65537, 1000, Weights::kEqual, 50);
  MeasureTime("maglev_65537_1000_weighted", 65537, 1000, Weights::kMixed, 50);
  MeasureTime("maglev_655373_1000", 655373, 1000, Weights::kEqual, 10);
  MeasureTime("maglev_655373_1000_weighted", 655373, 1000, Weights::kMixed, 10);
  MeasureShares();
  return 0;
}

}  // namespace
}  // namespace guideway

int main() { return guideway::Main(); }
