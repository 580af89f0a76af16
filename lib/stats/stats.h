// Names of all counters and drop reasons, made from the two .def files beside this header.
//
// WorkerCounters is written by one worker only, once per burst, between BeginUpdate() and
// EndUpdate(); any thread may take a consistent copy with ReadConsistent() (a sequence lock).
#ifndef GUIDEWAY_LIB_STATS_STATS_H_
#define GUIDEWAY_LIB_STATS_STATS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace guideway {

enum class DropReason : uint8_t {
#define GW_DROP_REASON(name, help) name,
#include "lib/stats/drop_reasons.def"
#undef GW_DROP_REASON
};

enum class Counter : uint8_t {
#define GW_COUNTER(name, unit, help) name,
#include "lib/stats/counters.def"
#undef GW_COUNTER
};

struct DropReasonInfo {
  const char* name;
  const char* help;
};
struct CounterInfo {
  const char* name;
  const char* unit;
  const char* help;
};

inline constexpr DropReasonInfo kDropReasons[] = {
#define GW_DROP_REASON(name, help) {#name, help},
#include "lib/stats/drop_reasons.def"
#undef GW_DROP_REASON
};
inline constexpr CounterInfo kCounters[] = {
#define GW_COUNTER(name, unit, help) {#name, unit, help},
#include "lib/stats/counters.def"
#undef GW_COUNTER
};

// Counters that are kept by backend as well. Over all backends, and those that are gone, each sums
// up to its total.
enum class BackendCounter : uint8_t {
  syn_retransmissions,
  unanswered_flows,
  client_resets,
  overflowed_flows,
  over_limit_flows,
};
inline constexpr Counter kBackendCounters[] = {
    Counter::syn_retransmissions, Counter::unanswered_flows, Counter::client_resets,
    Counter::overflowed_flows, Counter::over_limit_flows};
inline constexpr size_t kBackendCounterCount = std::size(kBackendCounters);
constexpr Counter CounterOf(BackendCounter counter) {
  return kBackendCounters[static_cast<size_t>(counter)];
}

inline constexpr size_t kDropReasonCount = std::size(kDropReasons);
inline constexpr size_t kCounterCount = std::size(kCounters);

// One consistent set of values, of one worker or summed over several.
struct CounterValues {
  std::array<uint64_t, kCounterCount> counters{};
  std::array<uint64_t, kDropReasonCount> drops{};

  uint64_t& operator[](Counter c) { return counters[static_cast<size_t>(c)]; }
  uint64_t operator[](Counter c) const { return counters[static_cast<size_t>(c)]; }
  uint64_t& operator[](DropReason r) { return drops[static_cast<size_t>(r)]; }
  uint64_t operator[](DropReason r) const { return drops[static_cast<size_t>(r)]; }
  CounterValues& operator+=(const CounterValues& other);
  uint64_t TotalDrops() const;
  // The accounting invariant: received = forwarded + to kernel + answered + drops, exactly.
  bool Balanced() const;
};

// One backend's, of one worker. Single writer (the worker), any number of readers, who see it at
// most a burst off.
struct BackendCounterCell {
  std::array<std::atomic<uint64_t>, kBackendCounterCount> values{};

  void Add(BackendCounter counter) {
    std::atomic<uint64_t>& value = values[static_cast<size_t>(counter)];
    value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
};

// Single writer (its worker), any number of readers.
class alignas(64) WorkerCounters {
 public:
  // Writer: adds a burst's values. Readers see all of them or none.
  void Add(const CounterValues& burst);
  // Reader, any thread: a copy in which no burst is half counted.
  CounterValues ReadConsistent() const;

 private:
  std::atomic<uint64_t> sequence_{0};  // odd while the worker is writing
  std::array<std::atomic<uint64_t>, kCounterCount> counters_{};
  std::array<std::atomic<uint64_t>, kDropReasonCount> drops_{};
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_STATS_STATS_H_
