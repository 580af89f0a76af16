// The data plane's own metrics: a text file for Prometheus' node exporter, for what the control
// plane cannot tell because it hangs or is gone.
//
// Written whole beside its place and renamed, so that a reader never sees half of it; removed at
// the end. Manager thread only; a file that cannot be written is logged once and tried again.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_METRICS_FILE_H_
#define GUIDEWAY_DATAPLANE_MANAGER_METRICS_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace guideway {

// What the file says; see lib/stats/dataplane_metrics.def.
struct DataplaneMetrics {
  absl::Time now;
  bool controlplane_connected = false;
  absl::Duration controlplane_silence;  // zero: it moves, or there is none
  bool socket_lost = false;
  uint64_t generation = 0;                                       // of the tables published last
  bool generation_taken = true;                                  // by all workers
  std::vector<absl::Duration> worker_silences;                   // by worker; zero: it moves
  std::vector<std::pair<std::string, std::string>> port_faults;  // port, fault; those there are
  uint64_t lost_log_lines = 0;
};

// Prometheus' text format.
std::string ToText(const DataplaneMetrics& metrics);

class MetricsFile {
 public:
  explicit MetricsFile(std::string path) : path_(std::move(path)) {}  // empty: none
  ~MetricsFile() { Remove(); }
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  void Write(const DataplaneMetrics& metrics);
  void Remove();

 private:
  const std::string path_;
  bool failed_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_METRICS_FILE_H_
