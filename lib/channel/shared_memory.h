// The memory of one connection: geometry, creation (data plane), mapping (control plane).
//
// The geometry is computed from the handshake's capacities by each end for itself and then kept
// privately; nothing in the memory is ever used as an index, a size or an offset. The file has a
// fixed, sealed size, so that neither end can make the other fault by truncating it.
// Thread safety: none; the owner's thread only. The contents are shared with a peer that may write
// anything at any time: copy out first, look at the copy.
#ifndef GUIDEWAY_LIB_CHANNEL_SHARED_MEMORY_H_
#define GUIDEWAY_LIB_CHANNEL_SHARED_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/unique_fd.h"
#include "lib/channel/layout.h"
#include "lib/channel/vitals.h"

namespace guideway::channel {

// What the data plane chooses and the handshake tells.
struct Capacities {
  uint32_t request_capacity = 1024;   // ring entries, a power of two, 2..65536
  uint32_t response_capacity = 1024;  // the same
  uint32_t arena_slot_count = 16;     // 1..4096
  uint32_t arena_slot_bytes = kMaxSlots * sizeof(MaglevSlot);  // at least kMinSlots MaglevSlots
};

// Where the parts are, in bytes from the start. Each part starts on a page of its own.
struct Geometry {
  Capacities capacities;
  size_t request_ring = 0;
  size_t response_ring = 0;
  size_t vitals = 0;
  size_t counters = 0;
  size_t arena = 0;
  size_t arena_slot_stride = 0;  // arena_slot_bytes rounded up to pages
  size_t total_bytes = 0;

  // Errors name the capacity that is out of range.
  static absl::StatusOr<Geometry> Compute(const Capacities& capacities);
};

// The tables that the control plane writes. A view; the memory belongs to a SharedMemory. An empty
// view has no slots.
struct ArenaView {
  const uint8_t* base = nullptr;
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;
  size_t stride = 0;

  // How many MaglevSlots one arena slot can hold.
  uint32_t EntriesPerSlot() const { return slot_bytes / sizeof(MaglevSlot); }
  // Copies `entries` MaglevSlots out of arena slot `slot`. The caller has checked slot <
  // slot_count and entries <= EntriesPerSlot(); checked again, fatally.
  void CopyOut(uint32_t slot, uint32_t entries, MaglevSlot* to) const;
};

class SharedMemory {
 public:
  // Data plane: a new memfd of the geometry's size, sealed, mapped, zeroed.
  static absl::StatusOr<SharedMemory> Create(const Capacities& capacities);
  // Control plane: maps a received descriptor after checking its size and seals.
  static absl::StatusOr<SharedMemory> Attach(UniqueFd file, const Capacities& capacities);

  SharedMemory() = default;
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  int file() const { return file_.get(); }
  const Geometry& geometry() const { return geometry_; }
  uint8_t* header() const { return base_; }
  uint8_t* request_ring() const { return base_ + geometry_.request_ring; }
  uint8_t* response_ring() const { return base_ + geometry_.response_ring; }
  CountersRegion* counters() const;
  Vitals* vitals() const;
  ArenaView arena() const;
  // Control plane: arena slot `slot` to write into; empty if there is no such slot.
  absl::Span<MaglevSlot> arena_slot(uint32_t slot) const;

 private:
  static absl::StatusOr<SharedMemory> Map(UniqueFd file, const Geometry& geometry);
  UniqueFd file_;
  Geometry geometry_;
  uint8_t* base_ = nullptr;
};

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_SHARED_MEMORY_H_
