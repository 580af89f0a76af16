// A snapshot as Prometheus metric families.
//
// Labels are names from the configuration, worker numbers, port names and words of fixed lists:
// nothing that the network or a server says makes a time series. Pure functions.
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_FAMILIES_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_FAMILIES_H_

#include <string>
#include <vector>

#include "controlplane/metrics/snapshot.h"
#include "prometheus/metric_family.h"

namespace guideway {

struct MetricInfo {
  prometheus::MetricType type;
  std::string name;
  std::vector<std::string> labels;
  std::string help;
};

// All families that MakeFamilies() can return, in its order.
std::vector<MetricInfo> AllMetrics();

// Those families that have a sample, each with all of its samples.
std::vector<prometheus::MetricFamily> MakeFamilies(const WatchSnapshot& snapshot);

// In the text format 0.0.4.
std::string MetricsText(const WatchSnapshot& snapshot);
inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// docs/metrics.md
std::string MetricsPage();

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_METRICS_FAMILIES_H_
