#include "dataplane/manager/eal.h"

#include <glog/logging.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "dataplane/path/fragment_table.h"
#include "dataplane/ports/port.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

std::string LcoreMap(const DataplaneOptions& options) {
  std::string map = absl::StrCat(kManagerLcore, "@", options.manager_cpu);
  for (uint32_t i = 0; i < options.worker_cpus.size(); ++i) {
    absl::StrAppend(&map, ",", WorkerLcore(i), "@", options.worker_cpus[i]);
  }
  return map;
}

constexpr char kRuntimeRoot[] = "/var/run/dpdk";
constexpr char kPrefix[] = "guideway-";  // and the process id

// What killed processes that ran without hugepages left behind.
void RemoveLeftovers() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(kRuntimeRoot, ignored)) {
    const std::string name = entry.path().filename();
    pid_t process = 0;
    if (!absl::StartsWith(name, kPrefix) ||
        !absl::SimpleAtoi(name.substr(sizeof(kPrefix) - 1), &process)) {
      continue;
    }
    if (kill(process, 0) != 0 && errno == ESRCH) std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace

absl::StatusOr<Eal> Eal::Start(const DataplaneOptions& options,
                               const std::vector<std::string>& port_arguments) {
  Eal eal;
  std::vector<std::string> arguments = {
      "guideway-dataplane", absl::StrCat("--lcores=", LcoreMap(options)),
      absl::StrCat("--main-lcore=", kManagerLcore), "--no-telemetry", "--log-level=warning",
      // EAL warns of every page size that is not reserved.
      "--log-level=lib.eal:error",
      // One contiguous mempool, which AF_XDP's memory needs.
      "--iova-mode=va"};
  bool pci = false;
  for (const PortSpec& port : options.ports) pci = pci || port.kind == PortKind::kPci;
  if (!pci) arguments.push_back("--no-pci");
  if (options.hugepages) {
    arguments.push_back("--in-memory");
  } else {
    RemoveLeftovers();
    const std::string prefix = absl::StrCat(kPrefix, getpid());
    arguments.insert(arguments.end(), {"--no-huge", "-m", "512", "--file-prefix=" + prefix});
    eal.runtime_directory_ = absl::StrCat(kRuntimeRoot, "/", prefix);
  }
  arguments.insert(arguments.end(), port_arguments.begin(), port_arguments.end());

  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  // Not to syslog as well, which workers might have to wait for.
  rte_openlog_stream(stderr);
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    eal.started_ = false;
    const std::string hint =
        options.hugepages ? " (are there free hugepages? scripts/setup reserves them)" : "";
    return ErrnoStatus(rte_errno, absl::StrCat("starting DPDK failed", hint));
  }
  return eal;
}

Eal::Eal(Eal&& other) noexcept
    : started_(std::exchange(other.started_, false)),
      runtime_directory_(std::exchange(other.runtime_directory_, {})) {}

Eal::~Eal() {
  if (started_) rte_eal_cleanup();
  std::error_code ignored;
  if (!runtime_directory_.empty()) std::filesystem::remove_all(runtime_directory_, ignored);
}

absl::StatusOr<rte_mempool*> CreateMempool(uint32_t ports, uint32_t workers,
                                           uint16_t largest_mtu_bytes) {
  constexpr uint32_t kCachePerLcore = 256;
  constexpr uint32_t kAfXdpReserve = Port::kAfXdpReserve, kFrameOverhead = Port::kFrameOverhead;
  constexpr uint32_t kUsualRoom = RTE_MBUF_DEFAULT_BUF_SIZE;  // 2 KiB and headroom
  const uint32_t needed = kAfXdpReserve + kFrameOverhead + largest_mtu_bytes;
  GW_RETURN_IF_ERROR(Port::CheckMtu(largest_mtu_bytes));
  const uint32_t room = needed > kUsualRoom ? Port::kLargestRoom : kUsualRoom;
  // AF_XDP keeps a whole fill ring and may hold a whole completion ring; one ring more in flight.
  const uint32_t buffers = ports * workers * 3 * Port::kDescriptors +
                           (workers + 1) * 2 * kCachePerLcore + workers * FragmentTable::kWaiting;
  rte_mempool* mempool = rte_pktmbuf_pool_create("packets", buffers, kCachePerLcore, 0,
                                                 static_cast<uint16_t>(room), SOCKET_ID_ANY);
  if (mempool == nullptr) {
    return ErrnoStatus(rte_errno, absl::StrCat("no memory for ", buffers, " packet buffers, about ",
                                               (uint64_t{buffers} * (room + 192)) >> 20,
                                               " MiB (more hugepages?)"));
  }
  if (mempool->nb_mem_chunks != 1) {
    LOG(WARNING) << "the packet buffers are in " << mempool->nb_mem_chunks
                 << " pieces of memory; AF_XDP wants one";
  }
  return mempool;
}

}  // namespace guideway
