// The packet path: five stages - ParseHeaders, LookupVip, LookupFlow, SelectBackend, Encapsulate -
// in three loops over a burst, with a border wherever memory is waited for (decision 0021).
//
// HOT PATH: no allocation, lock, log, system call or exception in any of these.
// After ProcessBurst every packet has a verdict other than kPending.
#ifndef GUIDEWAY_DATAPLANE_PATH_PATH_H_
#define GUIDEWAY_DATAPLANE_PATH_PATH_H_

#include "dataplane/path/fragments.h"
#include "dataplane/path/packet.h"
#include "dataplane/path/peers.h"
#include "dataplane/path/state.h"

namespace guideway {

// First loop: ParseHeaders and LookupVip.
// Bytes -> kind, FlowKey, or a drop reason. Broken IP headers are dropped whoever they are for;
// what is wrong above them, or with the source address or TTL, matters only to VIPs and is noted as
// a defect.
// (destination address, port, protocol) -> VIP; what is not for a VIP goes to the kernel: all of it
// while nothing is configured. Drops what is for a VIP but defective. Fragments: fragments.h.
// ICMP for a VIP's address gets its verdict here: the flow it may be about is neither entered nor
// touched, so the later stages have nothing to do with it (icmp.h).
// A UDP packet whose QUIC connection ID names its server has its backend after this (quic.h).
// What goes on has its flow hash after this, and the flow's bucket is on its way from memory.
void LookupVip(Burst& burst, const Snapshot& tables, PathState& state);

// Second loop: LookupFlow, and Encapsulate for those that it knows if a short cut does it.
// Known flow -> backend. A flow is known if its entry's backend still is the same
// backend and keeps its flows. A packet that has a backend already keeps it. A SYN without ACK is
// never known: it starts a flow anew. Fills burst.unknown and burst.left. Of what it does not find
// the other workers are asked (peers.h).
void LookupFlow(Burst& burst, const Snapshot& tables, PathState& state);

// Third loop: SelectBackend for burst.unknown, and Encapsulate likewise.
// Unknown flow -> Maglev slot -> backend, entered into the flow table (but not by a RST, and not
// while a second backend may own it: `alternate`). Adds to burst.left.
void SelectBackend(Burst& burst, const Snapshot& tables, PathState& state);

// Encapsulate for what is pending of burst.left, or for one packet that is pending and has a
// backend. Cuts Ethernet padding; TTL or hop limit - 1 (also for L2: it is what ends loops), outer
// headers or L3DSR's rewrite, Ethernet addresses of the next hop, egress port.
void EncapsulateLeft(Burst& burst, PathState& state);
void Encapsulate(Packet& packet, PathState& state);

inline void ProcessBurst(Burst& burst, const Snapshot& tables, PathState& state) {
  LookupVip(burst, tables, state);
  if (burst.without_vip == burst.count) return;
  LookupFlow(burst, tables, state);
  if (burst.not_found > 0 && !state.peers.empty()) [[unlikely]]
    AskPeers(burst, tables, state);
  SelectBackend(burst, tables, state);
  if (state.fragments_in_burst) [[unlikely]]
    SettleFragments(burst, tables, state);
  EncapsulateLeft(burst, state);
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_PATH_H_
