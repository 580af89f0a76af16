// From what the tables say - a flow's entry, a Maglev slot - to the backend that is there now.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure functions.
#ifndef GUIDEWAY_DATAPLANE_PATH_BACKEND_OF_H_
#define GUIDEWAY_DATAPLANE_PATH_BACKEND_OF_H_

#include "dataplane/path/packet.h"
#include "dataplane/path/schedulers.h"

namespace guideway {

// The backend a flow was given to, if it is still there (not another one under its index) and is
// to keep its flows; else nullptr.
inline const Backend* KnownBackend(const Snapshot& tables, BackendId id) {
  const uint16_t index = BackendIndex(id);
  if (index >= tables.backends.size()) return nullptr;
  const Backend& backend = tables.backends[index];
  return backend.keeps_known_flows && backend.id == id ? &backend : nullptr;
}

// The slot of the packet in the table of packet.pool - by the flow's hash, or by the client's - or
// nullptr.
inline const channel::MaglevSlot* SlotFor(const Packet& packet, const Snapshot& tables) {
  if (packet.pool >= tables.pools.size()) return nullptr;
  const Pool& pool = tables.pools[packet.pool];
  if (pool.slot_count == 0) return nullptr;
  uint64_t hash = packet.flow_hash;
  if (pool.scheduler == channel::Scheduler::kMaglevSource) [[unlikely]]
    hash = SourceHash(tables.flow_hash_key, packet.key.source, pool);
  return &pool.slots[SlotOf(hash, pool.slot_count)];
}

// Whom the slot belongs to, or nullptr.
inline const Backend* BackendOf(const channel::MaglevSlot& slot, const Snapshot& tables) {
  // "Nobody" is an index that no backend has.
  if (slot.current >= tables.backends.size()) return nullptr;
  const Backend& backend = tables.backends[slot.current];
  return backend.exists ? &backend : nullptr;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_BACKEND_OF_H_
