// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/quic.h"

#include "dataplane/path/backend_of.h"
#include "dataplane/path/flow_counting.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

// RFC 8999, section 5: in the first byte. A short header's connection ID begins behind it.
constexpr uint8_t kLongHeader = 0x80;
constexpr uint32_t kShortHeaderBytes = 1;

Counter RouteOf(Packet& packet, const QuicVip& vip, const Snapshot& tables) {
  const uint8_t* udp = packet.frame + packet.l3_offset + packet.transport_offset;
  const uint32_t quic_bytes =
      reinterpret_cast<const UdpHeader*>(udp)->length.host() - uint32_t{sizeof(UdpHeader)};
  const uint8_t* quic = udp + sizeof(UdpHeader);
  if (quic_bytes == 0) return Counter::quic_too_short;
  if ((quic[0] & kLongHeader) != 0) return Counter::quic_long_headers;
  if (quic_bytes == kShortHeaderBytes) return Counter::quic_too_short;
  const uint8_t* cid = quic + kShortHeaderBytes;
  const uint8_t config_id = QuicLbConfigId(cid[0]);
  const QuicLb* config = config_id < vip.size() ? vip[config_id] : nullptr;
  if (config == nullptr) return Counter::quic_unroutable;
  if (quic_bytes - kShortHeaderBytes < config->min_cid_bytes()) return Counter::quic_too_short;
  const ServerCell* cell = tables.quic.Find(packet.pool, config->Decode(cid));
  if (cell == nullptr) return Counter::quic_unknown_servers;
  const Backend& backend = tables.backends[cell->backend];
  if (!backend.keeps_known_flows) return Counter::quic_unknown_servers;
  packet.backend = &backend;
  return Counter::quic_routed;
}

}  // namespace

void RouteByConnectionId(Packet& packet, const VipCell& cell, const Snapshot& tables,
                         PathState& state) {
  const QuicVip& vip = tables.quic.vips()[cell.quic_vip - size_t{1}];
  ++state.counted[RouteOf(packet, vip, tables)];
}

void KeepQuicFlow(Packet& packet, const Snapshot& tables, PathState& state) {
  FlowEntry* entry = state.flows->Find(packet.flow_hash, state.now_s);
  if (entry != nullptr && FlowTable::State(*entry) != FlowState::kTakenOver) {
    const BackendId owner = entry->backend.load(std::memory_order_relaxed);
    if (owner == packet.backend->id) {
      FlowTable::Touch(entry, FlowState::kUdp, state.now_s, tables.TimeoutsOf(packet.vip));
    }
    if (KnownBackend(tables, owner) != nullptr) return;
  }
  EnterFlow(packet, FlowState::kUdpFirst, tables, state);
}

}  // namespace guideway
