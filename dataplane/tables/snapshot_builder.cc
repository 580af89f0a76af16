#include "dataplane/tables/snapshot_builder.h"

#include <algorithm>
#include <new>

#include "lib/base/status.h"
#include "lib/hash/siphash.h"

namespace guideway {
namespace {

// Where the parts of a snapshot stand in its block.
struct BlockLayout {
  size_t vip_count = 0;
  size_t cell_count = 0;
  size_t pools = 0;
  size_t backends = 0;
  size_t cells = 0;
  size_t total_bytes = 0;
};

constexpr size_t RoundUpToLine(size_t bytes) {
  return (bytes + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
}

BlockLayout LayOut(const TableState& tables) {
  BlockLayout layout;
  for (const auto& vip : tables.vips) layout.vip_count += vip.exists;
  const bool by_hash3 = tables.globals.body.fragments == channel::FragmentPolicy::kHash3;
  layout.cell_count = VipTable::CellsFor(layout.vip_count * (by_hash3 ? 2 : 1));
  layout.pools = RoundUpToLine(sizeof(Snapshot));
  layout.backends = layout.pools + RoundUpToLine(tables.pools.size() * sizeof(Pool));
  layout.cells = layout.backends + tables.backends.size() * sizeof(Backend);
  layout.total_bytes = layout.cells + layout.cell_count * sizeof(VipCell);
  return layout;
}

// Default-constructed Ts in raw memory.
template <typename T>
absl::Span<T> Make(uint8_t* memory, size_t count) {
  T* first = reinterpret_cast<T*>(memory);
  std::uninitialized_default_construct_n(first, count);
  return {first, count};
}

}  // namespace

uint64_t FlowKeyDigest(const FlowHashKey& key) {
  return SipHash24({.k0 = 0x666c6f772d6b6579, .k1 = 0x646967657374}, key.words.data(),
                   sizeof(key.words));
}

absl::StatusOr<std::unique_ptr<OwnedSnapshot>> OwnedSnapshot::Build(const TableState& tables,
                                                                    TableMemory* memory) {
  const BlockLayout layout = LayOut(tables);
  void* block = memory->Allocate(layout.total_bytes, kCacheLineBytes);
  if (block == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a snapshot of ", layout.total_bytes, " bytes"));
  }
  std::unique_ptr<OwnedSnapshot> owned(new OwnedSnapshot(memory, block, layout.total_bytes));
  auto* bytes = static_cast<uint8_t*>(block);
  auto* snapshot = new (bytes) Snapshot();
  owned->snapshot_ = snapshot;
  snapshot->generation = tables.generation;
  const channel::GlobalsBody& globals = tables.globals.body;
  std::copy(std::begin(globals.flow_hash_key), std::end(globals.flow_hash_key),
            snapshot->flow_hash_key.words.begin());
  snapshot->flow_key_digest = FlowKeyDigest(snapshot->flow_hash_key);
  snapshot->timeouts = {.half_open_s = globals.half_open_s,
                        .established_s = globals.established_s,
                        .closing_s = globals.closing_s,
                        .udp_s = globals.udp_s};
  snapshot->fragments = globals.fragments;
  const auto pools = Make<Pool>(bytes + layout.pools, tables.pools.size());
  const auto backends = Make<Backend>(bytes + layout.backends, tables.backends.size());
  const auto cells = Make<VipCell>(bytes + layout.cells, layout.cell_count);
  owned->FillPools(tables, pools);
  FillBackends(tables, backends);
  GW_RETURN_IF_ERROR(owned->FillVips(tables, cells));
  snapshot->pools = pools;
  snapshot->backends = backends;
  return owned;
}

OwnedSnapshot::~OwnedSnapshot() { memory_->Free(block_, block_bytes_); }

void OwnedSnapshot::FillPools(const TableState& tables, absl::Span<Pool> pools) {
  pool_tables_ = tables.pools;
  for (size_t i = 0; i < pools.size(); ++i) {
    if (pool_tables_[i] == nullptr) continue;
    const absl::Span<const channel::MaglevSlot> slots = pool_tables_[i]->slots();
    pools[i] = {.slots = slots.data(), .slot_count = static_cast<uint32_t>(slots.size())};
  }
}

void OwnedSnapshot::FillBackends(const TableState& tables, absl::Span<Backend> backends) {
  for (size_t i = 0; i < backends.size(); ++i) {
    if (!tables.backends[i].exists) continue;
    const channel::BackendBody& body = tables.backends[i].body;
    Backend& backend = backends[i];
    backend.id = static_cast<BackendId>(body.incarnation) << 16 | static_cast<BackendId>(i);
    backend.exists = true;
    backend.keeps_known_flows = body.keeps_known_flows != 0;
    backend.encapsulation = body.encapsulation;
    backend.outer_source = body.outer_source;
    backend.outer_destination = body.outer_destination;
    backend.source_flow_bits = body.source_flow_bits;
    backend.gue_port = body.gue_port;
    backend.gue_hop_list = body.gue_hop_list != 0;
    backend.gue_zero_checksum6 = body.gue_zero_checksum6 != 0;
    backend.dscp = body.dscp;
    if (body.next_hop >= tables.next_hops.size() || !tables.next_hops[body.next_hop].exists) {
      continue;  // mtu_bytes stays 0: not resolved
    }
    const channel::NextHopBody& next_hop = tables.next_hops[body.next_hop].body;
    backend.next_hop = {.port = next_hop.port,
                        .mtu_bytes = next_hop.mtu_bytes,
                        .destination_mac = next_hop.destination_mac,
                        .source_mac = next_hop.source_mac,
                        .vlan = Be16(next_hop.vlan)};
  }
}

absl::Status OwnedSnapshot::FillVips(const TableState& tables, absl::Span<VipCell> cells) {
  VipTable table(cells);
  for (uint32_t i = 0; i < tables.vips.size(); ++i) {
    if (!tables.vips[i].exists) continue;
    const channel::VipBody& vip = tables.vips[i].body;
    const auto protocol = static_cast<IpProtocol>(vip.protocol);
    const auto pool = static_cast<uint16_t>(vip.pool);
    const bool by_hash3 = snapshot_->fragments == channel::FragmentPolicy::kHash3;
    if (!table.Insert(vip.address, vip.port, protocol, i, pool) ||
        (by_hash3 && !table.InsertForFragments(vip.address, protocol, i, pool))) {
      return absl::InternalError(absl::StrCat("vip[", i, "] does not fit into the VIP table"));
    }
  }
  snapshot_->vips = table;
  return absl::OkStatus();
}

}  // namespace guideway
