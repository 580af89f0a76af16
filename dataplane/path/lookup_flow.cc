// HOT PATH: no allocation, lock, log, system call or exception.
//
// Third stage: the backend of flows that are known.
#include "dataplane/path/backend_of.h"
#include "dataplane/path/flow_counting.h"
#include "dataplane/path/path.h"
#include "dataplane/path/quic.h"

namespace guideway {
namespace {

bool StartsFlow(const Packet& packet) {
  return (packet.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
}

// Apart, so that the plain path stays as short as it is.
[[gnu::noinline, gnu::cold]] FlowState StateAtEnd(const Packet& packet, FlowState before,
                                                  const Snapshot& tables, PathState& state) {
  if ((packet.tcp_flags & kTcpRst) != 0 && before != FlowState::kClosing) {
    CountFor(packet.backend->id, BackendCounter::client_resets, tables, state);
  }
  return FlowState::kClosing;
}

// Closing is for good: what comes after a FIN or RST refreshes the entry but does not reopen it.
FlowState StateAfter(const Packet& packet, FlowState before, const Snapshot& tables,
                     PathState& state) {
  if (packet.key.protocol == IpProtocol::kUdp) return FlowState::kUdp;
  if ((packet.tcp_flags & (kTcpFin | kTcpRst)) != 0) {
    return StateAtEnd(packet, before, tables, state);
  }
  return before == FlowState::kClosing ? FlowState::kClosing : FlowState::kEstablished;
}

}  // namespace

void LookupFlow(Burst& burst, const Snapshot& tables, PathState& state) {
  uint32_t known = 0, unknown = 0;
  for (Packet& packet : burst) {
    if (!packet.pending()) continue;
    if (packet.backend != nullptr) [[unlikely]] {
      KeepQuicFlow(packet, tables, state);
      continue;
    }
    if (!StartsFlow(packet)) {
      FlowEntry* entry = state.flows->Find(packet.flow_hash, state.now_s);
      if (entry != nullptr) {
        packet.backend = KnownBackend(tables, entry->backend.load(std::memory_order_relaxed));
        if (packet.backend != nullptr) {
          const FlowState after = StateAfter(packet, FlowTable::State(*entry), tables, state);
          FlowTable::Touch(entry, after, state.now_s, tables.TimeoutsOf(packet.vip));
          ++known;
          continue;
        }
      }
    }
    burst.unknown[unknown++] = static_cast<uint8_t>(&packet - burst.packets);
  }
  burst.unknown_count = unknown;
  state.counted[Counter::flow_hits] += known;
  state.counted[Counter::flow_misses] += unknown;
}

}  // namespace guideway
