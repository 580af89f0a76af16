// HOT PATH (Find): no allocation, lock, log, system call or exception.
#include "dataplane/tables/quic_table.h"

#include <bit>
#include <cstring>

namespace guideway {
namespace {

// Not keyed: server IDs are the operator's, so nobody else chooses what is in the table, and at
// most half of the cells are taken.
size_t HashOf(uint16_t pool, const ServerId& id) {
  uint64_t low, high;
  std::memcpy(&low, &id, sizeof(low));
  std::memcpy(&high, reinterpret_cast<const uint8_t*>(&id) + sizeof(low), sizeof(high));
  uint64_t hash = (low ^ pool) * 0x9e3779b97f4a7c15;
  hash = (hash ^ hash >> 32 ^ high) * 0xff51afd7ed558ccd;
  hash ^= hash >> 32;
  return static_cast<size_t>(hash * 0xc4ceb9fe1a85ec53 >> 20);
}

}  // namespace

size_t QuicTable::CellsFor(size_t server_count) {
  return server_count == 0 ? 0 : std::bit_ceil(2 * server_count);
}

bool QuicTable::Insert(uint16_t pool, const ServerId& id, uint16_t backend) {
  size_t at = HashOf(pool, id);
  for (size_t probe = 0; probe < servers_.size(); ++probe, ++at) {
    ServerCell& cell = servers_[at & mask_];
    if (cell.id.length_bytes != 0) {
      if (cell.pool == pool && cell.id == id) return false;
      continue;
    }
    cell = {.id = id, .pool = pool, .backend = backend};
    return true;
  }
  return false;
}

const ServerCell* QuicTable::Find(uint16_t pool, const ServerId& id) const {
  size_t at = HashOf(pool, id);
  for (size_t probe = 0; probe < servers_.size(); ++probe, ++at) {
    const ServerCell& cell = servers_[at & mask_];
    if (cell.id.length_bytes == 0) return nullptr;
    if (cell.pool == pool && cell.id == id) return &cell;
  }
  return nullptr;
}

}  // namespace guideway
