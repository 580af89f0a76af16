// The command line of guideway-dataplane, checked.
//
// --port may be given several times, which gflags cannot express: those arguments are taken out
// first, gflags parses the rest. Start-up only.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_OPTIONS_H_
#define GUIDEWAY_DATAPLANE_MANAGER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"
#include "dataplane/ports/port_spec.h"
#include "dataplane/worker/idle.h"

namespace guideway {

struct DataplaneOptions {
  std::vector<PortSpec> ports;
  // One CPU for each worker; the manager's.
  std::vector<uint32_t> worker_cpus;
  uint32_t manager_cpu = 0;
  IdleMode idle = IdleMode::kAdaptive;
  std::string channel_socket;
  std::string metrics_file;  // empty: none
  ReplyLimits limits;
  std::string flow_table_directory;
  uint64_t flows_per_worker = 0;
  bool forget_flows = false;  // of the process before this one
  bool hugepages = true;
  std::vector<bool> wants_twin;    // by port: gets a TAP as its kernel twin
  std::string kernel_twin_prefix;  // the TAP is called this and the port's index
};

// Errors name the flag. Exits by itself for --help and --version, and with 1 for unknown flags.
absl::StatusOr<DataplaneOptions> ParseOptions(int* argc, char*** argv);

// "2-4,7" -> 2 3 4 7. Errors name `flag`.
absl::StatusOr<std::vector<uint32_t>> ParseCpuList(const std::string& flag,
                                                   const std::string& text);

// Which CPU each of `workers` workers and the manager get from `allowed` when no list is given: the
// manager the first one, the workers the others; shared only where there are too few.
void AssignCpus(const std::vector<uint32_t>& allowed, uint32_t workers, DataplaneOptions* options);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_OPTIONS_H_
