// Signs of life in the shared memory: one board for each direction, which its owner writes several
// times a second whatever else it does, and the other end looks at whenever it likes.
//
// A board that is not written any more is how each end notices that the other one hangs. Requests
// and responses cannot tell: they also wait when there is merely much to do. Nothing on a board is
// used as an index, a size or an offset; what it says is checked by the reader.
// Thread safety: one writer, any readers, also of another process; neither ever waits.
#ifndef GUIDEWAY_LIB_CHANNEL_VITALS_H_
#define GUIDEWAY_LIB_CHANNEL_VITALS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "absl/time/time.h"
#include "lib/channel/layout.h"

namespace guideway::channel {

// How often each end writes its board.
inline constexpr absl::Duration kBeatInterval = absl::Milliseconds(200);
// Whoever has not moved for this long is taken to hang. With the time until somebody looks it is
// less than 2 s until it is named.
inline constexpr absl::Duration kSilenceLimit = absl::Milliseconds(1200);
// A control plane may have more to do in one turn than a manager.
inline constexpr absl::Duration kControlplaneSilenceLimit = absl::Milliseconds(1500);

// What is wrong with a port, each a bit of PortVitals::faults.
enum class PortFault : uint32_t {
  kGone = 1 << 0,      // no such interface, or another one than was opened
  kQueues = 1 << 1,    // another number of receive queues than workers
  kMtu = 1 << 2,       // larger than what the buffers hold
  kLinkDown = 1 << 3,  // no carrier, or switched off
  kProgram = 1 << 4,   // the steering program is not on the interface
  kRenamed = 1 << 5,   // serves, but a restart would not find it
};

// A port as it is now; what differs from the Welcome has been adopted.
struct PortVitals {
  char kernel_interface[16] = {};
  MacAddress mac;
  uint16_t mtu_bytes = 0;       // in use
  uint32_t faults = 0;          // PortFault
  uint32_t receive_queues = 0;  // the interface's; 0: not known
  uint32_t interface_mtu_bytes = 0;
  uint32_t reserved = 0;
};

// What the data plane says of itself.
struct DataplaneVitals {
  uint64_t awaited_generation = 0;              // of tables that some worker has not taken; 0: none
  uint32_t awaited_worker = 0;                  // which
  uint32_t log_loses_lines = 0;                 // 1: within the last minute
  uint32_t worker_silent_ms[kMaxWorkers] = {};  // 0: it moves; else for how long it has not
  uint64_t lost_log_lines = 0;
  uint32_t socket_lost = 0;  // 1: no other control plane can connect, see KeepListening()
  uint32_t reserved = 0;
  PortVitals ports[kMaxPorts];
};

struct ControlplaneVitals {
  uint64_t turns = 0;  // of its event loop that have written here
};

// A value that is read whole or not at all, and that says whether it was written again.
template <typename Value>
class Board {
  static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) % sizeof(uint64_t) == 0);
  static constexpr size_t kWords = sizeof(Value) / sizeof(uint64_t);

 public:
  // `turn` grows by one with each call, from 1 on. The writer keeps it: what stands here may have
  // been written by the peer.
  void Write(uint64_t turn, const Value& value) {
    uint64_t words[kWords];
    std::memcpy(words, &value, sizeof(value));
    std::atomic_ref<uint64_t>(turn_).store(turn * 2 - 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (size_t i = 0; i < kWords; ++i) {
      std::atomic_ref<uint64_t>(words_[i]).store(words[i], std::memory_order_relaxed);
    }
    std::atomic_ref<uint64_t>(turn_).store(turn * 2, std::memory_order_release);
  }
  // False: it is being written just now, `*value` is as it was.
  bool Read(Value* value) const {
    uint64_t words[kWords];
    const uint64_t before = turn();
    for (size_t i = 0; i < kWords; ++i) {
      words[i] = std::atomic_ref<uint64_t>(words_[i]).load(std::memory_order_relaxed);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 != 0 || turn() != before) return false;
    std::memcpy(value, words, sizeof(words));
    return true;
  }
  // Differs from that before if there was a Write() in between.
  uint64_t turn() const { return std::atomic_ref<uint64_t>(turn_).load(std::memory_order_acquire); }

 private:
  // atomic_ref has no constness; the memory is never read-only.
  alignas(64) mutable uint64_t turn_ = 0;
  mutable uint64_t words_[kWords] = {};
};

// The part of the shared memory.
struct Vitals {
  Board<DataplaneVitals> dataplane;
  Board<ControlplaneVitals> controlplane;
};

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_VITALS_H_
