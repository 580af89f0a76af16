// Requests that are right, to be sent or to be made wrong; an arena on the heap; a digest of what a
// worker would see.
#ifndef GUIDEWAY_TESTS_UNIT_TABLES_REQUESTS_H_
#define GUIDEWAY_TESTS_UNIT_TABLES_REQUESTS_H_

#include <cstdint>
#include <vector>

#include "dataplane/tables/snapshot.h"
#include "lib/channel/messages.h"
#include "lib/channel/shared_memory.h"

namespace guideway {

// Two arena slots, each with room for `entries` slots.
class HeapArena {
 public:
  explicit HeapArena(uint32_t entries) : entries_(entries), slots_(2 * entries) {}
  channel::ArenaView view() const {
    return {.base = reinterpret_cast<const uint8_t*>(slots_.data()),
            .slot_count = 2,
            .slot_bytes = entries_ * static_cast<uint32_t>(sizeof(channel::MaglevSlot)),
            .stride = entries_ * sizeof(channel::MaglevSlot)};
  }
  // Gives every slot of arena slot `slot` to one backend.
  void Fill(uint32_t slot, uint16_t current, uint16_t previous) {
    for (uint32_t i = 0; i < entries_; ++i) at(slot, i) = {current, previous};
  }
  channel::MaglevSlot& at(uint32_t slot, uint32_t i) { return slots_[slot * entries_ + i]; }

 private:
  const uint32_t entries_;
  std::vector<channel::MaglevSlot> slots_;
};

channel::Request Begin(bool full, uint64_t base_generation = 0);
channel::Request Commit(uint64_t generation);
channel::Request Abort();
channel::Request SetGlobals();
// 198.51.100.<index>:80/tcp
channel::Request SetVip(uint32_t index, uint32_t pool);
channel::Request SetPool(uint32_t index, uint32_t slot_count, uint32_t arena_slot);
// L2, its next hop has the same index
channel::Request SetBackend(uint32_t index, uint32_t next_hop);
channel::Request SetNextHop(uint32_t index);  // through port 0
// Server IDs of 2 bytes, nonces of 6, encrypted.
channel::Request SetQuicLb(uint32_t index);
// `backend` with a server ID of these 2 bytes.
channel::Request WithServerId(channel::Request backend, uint32_t pool, uint8_t first,
                              uint8_t second);
channel::Request Delete(channel::MessageType type, uint32_t index);

// Over all that a worker reads: equal exactly if two snapshots forward alike. The generation is
// left out.
uint64_t DigestOf(const Snapshot& snapshot);

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_TABLES_REQUESTS_H_
