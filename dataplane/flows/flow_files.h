// The flow tables of all workers in their files, so that a restarted data plane finds its flows
// again, whatever number of workers and size of tables it has now.
//
// Start-up only. A table stays where it is if there is a worker of its number and it has the right
// size. The flows of all other tables of the last run - of workers that are no more, or of another
// size - are entered into these, and their files removed. Which tables are of the last run their
// stamps say; what is older, from before the host's last boot, of another layout or no table at all
// is named and emptied, or removed. What stands in a worker's place and is no file of ours, or
// cannot be opened, is named and renamed to "flows-N.damaged". A start that is interrupted, or
// fails for want of memory, leaves what the next one needs.
#ifndef GUIDEWAY_DATAPLANE_FLOWS_FLOW_FILES_H_
#define GUIDEWAY_DATAPLANE_FLOWS_FLOW_FILES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/flows/flow_memory.h"
#include "lib/flow/flow_table.h"

namespace guideway {

struct FlowFilesOptions {
  std::string directory;
  uint32_t workers = 1;
  size_t table_bytes = 0;  // FlowTable::BytesFor()
  bool forget = false;     // begin with empty tables, whatever is there
  uint32_t now_s = 0;      // CLOCK_BOOTTIME
  uint64_t boot = 0;       // BootNumber()
};

struct FlowFiles {
  // By worker; the tables stand in the memories.
  std::vector<FlowMemory> memories;
  std::vector<std::unique_ptr<FlowTable>> tables;
  // What became of each file, for the log.
  std::vector<std::string> notes;
  std::vector<std::string> warnings;  // flows that are lost, files that cannot be locked
};

// Errors name the file; files in use by another process are refused.
absl::StatusOr<FlowFiles> OpenFlowFiles(const FlowFilesOptions& options);

// A number for the host's last boot.
absl::StatusOr<uint64_t> BootNumber();

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_FLOWS_FLOW_FILES_H_
