// IP fragments for a VIP's address: those of one datagram go to one backend, that of its flow.
//
// Rare, so kept out of the hot loop's code; ProcessBurst calls SettleFragments only for a burst in
// which BeginFragment has seen something to do for it. First fragments come to the worker that the
// addresses choose, their flow's whole packets to the one that the ports choose: AskPeers (peers.h)
// finds their flows. What is decided by which
// fragment, and why: docs/decisions/0008-fragments.md.
#ifndef GUIDEWAY_DATAPLANE_PATH_FRAGMENTS_H_
#define GUIDEWAY_DATAPLANE_PATH_FRAGMENTS_H_

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"

namespace guideway {

// Within LookupVip. Drops what is broken (RFC 791, 1858, 7112) and, if the policy is `drop`,
// everything. A first fragment becomes a pending packet like a whole one, or is the kernel's; it
// has ports_known then. The others, and with `hash3` all of them, get the verdict kHold.
void BeginFragment(Packet& packet, const Snapshot& tables, PathState& state);

// Behind SelectBackend. Remembers where first fragments go and sends those that follow the same
// way: pending with a backend, to the kernel, or dropped. Whose first fragment has not come keeps
// kHold, with the datagram's tag as flow_hash; Decide() for that tag releases it.
void SettleFragments(Burst& burst, const Snapshot& tables, PathState& state);

// Of a packet that has been through the path.
inline bool IsLaterFragment(const Packet& packet) {
  return packet.kind == PacketKind::kFragment && !packet.ports_known;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FRAGMENTS_H_
