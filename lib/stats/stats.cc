#include "lib/stats/stats.h"

#include <numeric>

namespace guideway {

CounterValues& CounterValues::operator+=(const CounterValues& other) {
  for (size_t i = 0; i < kCounterCount; ++i) counters[i] += other.counters[i];
  for (size_t i = 0; i < kDropReasonCount; ++i) drops[i] += other.drops[i];
  return *this;
}

uint64_t CounterValues::TotalDrops() const {
  return std::accumulate(drops.begin(), drops.end(), uint64_t{0});
}

bool CounterValues::Balanced() const {
  return (*this)[Counter::received_packets] ==
         (*this)[Counter::forwarded_packets] + (*this)[Counter::to_kernel_packets] +
             (*this)[Counter::answered_packets] + TotalDrops();
}

namespace {
// A plain load and store: this thread is the only writer, so no atomic addition is needed.
void AddRelaxed(std::atomic<uint64_t>& value, uint64_t delta) {
  if (delta != 0)
    value.store(value.load(std::memory_order_relaxed) + delta, std::memory_order_relaxed);
}
}  // namespace

void WorkerCounters::Add(const CounterValues& burst) {
  const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (size_t i = 0; i < kCounterCount; ++i) AddRelaxed(counters_[i], burst.counters[i]);
  for (size_t i = 0; i < kDropReasonCount; ++i) AddRelaxed(drops_[i], burst.drops[i]);
  sequence_.store(sequence + 2, std::memory_order_release);
}

CounterValues WorkerCounters::ReadConsistent() const {
  for (;;) {
    const uint64_t before = sequence_.load(std::memory_order_acquire);
    CounterValues copy;
    for (size_t i = 0; i < kCounterCount; ++i) {
      copy.counters[i] = counters_[i].load(std::memory_order_relaxed);
    }
    for (size_t i = 0; i < kDropReasonCount; ++i) {
      copy.drops[i] = drops_[i].load(std::memory_order_relaxed);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if ((before & 1) == 0 && sequence_.load(std::memory_order_relaxed) == before) return copy;
  }
}

}  // namespace guideway
