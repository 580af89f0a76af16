// What the flow table keeps when it is loaded: memory a flow, established flows that are lost by
// load, and what it costs to enter and find them. Prints rows as JSON lines.
//
// A load of 90% is 0.9 times as many flows with random hashes as the table has entries, all of them
// established from the start: none may be evicted. Lost are those that cannot be found afterwards.
// "Churn" holds the number of live flows at that load while each ends after as many others have
// begun: every place has been used before, as in a table that has been in service for a while.
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lib/flow/flow_table.h"
#include "perf/micro/json_row.h"
#include "perf/micro/stopwatch.h"

namespace guideway {
namespace {

constexpr uint64_t kFlows = 1 << 20;
constexpr uint32_t kNowSeconds = 1'000'000;
constexpr size_t kHugePageBytes = 2 << 20;
constexpr int kLoads[] = {50, 60, 70, 75, 80, 85, 90, 95};  // percent
constexpr size_t kBatch = 32;

// A table of kFlows entries in memory of its own.
class Table {
 public:
  Table() {
    const size_t bytes = FlowTable::BytesFor(kFlows);
    const size_t rounded = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
    memory_.reset(std::aligned_alloc(kHugePageBytes, rounded));
    madvise(memory_.get(), rounded, MADV_HUGEPAGE);
    *static_cast<uint64_t*>(memory_.get()) = 0;  // not a table that was kept
    bool kept;
    if (!flows_.Attach(memory_.get(), bytes, &kept).ok()) std::abort();
  }
  FlowTable* operator->() { return &flows_; }
  bool Enter(uint64_t flow_hash, uint32_t now_s, const FlowTimeouts& timeouts) {
    return flows_.Insert(flow_hash, 1, FlowState::kEstablished, now_s, timeouts) !=
           FlowInsert::kFull;
  }
  uint64_t CountLost(const std::vector<uint64_t>& hashes, size_t count) {
    uint64_t lost = 0;
    for (size_t i = 0; i < count; ++i) lost += flows_.Find(hashes[i], kNowSeconds) == nullptr;
    return lost;
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  FlowTable flows_;
};

std::vector<uint64_t> RandomHashes(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> hashes(count);
  for (uint64_t& hash : hashes) hash = random() | 1ull << 63;  // never 0
  return hashes;
}

size_t FlowsAt(const int load_percent, uint64_t capacity) { return capacity * load_percent / 100; }

// Further flows cost this much: nothing that a table has once, as its header, counts.
void MeasureMemory() {
  const double bytes =
      static_cast<double>(FlowTable::BytesFor(2 * kFlows) - FlowTable::BytesFor(kFlows)) / kFlows;
  const uint64_t header = FlowTable::BytesFor(kFlows) - kFlows * sizeof(FlowEntry);
  PrintRow("flow_table_bytes_per_flow", "bytes", {bytes},
           {{"header_bytes", static_cast<double>(header)}});
}

// Nanoseconds that the table takes to find a random flow of those it has.
double FindTime(Table& table, const std::vector<uint64_t>& hashes, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> asked(size_t{1} << 20);
  for (uint64_t& hash : asked) {
    do {
      hash = hashes[random() % count];
    } while (table->Find(hash, kNowSeconds) == nullptr);
  }
  uint64_t found = 0;
  const double nanoseconds = NanosecondsOf([&] {
    for (size_t i = 0; i < asked.size(); i += kBatch) {
      for (size_t j = i; j < i + kBatch; ++j) PrefetchWrite(table->FirstBucket(asked[j]));
      for (size_t j = i; j < i + kBatch; ++j) {
        found += table->Find(asked[j], kNowSeconds) != nullptr;
      }
    }
  });
  if (found != asked.size()) std::abort();
  return nanoseconds / static_cast<double>(asked.size());
}

void MeasureLoads() {
  constexpr size_t kCount = std::size(kLoads);
  std::vector<double> lost[kCount], enter_ns[kCount], find_ns[kCount];
  for (int run = 0; run < kBenchmarkRuns; ++run) {
    Table table;
    const std::vector<uint64_t> hashes = RandomHashes(table->capacity(), 1 + run);
    size_t entered = 0;
    for (size_t i = 0; i < kCount; ++i) {
      const size_t flows = FlowsAt(kLoads[i], table->capacity());
      const size_t last = flows - table->capacity() / 100;  // the time is that of the last percent
      for (; entered < last; ++entered) table.Enter(hashes[entered], kNowSeconds, FlowTimeouts());
      const double nanoseconds = NanosecondsOf([&] {
        while (entered < flows) {
          const size_t end = std::min(entered + kBatch, flows);
          for (size_t j = entered; j < end; ++j) PrefetchWrite(table->FirstBucket(hashes[j]));
          for (; entered < end; ++entered) {
            table.Enter(hashes[entered], kNowSeconds, FlowTimeouts());
          }
        }
      });
      enter_ns[i].push_back(nanoseconds / static_cast<double>(flows - last));
      const uint64_t missing = table.CountLost(hashes, flows);
      lost[i].push_back(100.0 * static_cast<double>(missing) / static_cast<double>(flows));
      find_ns[i].push_back(FindTime(table, hashes, flows, 100 + run));
    }
  }
  for (size_t i = 0; i < kCount; ++i) {
    const std::string at = "_at_" + std::to_string(kLoads[i]);
    PrintRow("flow_table_lost_percent" + at, "percent", lost[i]);
    if (kLoads[i] != 50 && kLoads[i] != 90) continue;
    PrintRow("flow_table_find_ns" + at, "ns", find_ns[i]);
    PrintRow("flow_table_enter_ns" + at, "ns", enter_ns[i]);
  }
}

// Flows live for kLifeSeconds, as many begin in a second as keep the load; the first life fills the
// table, two more are measured.
void MeasureChurn(int load_percent) {
  constexpr uint32_t kLifeSeconds = 1000;
  const FlowTimeouts timeouts{.established_s = kLifeSeconds};
  std::vector<double> lost;
  for (int run = 0; run < kBenchmarkRuns; ++run) {
    Table table;
    std::mt19937_64 random(1000 + run);
    const size_t begin_per_second = FlowsAt(load_percent, table->capacity()) / kLifeSeconds;
    uint64_t refused = 0, begun = 0;
    for (uint32_t second = 0; second < 3 * kLifeSeconds; ++second) {
      for (size_t i = 0; i < begin_per_second; ++i) {
        const bool entered = table.Enter(random() | 1ull << 63, kNowSeconds + second, timeouts);
        if (second < kLifeSeconds) continue;
        ++begun;
        refused += !entered;
      }
    }
    lost.push_back(100.0 * static_cast<double>(refused) / static_cast<double>(begun));
  }
  PrintRow("flow_table_lost_percent_churn_" + std::to_string(load_percent), "percent", lost);
}

int Main() {
  MeasureMemory();
  MeasureLoads();
  MeasureChurn(50);
  MeasureChurn(90);
  return 0;
}

}  // namespace
}  // namespace guideway

int main() { return guideway::Main(); }
