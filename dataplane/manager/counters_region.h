// Fills the channel's counters region from the workers, ports and flow tables.
//
// Manager thread only. The region is written, never read: the peer may have changed it.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_COUNTERS_REGION_H_
#define GUIDEWAY_DATAPLANE_MANAGER_COUNTERS_REGION_H_

#include <cstdint>

#include "dataplane/manager/dataplane.h"
#include "dataplane/manager/traffic_totals.h"
#include "lib/channel/layout.h"

namespace guideway {

void FillCountersRegion(const Dataplane& dataplane, const TrafficTotals& traffic,
                        uint64_t generation, channel::CountersRegion* region);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_COUNTERS_REGION_H_
