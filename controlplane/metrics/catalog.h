// The numbers of the metric families in metrics.def.
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_CATALOG_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_CATALOG_H_

#include <cstddef>

namespace guideway {

enum class Metric : size_t {
#define GW_METRIC(id, type, name, labels, help) id,
#include "controlplane/metrics/metrics.def"
#undef GW_METRIC
  kCount
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_METRICS_CATALOG_H_
