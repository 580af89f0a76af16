#include "dataplane/tables/pool_table.h"

#include "lib/base/hot.h"
#include "lib/hash/maglev.h"

namespace guideway {

using channel::MaglevSlot;

std::shared_ptr<const PoolTable> PoolTable::Copy(const channel::ArenaView& arena, uint32_t slot,
                                                 uint32_t entries, TableMemory* memory) {
  void* block = memory->Allocate(entries * sizeof(MaglevSlot), kCacheLineBytes);
  if (block == nullptr) return nullptr;
  auto* slots = static_cast<MaglevSlot*>(block);
  std::shared_ptr<PoolTable> table(new PoolTable(memory, slots, entries));
  arena.CopyOut(slot, entries, slots);
  table->FindBackends();
  return table;
}

PoolTable::~PoolTable() { memory_->Free(slots_, entries_ * sizeof(MaglevSlot)); }

void PoolTable::FindBackends() {
  const auto find = [this](uint16_t backend) {
    if (backend < channel::kMaxBackends) {
      backends_.set(backend);
    } else if (backend != kNoBackend) {
      impossible_backend_ = backend;
    }
  };
  for (const MaglevSlot& slot : slots()) {
    find(slot.current);
    find(slot.previous);
  }
}

}  // namespace guideway
