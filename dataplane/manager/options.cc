#include "dataplane/manager/options.h"

#include <gflags/gflags.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/status.h"
#include "lib/channel/layout.h"

DEFINE_string(port, "",
              "a NIC, may be repeated: a kernel interface (eth0: AF_XDP), a PCI address "
              "(0000:3b:00.0, bound to vfio-pci) or any DPDK device (vdev:net_pcap0,rx_pcap=...)");
DEFINE_int32(workers, 1, "number of forwarding threads; each takes one queue of every port");
DEFINE_string(worker_cpus, "", "CPUs of the workers, e.g. 2-5,8; replaces --workers");
DEFINE_int32(manager_cpu, -1, "CPU of the manager; -1: the first allowed one");
DEFINE_string(idle, "auto",
              "what a worker without packets does: busy (polls), adaptive (sleeps up to 100 us), "
              "auto (adaptive if a port is a kernel interface)");
DEFINE_string(channel, "/run/guideway/dataplane.sock", "Unix socket for the control plane");
DEFINE_string(
    metrics_file, "auto",
    "text file with the data plane's own metrics, for the textfile collector of "
    "Prometheus' node exporter; auto: beside --channel, with .prom for .sock; empty: none");
DEFINE_string(
    flow_table_directory, "",
    "where flow tables live over a restart; default: /dev/hugepages/guideway if that is a "
    "hugetlbfs, else /dev/shm/guideway");
DEFINE_uint64(flows, 1 << 20, "flows that a worker's table can hold (16 bytes each)");
DEFINE_bool(forget_flows, false, "start with empty flow tables instead of those that were kept");
DEFINE_bool(hugepages, true, "use hugepages; without them everything is slower");
DEFINE_string(
    kernel_twin, "pci",
    "which ports get a TAP interface through which the kernel uses the NIC: pci, all (but "
    "AF_XDP ports, which are kernel interfaces themselves), none");
DEFINE_string(kernel_twin_prefix, "gw",
              "names of the TAP interfaces: this and the port's number, gw0 for the first port");
DEFINE_uint32(echo_per_second, guideway::ReplyLimits{}.echo_per_second,
              "pings to VIPs that a worker answers per second; 0: none");
DEFINE_uint32(too_big_per_second, guideway::ReplyLimits{}.too_big_per_second,
              "senders that a worker tells per second that their packets are too big (path MTU "
              "discovery); 0: none");

namespace guideway {
namespace {

absl::Status Bad(const std::string& flag, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", why));
}

// Takes every --port=X, --port X, -port=X out of the arguments.
absl::StatusOr<std::vector<std::string>> TakePorts(int* argc, char** argv) {
  std::vector<std::string> ports;
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    std::string argument = argv[i];
    if (argument.rfind("--", 0) == 0) argument.erase(0, 1);
    if (argument.rfind("-port=", 0) == 0) {
      ports.push_back(argument.substr(6));
    } else if (argument == "-port") {
      if (i + 1 >= *argc) return Bad("port", "needs a value");
      ports.push_back(argv[++i]);
    } else {
      argv[kept++] = argv[i];
    }
  }
  *argc = kept;
  argv[kept] = nullptr;
  return ports;
}

std::vector<uint32_t> AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<uint32_t> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

absl::Status ParsePorts(const std::vector<std::string>& texts, DataplaneOptions* options) {
  if (texts.empty()) return Bad("port", "at least one is needed, e.g. --port=eth0");
  if (texts.size() > channel::kMaxPorts) {
    return Bad("port",
               absl::StrCat("given ", texts.size(), " times; at most ", channel::kMaxPorts));
  }
  std::set<std::string> names;
  for (const std::string& text : texts) {
    GW_ASSIGN_OR_RETURN(PortSpec spec, ParsePortSpec(text));
    if (!names.insert(spec.name).second) {
      return Bad("port", absl::StrCat(spec.name, " is given twice"));
    }
    options->ports.push_back(std::move(spec));
  }
  return absl::OkStatus();
}

absl::Status ParseIdle(DataplaneOptions* options) {
  if (FLAGS_idle == "busy") {
    options->idle = IdleMode::kBusy;
  } else if (FLAGS_idle == "adaptive") {
    options->idle = IdleMode::kAdaptive;
  } else if (FLAGS_idle == "auto") {
    options->idle = IdleMode::kBusy;
    for (const PortSpec& port : options->ports) {
      if (port.kind == PortKind::kAfXdp) options->idle = IdleMode::kAdaptive;
    }
  } else {
    return Bad("idle", absl::StrCat("is \"", FLAGS_idle, "\"; allowed: auto, adaptive, busy"));
  }
  return absl::OkStatus();
}

absl::Status ParseKernelTwin(DataplaneOptions* options) {
  constexpr size_t kLongestPrefix = 13;  // two digits follow, 15 in all
  if (FLAGS_kernel_twin_prefix.empty() || FLAGS_kernel_twin_prefix.size() > kLongestPrefix) {
    return Bad("kernel_twin_prefix", "must have 1 to 13 characters");
  }
  if (FLAGS_kernel_twin != "pci" && FLAGS_kernel_twin != "all" && FLAGS_kernel_twin != "none") {
    return Bad("kernel_twin",
               absl::StrCat("is \"", FLAGS_kernel_twin, "\"; allowed: pci, all, none"));
  }
  for (const PortSpec& port : options->ports) {
    options->wants_twin.push_back(FLAGS_kernel_twin == "all"   ? port.kind != PortKind::kAfXdp
                                  : FLAGS_kernel_twin == "pci" ? port.kind == PortKind::kPci
                                                               : false);
  }
  return absl::OkStatus();
}

absl::Status ParseCpus(DataplaneOptions* options) {
  const std::vector<uint32_t> allowed = AllowedCpus();
  if (FLAGS_worker_cpus.empty()) {
    if (FLAGS_workers < 1 || FLAGS_workers > static_cast<int32_t>(channel::kMaxWorkers)) {
      return Bad("workers",
                 absl::StrCat("is ", FLAGS_workers, "; allowed: 1 to ", channel::kMaxWorkers));
    }
    AssignCpus(allowed, static_cast<uint32_t>(FLAGS_workers), options);
  } else {
    options->manager_cpu = allowed[0];
    GW_ASSIGN_OR_RETURN(options->worker_cpus, ParseCpuList("worker_cpus", FLAGS_worker_cpus));
    if (options->worker_cpus.size() > channel::kMaxWorkers) {
      return Bad("worker_cpus", absl::StrCat("names ", options->worker_cpus.size(),
                                             " CPUs; at most ", channel::kMaxWorkers));
    }
    for (const uint32_t cpu : options->worker_cpus) {
      if (std::find(allowed.begin(), allowed.end(), cpu) == allowed.end()) {
        return Bad("worker_cpus", absl::StrCat("CPU ", cpu, " is not available to this process"));
      }
    }
  }
  if (FLAGS_manager_cpu >= 0) options->manager_cpu = static_cast<uint32_t>(FLAGS_manager_cpu);
  if (std::find(allowed.begin(), allowed.end(), options->manager_cpu) == allowed.end()) {
    return Bad("manager_cpu",
               absl::StrCat("CPU ", options->manager_cpu, " is not available to this process"));
  }
  return absl::OkStatus();
}

std::string MetricsFilePath() {
  if (FLAGS_metrics_file != "auto") return FLAGS_metrics_file;
  return absl::StrCat(absl::StripSuffix(FLAGS_channel, ".sock"), ".prom");
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> ParseCpuList(const std::string& flag,
                                                   const std::string& text) {
  constexpr uint32_t kMaxCpu = CPU_SETSIZE - 1;
  std::vector<uint32_t> cpus;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const std::vector<std::string> ends = absl::StrSplit(part, '-');
    uint32_t first = 0;
    uint32_t last = 0;
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || first > last || last > kMaxCpu) {
      return Bad(flag, absl::StrCat("\"", part, "\" is no CPU or range of CPUs; e.g. 2-5,8"));
    }
    for (uint32_t cpu = first; cpu <= last; ++cpu) {
      if (std::find(cpus.begin(), cpus.end(), cpu) != cpus.end()) {
        return Bad(flag, absl::StrCat("names CPU ", cpu, " twice"));
      }
      cpus.push_back(cpu);
    }
  }
  return cpus;
}

void AssignCpus(const std::vector<uint32_t>& allowed, uint32_t workers, DataplaneOptions* options) {
  options->manager_cpu = allowed[0];
  options->worker_cpus.clear();
  for (uint32_t i = 0; i < workers; ++i) {
    options->worker_cpus.push_back(allowed[(i + 1) % allowed.size()]);
  }
}

absl::StatusOr<DataplaneOptions> ParseOptions(int* argc, char*** argv) {
  GW_ASSIGN_OR_RETURN(const std::vector<std::string> ports, TakePorts(argc, *argv));
  gflags::SetUsageMessage(
      "forwards packets for VIPs to their backends\n\nusage: "
      "guideway-dataplane --port=NIC [--port=NIC ...] [flags]");
  gflags::SetVersionString(GUIDEWAY_VERSION);
  // gflags' own --help ends with 1.
  for (int i = 1; i < *argc; ++i) {
    const std::string argument = (*argv)[i];
    if (argument != "--help" && argument != "-help" && argument != "-h") continue;
    gflags::ShowUsageWithFlagsRestrict((*argv)[0], "dataplane/");
    std::exit(0);
  }
  gflags::ParseCommandLineFlags(argc, argv, true);
  if (*argc > 1) {
    return absl::InvalidArgumentError(absl::StrCat("unexpected argument ", (*argv)[1]));
  }
  DataplaneOptions options;
  GW_RETURN_IF_ERROR(ParsePorts(ports, &options));
  GW_RETURN_IF_ERROR(ParseIdle(&options));
  GW_RETURN_IF_ERROR(ParseKernelTwin(&options));
  GW_RETURN_IF_ERROR(ParseCpus(&options));
  constexpr uint64_t kMostFlows = uint64_t{1} << 30;
  if (FLAGS_flows < 64 || FLAGS_flows > kMostFlows) {
    return Bad("flows", absl::StrCat("is ", FLAGS_flows, "; allowed: 64 to ", kMostFlows));
  }
  options.flows_per_worker = FLAGS_flows;
  options.channel_socket = FLAGS_channel;
  options.metrics_file = MetricsFilePath();
  options.flow_table_directory = FLAGS_flow_table_directory;
  options.hugepages = FLAGS_hugepages;
  options.forget_flows = FLAGS_forget_flows;
  options.limits = {.too_big_per_second = FLAGS_too_big_per_second,
                    .echo_per_second = FLAGS_echo_per_second};
  options.kernel_twin_prefix = FLAGS_kernel_twin_prefix;
  return options;
}

}  // namespace guideway
