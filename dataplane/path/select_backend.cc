// HOT PATH: no allocation, lock, log, system call or exception.
//
// Fourth stage: the Maglev table, or the pool's scheduler, gives unknown flows a backend, the flow
// table remembers it.
#include "dataplane/path/backend_of.h"
#include "dataplane/path/flow_counting.h"
#include "dataplane/path/flow_event.h"
#include "dataplane/path/forward_plain.h"
#include "dataplane/path/path.h"

namespace guideway {
namespace {

// A flow that goes on though this node does not know it may belong to the slot's last owner. The
// backend passes on what it has no socket for, if it is told where to.
[[gnu::always_inline]] inline const Backend* AlternateOf(const channel::MaglevSlot& slot,
                                                         const Packet& packet,
                                                         const Snapshot& tables) {
  if (slot.previous == slot.current || !packet.backend->gue_hop_list) return nullptr;
  if (packet.key.protocol != IpProtocol::kTcp || (packet.tcp_flags & kTcpSyn) != 0) return nullptr;
  if (slot.previous >= tables.backends.size()) return nullptr;
  const Backend& previous = tables.backends[slot.previous];
  const bool reachable =
      previous.keeps_known_flows && previous.encapsulation == channel::Encapsulation::kGue &&
      previous.outer_destination.family() == packet.backend->outer_destination.family();
  return reachable ? &previous : nullptr;
}

// Enters the flow; false if the flow table does not know it now.
bool Remember(Packet& packet, const Snapshot& tables, PathState& state) {
  const FlowState first = NextFlowState(FlowState::kFree, EventOf(packet));
  if (first == FlowState::kFree) return false;
  return EnterFlow(packet, first, tables, state) != FlowInsert::kFull;
}

// For pools that keep state. What the flow table cannot take stays with the slot's owner, whom
// the flow's next packets will find as well.
void SelectByState(Packet& packet, const channel::MaglevSlot& slot, const Snapshot& tables,
                   PathState& state) {
  const Backend* by_hash = packet.backend;
  packet.backend = Schedule(packet, by_hash, tables, state);
  if (packet.backend == nullptr) return packet.Drop(DropReason::breaker_full);
  if (packet.backend == by_hash) packet.alternate = AlternateOf(slot, packet, tables);
  if (packet.alternate == nullptr && !Remember(packet, tables, state)) packet.backend = by_hash;
}

void Select(Packet& packet, const channel::MaglevSlot* slot, const Snapshot& tables,
            PathState& state) {
  packet.backend = slot != nullptr ? BackendOf(*slot, tables) : nullptr;
  if (packet.backend == nullptr) return packet.Drop(DropReason::no_backend);
  if (tables.pools[packet.pool].keeps_state) [[unlikely]]
    return SelectByState(packet, *slot, tables, state);
  packet.alternate = AlternateOf(*slot, packet, tables);
  // Entered, the flow's next packets would go to `backend` alone.
  if (packet.alternate == nullptr) Remember(packet, tables, state);
}

}  // namespace

void SelectBackend(Burst& burst, const Snapshot& tables, PathState& state) {
  const channel::MaglevSlot* slots[kBurstCapacity];
  for (const uint8_t place : burst.unknown) {
    const Packet& packet = burst.packets[place];
    slots[place] = SlotFor(packet, tables);
    PrefetchRead(slots[place]);  // harmless if null
  }
  for (const uint8_t place : burst.unknown) {
    Packet& packet = burst.packets[place];
    if (packet.backend == nullptr) Select(packet, slots[place], tables, state);  // else a peer knew
    if (packet.pending() && ForwardPlain(packet, state)) continue;
    // A first fragment says what becomes of the others, even if it is dropped.
    if (packet.pending() || packet.kind == PacketKind::kFragment) burst.left.Add(place);
  }
}

}  // namespace guideway
