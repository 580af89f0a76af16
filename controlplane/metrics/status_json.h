// A snapshot as the JSON that the status page reads. Pure.
//
// Fields are chosen one by one: the configuration has secrets (keys of QUIC-LB, the flow hash's).
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_STATUS_JSON_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_STATUS_JSON_H_

#include <string>

#include "controlplane/metrics/snapshot.h"

namespace guideway {

std::string StatusJson(const WatchSnapshot& snapshot);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_METRICS_STATUS_JSON_H_
