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
  size_t vip_timeouts = 0;
  size_t cells = 0;
  size_t shares = 0;
  size_t quic_lb_count = 0;
  size_t quic_vip_count = 0;
  size_t server_cell_count = 0;
  size_t quic_lbs = 0;
  size_t quic_vips = 0;
  size_t server_cells = 0;
  size_t total_bytes = 0;
};

constexpr size_t RoundUpToLine(size_t bytes) {
  return (bytes + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
}

void CountQuic(const TableState& tables, BlockLayout* layout) {
  size_t servers = 0;
  for (const auto& backend : tables.backends) {
    servers += backend.exists && backend.body.server_id.length_bytes != 0;
  }
  layout->server_cell_count = QuicTable::CellsFor(servers);
  size_t last_vip = SIZE_MAX;
  for (size_t i = 0; i < tables.quic_lbs.size(); ++i) {
    if (!tables.quic_lbs[i].exists) continue;
    ++layout->quic_lb_count;
    layout->quic_vip_count += i / kQuicLbConfigs != last_vip;
    last_vip = i / kQuicLbConfigs;
  }
}

BlockLayout LayOut(const TableState& tables) {
  BlockLayout layout;
  CountQuic(tables, &layout);
  for (const auto& vip : tables.vips) layout.vip_count += vip.exists;
  const bool by_hash3 = tables.globals.body.fragments == channel::FragmentPolicy::kHash3;
  layout.cell_count = VipTable::CellsFor(layout.vip_count * (by_hash3 ? 2 : 1));
  layout.pools = RoundUpToLine(sizeof(Snapshot));
  layout.backends = layout.pools + RoundUpToLine(tables.pools.size() * sizeof(Pool));
  layout.vip_timeouts = layout.backends + tables.backends.size() * sizeof(Backend);
  layout.cells = layout.vip_timeouts + RoundUpToLine(tables.vips.size() * sizeof(FlowTimeouts));
  layout.shares = layout.cells + RoundUpToLine(layout.cell_count * sizeof(VipCell));
  layout.quic_lbs = layout.shares + RoundUpToLine(tables.backends.size() * sizeof(uint32_t));
  layout.quic_vips = layout.quic_lbs + RoundUpToLine(layout.quic_lb_count * sizeof(QuicLb));
  layout.server_cells = layout.quic_vips + layout.quic_vip_count * sizeof(QuicVip);
  layout.total_bytes = layout.server_cells + layout.server_cell_count * sizeof(ServerCell);
  return layout;
}

// Default-constructed Ts in raw memory.
template <typename T>
absl::Span<T> Make(uint8_t* memory, size_t count) {
  T* first = reinterpret_cast<T*>(memory);
  std::uninitialized_default_construct_n(first, count);
  return {first, count};
}

// What a VIP leaves at 0 is as it is for all.
void FillVipTimeouts(const TableState& tables, const FlowTimeouts& for_all,
                     absl::Span<FlowTimeouts> vip_timeouts) {
  const auto own_or = [](uint32_t own, uint32_t other) { return own != 0 ? own : other; };
  for (size_t i = 0; i < vip_timeouts.size(); ++i) {
    const channel::VipBody& vip = tables.vips[i].body;  // of a VIP that does not exist: all 0
    vip_timeouts[i] = {.half_open_s = own_or(vip.half_open_s, for_all.half_open_s),
                       .established_s = own_or(vip.established_s, for_all.established_s),
                       .closing_s = own_or(vip.closing_s, for_all.closing_s),
                       .udp_s = own_or(vip.udp_s, for_all.udp_s),
                       .half_closed_s = own_or(vip.half_closed_s, for_all.half_closed_s)};
  }
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
                        .udp_s = globals.udp_s,
                        .half_closed_s = globals.half_closed_s};
  snapshot->fragments = globals.fragments;
  const auto pools = Make<Pool>(bytes + layout.pools, tables.pools.size());
  const absl::Span<Backend> backends(reinterpret_cast<Backend*>(bytes + layout.backends),
                                     tables.backends.size());
  const auto vip_timeouts = Make<FlowTimeouts>(bytes + layout.vip_timeouts, tables.vips.size());
  FillVipTimeouts(tables, snapshot->timeouts, vip_timeouts);
  snapshot->vip_timeouts = vip_timeouts;
  const auto cells = Make<VipCell>(bytes + layout.cells, layout.cell_count);
  const auto shares = Make<uint32_t>(bytes + layout.shares, tables.backends.size());
  std::fill(shares.begin(), shares.end(), 0);
  owned->FillPools(tables, pools, shares);
  FillBackends(tables, backends);
  GW_RETURN_IF_ERROR(owned->FillVips(tables, cells));
  const QuicParts quic{
      .configs = reinterpret_cast<QuicLb*>(bytes + layout.quic_lbs),
      .vips = Make<QuicVip>(bytes + layout.quic_vips, layout.quic_vip_count),
      .servers = Make<ServerCell>(bytes + layout.server_cells, layout.server_cell_count)};
  GW_RETURN_IF_ERROR(owned->FillQuic(tables, quic));
  snapshot->pools = pools;
  snapshot->backends = backends;
  snapshot->shares = shares;
  return owned;
}

OwnedSnapshot::~OwnedSnapshot() { memory_->Free(block_, block_bytes_); }

void OwnedSnapshot::FillPools(const TableState& tables, absl::Span<Pool> pools,
                              absl::Span<uint32_t> shares) {
  pool_tables_ = tables.pools;
  for (size_t i = 0; i < pools.size(); ++i) {
    if (pool_tables_[i] == nullptr) continue;
    const PoolTable& table = *pool_tables_[i];
    pools[i] = {.slots = table.slots().data(),
                .slot_count = static_cast<uint32_t>(table.slots().size()),
                .scheduler = table.scheduler(),
                .source_bits_ipv4 = table.source_bits_ipv4(),
                .source_bits_ipv6 = table.source_bits_ipv6(),
                .keeps_state = table.keeps_state(),
                .candidates = table.candidates(),
                .turns = table.turns(),
                .breaker = table.breaker()};
    for (const Candidate& candidate : table.candidates()) {
      if (candidate.backend < shares.size()) shares[candidate.backend] = candidate.slots;
    }
  }
}

void OwnedSnapshot::FillBackends(const TableState& tables, absl::Span<Backend> backends) {
  for (size_t i = 0; i < backends.size(); ++i) {
    // Made one by one: made all first, each would have to come into the cache twice.
    Backend& backend = *new (&backends[i]) Backend();
    if (!tables.backends[i].exists) continue;
    const channel::BackendBody& body = tables.backends[i].body;
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
    backend.plain_outer = PlainOuterOf(backend);
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
    if (!table.Insert(vip.address, vip.port, protocol, i, pool, vip.max_segment_size) ||
        (by_hash3 && !table.InsertForFragments(vip.address, protocol, i, pool))) {
      return absl::InternalError(absl::StrCat("vip[", i, "] does not fit into the VIP table"));
    }
  }
  snapshot_->vips = table;
  return absl::OkStatus();
}

absl::Status OwnedSnapshot::FillQuic(const TableState& tables, const QuicParts& parts) {
  QuicLb* next_config = parts.configs;
  uint16_t vip_count = 0;
  uint32_t last_vip = UINT32_MAX;
  for (uint32_t i = 0; i < tables.quic_lbs.size(); ++i) {
    if (!tables.quic_lbs[i].exists) continue;
    const channel::QuicLbBody& body = tables.quic_lbs[i].body;
    const uint32_t vip = i / kQuicLbConfigs;
    if (vip != last_vip) {
      const channel::VipBody& vip_body = tables.vips[vip].body;
      parts.vips[vip_count++].fill(nullptr);
      snapshot_->vips.SetQuicVip(vip_body.address, vip_body.port, IpProtocol::kUdp, vip_count);
      last_vip = vip;
    }
    parts.vips[vip_count - size_t{1}][i % kQuicLbConfigs] = new (next_config++)
        QuicLb(body.server_id_bytes, body.nonce_bytes, body.encrypted != 0 ? &body.key : nullptr);
  }
  QuicTable table(parts.vips, parts.servers);
  for (uint32_t i = 0; i < tables.backends.size(); ++i) {
    const channel::BackendBody& body = tables.backends[i].body;
    if (!tables.backends[i].exists || body.server_id.length_bytes == 0) continue;
    if (!table.Insert(static_cast<uint16_t>(body.server_id_pool), body.server_id,
                      static_cast<uint16_t>(i))) {
      return absl::InternalError(absl::StrCat("backend[", i, "].server_id is there twice"));
    }
  }
  snapshot_->quic = table;
  return absl::OkStatus();
}

}  // namespace guideway
