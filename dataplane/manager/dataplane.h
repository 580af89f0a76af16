// The data plane put together: EAL, buffers, ports, flow tables, workers - and taken apart again in
// the reverse order.
//
// Main thread only. What the manager needs of it afterwards is handed out by reference.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_DATAPLANE_H_
#define GUIDEWAY_DATAPLANE_MANAGER_DATAPLANE_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/bpf/steering.h"
#include "dataplane/flows/flow_files.h"
#include "dataplane/manager/eal.h"
#include "dataplane/manager/hugepage_memory.h"
#include "dataplane/manager/options.h"
#include "dataplane/manager/publisher.h"
#include "dataplane/ports/port.h"
#include "dataplane/worker/worker.h"
#include "lib/flow/flow_table.h"

namespace guideway {

class Dataplane {
 public:
  static absl::StatusOr<std::unique_ptr<Dataplane>> Create(const DataplaneOptions& options);
  // Stops what still runs.
  ~Dataplane();
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;

  absl::Status StartWorkers();
  // The kernel gets its packets back, workers empty their queues and return. Idempotent. False: a
  // worker hangs, and what it uses must not be taken apart: the process has to end at once.
  bool Stop();

  Publisher& publisher() { return *publisher_; }
  // Where tables and snapshots live; outlives both.
  TableMemory* table_memory() { return &table_memory_; }
  const std::vector<std::unique_ptr<Port>>& ports() const { return ports_; }
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  // By worker. Theirs to write, anybody's to look into.
  const std::vector<std::unique_ptr<FlowTable>>& flow_tables() const { return flow_files_.tables; }
  // Flows that all tables together can hold.
  uint64_t flow_capacity() const;

 private:
  Dataplane() = default;
  bool AwaitWorkers();  // false: one does not end
  absl::Status OpenPorts(const DataplaneOptions& options,
                         const std::vector<std::vector<std::string>>& device_names);
  absl::Status MapFlowTables(const DataplaneOptions& options);

  // Destroyed from the last to the first: workers before what they use.
  std::vector<UniqueFd> interface_locks_;
  std::vector<std::string> afxdp_interfaces_;
  std::unique_ptr<PlaceholderProgram> placeholder_;
  std::unique_ptr<ForeignXdpKeeper> foreign_programs_;  // of AF_XDP interfaces; outlives the driver
  std::unique_ptr<Eal> eal_;
  rte_mempool* mempool_ = nullptr;  // EAL's
  std::vector<std::unique_ptr<Port>> ports_;
  FlowFiles flow_files_;
  HugepageMemory table_memory_;
  std::unique_ptr<Publisher> publisher_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool running_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_DATAPLANE_H_
