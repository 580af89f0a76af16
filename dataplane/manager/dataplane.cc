#include "dataplane/manager/dataplane.h"

#include <glog/logging.h>
#include <linux/magic.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstdlib>

#include "dataplane/ports/interface_lock.h"
#include "lib/base/clock.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

// Where flow tables live if the operator does not say.
std::string FlowTableDirectory(const DataplaneOptions& options) {
  if (!options.flow_table_directory.empty()) return options.flow_table_directory;
  struct statfs info {};
  const bool hugetlbfs =
      statfs("/dev/hugepages", &info) == 0 && info.f_type == HUGETLBFS_MAGIC && options.hugepages;
  return hugetlbfs ? "/dev/hugepages/guideway" : "/dev/shm/guideway";
}

int RunWorker(void* worker) {
  static_cast<Worker*>(worker)->Run();
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataplane>> Dataplane::Create(const DataplaneOptions& options) {
  std::unique_ptr<Dataplane> dataplane(new Dataplane());
  const auto workers = static_cast<uint32_t>(options.worker_cpus.size());

  // First what needs no DPDK, so that the plain mistakes are told in one line.
  uint16_t largest_mtu_bytes = 0;
  for (const PortSpec& spec : options.ports) {
    GW_ASSIGN_OR_RETURN(const uint16_t mtu_bytes, Port::ExpectedMtu(spec));
    largest_mtu_bytes = std::max(largest_mtu_bytes, mtu_bytes);
    if (spec.kind != PortKind::kAfXdp) continue;
    // Before DPDK: its driver, even on the way out, takes any XDP program off the interface.
    GW_ASSIGN_OR_RETURN(UniqueFd lock, LockInterface(spec.name));
    dataplane->interface_locks_.push_back(std::move(lock));
    GW_RETURN_IF_ERROR(Port::CheckAfXdp(spec, workers));
    dataplane->afxdp_interfaces_.push_back(spec.name);
  }
  GW_RETURN_IF_ERROR(dataplane->MapFlowTables(options));

  GW_ASSIGN_OR_RETURN(PlaceholderProgram placeholder, PlaceholderProgram::Create());
  dataplane->placeholder_ = std::make_unique<PlaceholderProgram>(std::move(placeholder));
  std::vector<std::string> eal_arguments;
  std::vector<std::vector<std::string>> device_names(options.ports.size());
  uint32_t device_number = 0;
  for (size_t i = 0; i < options.ports.size(); ++i) {
    const std::vector<std::string> arguments =
        Port::EalArguments(options.ports[i], workers, dataplane->placeholder_->path(),
                           &device_number, &device_names[i]);
    eal_arguments.insert(eal_arguments.end(), arguments.begin(), arguments.end());
  }
  dataplane->foreign_programs_ = Steering::KeeperOfOthers();
  GW_ASSIGN_OR_RETURN(Eal eal, Eal::Start(options, eal_arguments));
  dataplane->eal_ = std::make_unique<Eal>(std::move(eal));
  GW_ASSIGN_OR_RETURN(
      dataplane->mempool_,
      CreateMempool(static_cast<uint32_t>(options.ports.size()), workers, largest_mtu_bytes));
  GW_RETURN_IF_ERROR(dataplane->OpenPorts(options, device_names));

  dataplane->publisher_ = std::make_unique<Publisher>(
      workers,
      [raw = dataplane.get()](uint32_t worker) { return raw->workers_[worker]->beat_ns(); });
  for (uint32_t i = 0; i < workers; ++i) {
    Worker::Options worker{.index = i,
                           .idle = options.idle,
                           .published = dataplane->publisher_->pointer(),
                           .quiescence = dataplane->publisher_->quiescence(),
                           .flows = dataplane->flow_files_.tables[i].get(),
                           .peers = {},
                           .ports = {},
                           .limits = options.limits};
    for (uint32_t peer = 0; peer < workers; ++peer) {
      if (peer != i) worker.peers.push_back(dataplane->flow_files_.tables[peer].get());
    }
    for (const std::unique_ptr<Port>& port : dataplane->ports_) worker.ports.push_back(port.get());
    dataplane->workers_.push_back(std::make_unique<Worker>(std::move(worker)));
  }
  return dataplane;
}

absl::Status Dataplane::OpenPorts(const DataplaneOptions& options,
                                  const std::vector<std::vector<std::string>>& device_names) {
  const auto workers = static_cast<uint32_t>(options.worker_cpus.size());
  for (size_t i = 0; i < options.ports.size(); ++i) {
    GW_ASSIGN_OR_RETURN(std::unique_ptr<Port> port,
                        Port::Open(options.ports[i], device_names[i], workers, mempool_));
    if (options.wants_twin[i]) {
      GW_RETURN_IF_ERROR(port->AddTwin(absl::StrCat(options.kernel_twin_prefix, i), mempool_));
    }
    ports_.push_back(std::move(port));
  }
  return absl::OkStatus();
}

absl::Status Dataplane::MapFlowTables(const DataplaneOptions& options) {
  FlowFilesOptions files{.directory = FlowTableDirectory(options),
                         .workers = static_cast<uint32_t>(options.worker_cpus.size()),
                         .table_bytes = FlowTable::BytesFor(options.flows_per_worker),
                         .forget = options.forget_flows,
                         .now_s = static_cast<uint32_t>(absl::ToInt64Seconds(BootClockNow()))};
  GW_ASSIGN_OR_RETURN(files.boot, BootNumber());
  GW_ASSIGN_OR_RETURN(flow_files_, OpenFlowFiles(files));
  for (const std::string& note : flow_files_.notes) LOG(INFO) << note;
  for (const std::string& warning : flow_files_.warnings) LOG(WARNING) << warning;
  return absl::OkStatus();
}

absl::Status Dataplane::StartWorkers() {
  running_ = true;
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    const int error = rte_eal_remote_launch(RunWorker, workers_[i].get(), WorkerLcore(i));
    if (error != 0) return ErrnoStatus(-error, absl::StrCat("starting worker ", i));
  }
  return absl::OkStatus();
}

bool Dataplane::Stop() {
  if (!running_) return true;
  running_ = false;
  for (const std::unique_ptr<Port>& port : ports_) {
    if (port->steering() == nullptr) continue;
    const absl::Status status = port->steering()->Detach();
    if (!status.ok()) LOG(WARNING) << status;
  }
  for (const std::unique_ptr<Worker>& worker : workers_) worker->RequestStop();
  if (!AwaitWorkers()) return false;
  for (const std::unique_ptr<Port>& port : ports_) {
    // What the workers have counted as handed to the kernel shall get there.
    while (port->twin() != nullptr && port->twin()->MoveToKernel()) {
    }
  }
  return true;
}

bool Dataplane::AwaitWorkers() {
  constexpr uint64_t kPatienceMs = 5000;
  constexpr uint32_t kPauseMs = 1;
  const uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() / 1000 * kPatienceMs;
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    while (rte_eal_get_lcore_state(WorkerLcore(i)) == RUNNING) {
      if (rte_get_timer_cycles() >= end) {
        LOG(ERROR) << "worker " << i << " does not stop: ending without it";
        return false;
      }
      rte_delay_us_sleep(kPauseMs * 1000);
    }
    rte_eal_wait_lcore(WorkerLcore(i));
  }
  return true;
}

uint64_t Dataplane::flow_capacity() const {
  uint64_t sum = 0;
  for (const std::unique_ptr<FlowTable>& table : flow_files_.tables) sum += table->capacity();
  return sum;
}

Dataplane::~Dataplane() {
  if (!Stop()) std::_Exit(1);
  if (foreign_programs_ == nullptr) return;
  for (const std::string& interface : afxdp_interfaces_) foreign_programs_->Remember(interface);
}

}  // namespace guideway
