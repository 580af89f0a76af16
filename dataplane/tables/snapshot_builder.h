// OwnedSnapshot: a Snapshot with the memory behind it.
//
// Built from checked tables: one block of TableMemory for everything but the pool tables, which it
// shares with other generations and keeps alive. Destroying it frees both, so it must not happen
// before every worker has passed a quiescent point since another snapshot was published.
// Thread safety: built and destroyed on the manager's thread; any thread may read get().
#ifndef GUIDEWAY_DATAPLANE_TABLES_SNAPSHOT_BUILDER_H_
#define GUIDEWAY_DATAPLANE_TABLES_SNAPSHOT_BUILDER_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/tables/snapshot.h"
#include "dataplane/tables/table_memory.h"
#include "dataplane/tables/table_state.h"

namespace guideway {

class OwnedSnapshot {
 public:
  // `tables` must have passed TableDraft's checks at commit; `memory` is borrowed. Backends carry
  // their next hop; where that does not exist mtu_bytes is 0. ResourceExhausted if there is no
  // memory; Internal if `tables` was not checked.
  static absl::StatusOr<std::unique_ptr<OwnedSnapshot>> Build(const TableState& tables,
                                                              TableMemory* memory);
  ~OwnedSnapshot();
  OwnedSnapshot(const OwnedSnapshot&) = delete;
  OwnedSnapshot& operator=(const OwnedSnapshot&) = delete;

  const Snapshot* get() const { return snapshot_; }

 private:
  OwnedSnapshot(TableMemory* memory, void* block, size_t block_bytes)
      : memory_(memory), block_(block), block_bytes_(block_bytes) {}
  absl::Status FillVips(const TableState& tables, absl::Span<VipCell> cells);
  void FillPools(const TableState& tables, absl::Span<Pool> pools, absl::Span<uint32_t> shares);
  // Memory for what routes QUIC: as many configurations and VIPs as there are.
  struct QuicParts {
    QuicLb* configs;
    absl::Span<QuicVip> vips;
    absl::Span<ServerCell> servers;
  };
  // After FillVips().
  absl::Status FillQuic(const TableState& tables, const QuicParts& parts);
  static void FillBackends(const TableState& tables, absl::Span<Backend> backends);

  TableMemory* const memory_;
  void* const block_;
  const size_t block_bytes_;
  Snapshot* snapshot_ = nullptr;  // within block_
  std::vector<std::shared_ptr<const PoolTable>> pool_tables_;
};

// What FlowTable::key_digest() is compared with: changes with the flow hash key.
uint64_t FlowKeyDigest(const FlowHashKey& key);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_SNAPSHOT_BUILDER_H_
