// What a worker has taken over from other workers' flow tables, for these to read.
//
// The last kCapacity flows, by hash. One writer, any number of readers in other threads; each
// keeps its own place and is neither waited for nor told: who falls behind misses the oldest. What
// is read has been taken over by the writer, though perhaps later than its number says.
//
// HOT PATH: no allocation, lock, log, system call or exception.
#ifndef GUIDEWAY_LIB_FLOW_TAKEOVER_LOG_H_
#define GUIDEWAY_LIB_FLOW_TAKEOVER_LOG_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "lib/base/hot.h"

namespace guideway {

class TakeoverLog {
 public:
  static constexpr uint64_t kCapacity = 1 << 14;

  // Writer.
  void Add(uint64_t flow_hash) {
    const uint64_t number = written_.load(std::memory_order_relaxed);
    flows_[number % kCapacity].store(flow_hash, std::memory_order_relaxed);
    written_.store(number + 1, std::memory_order_release);
  }

  // Reader: how many were added so far.
  uint64_t written() const { return written_.load(std::memory_order_acquire); }
  // Reader: the flow that was added as this number, below written(), or a later one.
  uint64_t At(uint64_t number) const {
    return flows_[number % kCapacity].load(std::memory_order_relaxed);
  }

 private:
  alignas(kCacheLineBytes) std::atomic<uint64_t> written_{0};
  alignas(kCacheLineBytes) std::array<std::atomic<uint64_t>, kCapacity> flows_{};
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_TAKEOVER_LOG_H_
