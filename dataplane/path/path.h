// The packet path: five stages over a burst, in this order. Every stage is one loop in one file.
//
// HOT PATH: no allocation, lock, log, system call or exception in any of these.
// After ProcessBurst every packet has a verdict other than kPending.
#ifndef GUIDEWAY_DATAPLANE_PATH_PATH_H_
#define GUIDEWAY_DATAPLANE_PATH_PATH_H_

#include "dataplane/path/packet.h"

namespace guideway {

// Bytes -> kind, FlowKey, or a drop reason.
void ParseHeaders(Burst& burst);
// (destination address, port, protocol) -> VIP; what is not for a VIP goes to the kernel.
void LookupVip(Burst& burst, const Snapshot& tables);
// Flow hash; known flow -> backend.
void LookupFlow(Burst& burst, const Snapshot& tables, PathState& state);
// Unknown flow -> Maglev slot -> backend, entered into the flow table.
void SelectBackend(Burst& burst, const Snapshot& tables, PathState& state);
// TTL, outer headers, Ethernet addresses of the next hop, egress port.
void Encapsulate(Burst& burst, PathState& state);

inline void ProcessBurst(Burst& burst, const Snapshot& tables, PathState& state) {
  ParseHeaders(burst);
  LookupVip(burst, tables);
  LookupFlow(burst, tables, state);
  SelectBackend(burst, tables, state);
  Encapsulate(burst, state);
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_PATH_H_
