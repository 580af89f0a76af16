// PoolTable: the private, checked copy of one pool's lookup table.
//
// Immutable once made, shared by every generation in which the pool did not change, and freed with
// the last of them. Thread safety: made and destroyed on the manager's thread; workers read the
// slots through a snapshot that keeps the table alive.
#ifndef GUIDEWAY_DATAPLANE_TABLES_POOL_TABLE_H_
#define GUIDEWAY_DATAPLANE_TABLES_POOL_TABLE_H_

#include <bitset>
#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "dataplane/tables/table_memory.h"
#include "lib/channel/messages.h"
#include "lib/channel/shared_memory.h"

namespace guideway {

using BackendSet = std::bitset<channel::kMaxBackends>;  // by backend index

class PoolTable {
 public:
  // Copies `entries` slots out of arena slot `slot`, both within the arena's bounds. Then finds
  // what the copy refers to. nullptr if there is no memory.
  static std::shared_ptr<const PoolTable> Copy(const channel::ArenaView& arena, uint32_t slot,
                                               uint32_t entries, TableMemory* memory);
  ~PoolTable();
  PoolTable(const PoolTable&) = delete;
  PoolTable& operator=(const PoolTable&) = delete;

  absl::Span<const channel::MaglevSlot> slots() const { return {slots_, entries_}; }
  // The backends that some slot names.
  const BackendSet& backends() const { return backends_; }
  // Whether some slot names an index that no backend can have, neither below kMaxBackends nor
  // kNoBackend; which one.
  bool has_impossible_backend() const { return impossible_backend_ != 0; }
  uint16_t impossible_backend() const { return impossible_backend_; }

 private:
  PoolTable(TableMemory* memory, channel::MaglevSlot* slots, uint32_t entries)
      : memory_(memory), slots_(slots), entries_(entries) {}
  void FindBackends();

  TableMemory* const memory_;
  channel::MaglevSlot* const slots_;
  const uint32_t entries_;
  BackendSet backends_;
  uint16_t impossible_backend_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_POOL_TABLE_H_
