// A ring of fixed-size messages in shared memory, one producer and one consumer process.
//
// Each end keeps its own index and the capacity privately and only publishes its index; of the
// peer's index it believes nothing but the distance to its own, which must lie within 0..capacity.
// Anything else is reported as corruption (DataLoss) and never followed. A message is copied out
// whole before the caller can look at it. Indices count messages since the ring was made and wrap
// at 2^64. Thread safety: one thread for each end.
#ifndef GUIDEWAY_LIB_CHANNEL_RING_H_
#define GUIDEWAY_LIB_CHANNEL_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/hot.h"
#include "lib/base/status.h"

namespace guideway::channel {

// How a ring begins in shared memory; the messages follow.
struct RingIndices {
  alignas(kCacheLineBytes) std::atomic<uint64_t> written{0};  // stored by the producer
  alignas(kCacheLineBytes) std::atomic<uint64_t> read{0};     // stored by the consumer
};
static_assert(sizeof(RingIndices) == 2 * kCacheLineBytes);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

template <typename Message>
constexpr size_t RingBytes(uint32_t capacity) {
  return sizeof(RingIndices) + size_t{capacity} * sizeof(Message);
}

// "<ring>: the peer's index is N messages off, capacity M".
absl::Status RingCorruption(const char* ring, uint64_t distance, uint32_t capacity);

template <typename Message>
class RingProducer {
 public:
  RingProducer() = default;
  // `memory`: RingBytes<Message>(capacity) zeroed bytes, borrowed; capacity: a power of two;
  // `name`: for errors, a literal.
  RingProducer(uint8_t* memory, uint32_t capacity, const char* name)
      : indices_(reinterpret_cast<RingIndices*>(memory)),
        messages_(memory + sizeof(RingIndices)),
        capacity_(capacity),
        name_(name) {}

  // Free entries. DataLoss if the consumer's index is impossible.
  absl::StatusOr<uint32_t> Room() const {
    const uint64_t used = written_ - indices_->read.load(std::memory_order_acquire);
    if (used > capacity_) return RingCorruption(name_, used, capacity_);
    return static_cast<uint32_t>(capacity_ - used);
  }
  // ResourceExhausted if the ring is full, DataLoss as above.
  absl::Status Push(const Message& message) {
    GW_ASSIGN_OR_RETURN(const uint32_t room, Room());
    if (room == 0) return absl::ResourceExhaustedError(absl::StrCat(name_, " is full"));
    std::memcpy(messages_ + (written_ & (capacity_ - 1)) * sizeof(Message), &message,
                sizeof(Message));
    indices_->written.store(++written_, std::memory_order_release);
    return absl::OkStatus();
  }

 private:
  RingIndices* indices_ = nullptr;
  uint8_t* messages_ = nullptr;
  uint32_t capacity_ = 0;
  const char* name_ = "";
  uint64_t written_ = 0;  // the truth; the copy in shared memory is for the peer
};

template <typename Message>
class RingConsumer {
 public:
  RingConsumer() = default;
  RingConsumer(uint8_t* memory, uint32_t capacity, const char* name)
      : indices_(reinterpret_cast<RingIndices*>(memory)),
        messages_(memory + sizeof(RingIndices)),
        capacity_(capacity),
        name_(name) {}

  // Messages waiting. DataLoss if the producer's index is impossible.
  absl::StatusOr<uint32_t> Available() const {
    const uint64_t waiting = indices_->written.load(std::memory_order_acquire) - read_;
    if (waiting > capacity_) return RingCorruption(name_, waiting, capacity_);
    return static_cast<uint32_t>(waiting);
  }
  // Copies up to `to.size()` messages out; returns how many.
  absl::StatusOr<size_t> Pop(absl::Span<Message> to) {
    GW_ASSIGN_OR_RETURN(const uint32_t waiting, Available());
    const size_t count = waiting < to.size() ? waiting : to.size();
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&to[i], messages_ + ((read_ + i) & (capacity_ - 1)) * sizeof(Message),
                  sizeof(Message));
    }
    if (count > 0) indices_->read.store(read_ += count, std::memory_order_release);
    return count;
  }

 private:
  RingIndices* indices_ = nullptr;
  const uint8_t* messages_ = nullptr;
  uint32_t capacity_ = 0;
  const char* name_ = "";
  uint64_t read_ = 0;  // the truth; the copy in shared memory is for the peer
};

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_RING_H_
