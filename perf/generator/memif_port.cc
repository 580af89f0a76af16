#include "perf/generator/memif_port.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <vector>

#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr char kDevice[] = "net_memif0";
constexpr uint32_t kBuffers = 8191;
constexpr uint32_t kCache = 256;
constexpr uint16_t kDescriptors = 1024;  // memif does not look at it: rings are `rsize`

absl::Status StartEal(const MemifPort::Options& options) {
  std::vector<std::string> arguments = {
      "guideway-generator",
      absl::StrCat("--lcores=0@", options.cpu),
      "--in-memory",
      "--no-pci",
      "--no-telemetry",
      "--log-level=error",
      absl::StrCat("--vdev=", kDevice, ",role=", options.server ? "server" : "client",
                   ",socket-abstract=no,socket=", options.socket, ",rsize=", options.ring_log2,
                   ",bsize=", options.buffer_bytes)};
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    return ErrnoStatus(rte_errno, "starting DPDK failed (free hugepages?)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemifPort>> MemifPort::Open(const Options& options) {
  GW_RETURN_IF_ERROR(StartEal(options));
  std::unique_ptr<MemifPort> port(new MemifPort());
  GW_RETURN_IF_ERROR(port->SetUp());
  return port;
}

absl::Status MemifPort::SetUp() {
  if (rte_eth_dev_get_port_by_name(kDevice, &device_) != 0) {
    return absl::InternalError("DPDK made no memif device");
  }
  buffers_ = rte_pktmbuf_pool_create("frames", kBuffers, kCache, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                     SOCKET_ID_ANY);
  if (buffers_ == nullptr) return ErrnoStatus(rte_errno, "making packet buffers");
  const rte_eth_conf configuration{};
  int error = rte_eth_dev_configure(device_, 1, 1, &configuration);
  if (error == 0) {
    error = rte_eth_rx_queue_setup(device_, 0, kDescriptors, SOCKET_ID_ANY, nullptr, buffers_);
  }
  if (error == 0) error = rte_eth_tx_queue_setup(device_, 0, kDescriptors, SOCKET_ID_ANY, nullptr);
  if (error == 0) error = rte_eth_dev_start(device_);
  if (error != 0) return ErrnoStatus(-error, "setting up memif");
  return absl::OkStatus();
}

absl::Status MemifPort::WaitForPeer(double deadline_s) const {
  constexpr unsigned kPollUs = 1000;
  const uint64_t deadline =
      rte_get_timer_cycles() +
      static_cast<uint64_t>(deadline_s * static_cast<double>(rte_get_timer_hz()));
  for (;;) {
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(device_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP) {
      return absl::OkStatus();
    }
    if (rte_get_timer_cycles() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("nobody at the other end of the memif after ", deadline_s, " s"));
    }
    rte_delay_us_sleep(kPollUs);
  }
}

MemifPort::~MemifPort() {
  rte_eth_dev_stop(device_);
  rte_eth_dev_close(device_);
  rte_eal_cleanup();
}

}  // namespace guideway
