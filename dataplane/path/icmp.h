// ICMP and ICMPv6 for a VIP's address: echo is answered, errors go to the backend they concern.
//
// Rare, so kept out of the hot loop's code.
#ifndef GUIDEWAY_DATAPLANE_PATH_ICMP_H_
#define GUIDEWAY_DATAPLANE_PATH_ICMP_H_

#include "dataplane/path/path.h"
#include "dataplane/path/state.h"

namespace guideway {

// Makes the verdict of a kIcmp packet whose destination is a VIP's address (RFC 792, 4443):
// - An echo request becomes its own answer, with TTL or hop limit 64: kAnswer, or over
//   the rate echo_rate_limited.
// - An error (unreachable, too big, time exceeded, parameter problem) that quotes a packet of a
//   VIP's flow is sent to the flow's backend like a packet of the flow: the backend that this
//   worker's flow table or a peer's names, else the Maglev table's. No flow is entered, refreshed
//   or closed. kForward, or Encapsulate's drop reasons.
// - Everything else is the kernel's, but what is broken is dropped.
void HandleIcmp(Packet& packet, const Snapshot& tables, PathState& state);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_ICMP_H_
