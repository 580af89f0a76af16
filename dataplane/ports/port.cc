#include "dataplane/ports/port.h"

#include <glog/logging.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "dataplane/ports/interface_state.h"
#include "dataplane/ports/xsk_sockets.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

absl::Status DeviceError(int error, const std::string& device, const std::string& what) {
  return ErrnoStatus(error < 0 ? -error : error, absl::StrCat("port ", device, ": ", what));
}

absl::StatusOr<uint16_t> KernelMtu(const std::string& interface_name) {
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, interface_name.c_str(), IFNAMSIZ - 1);
  if (ioctl(control.get(), SIOCGIFMTU, &request) != 0) {
    return ErrnoStatus(errno, absl::StrCat("reading the MTU of ", interface_name));
  }
  return static_cast<uint16_t>(std::min(request.ifr_mtu, 65535));
}

absl::StatusOr<uint16_t> DeviceByName(const std::string& device_name) {
  uint16_t device = 0;
  if (rte_eth_dev_get_port_by_name(device_name.c_str(), &device) != 0) {
    return absl::NotFoundError(absl::StrCat(
        "port ", device_name, ": no such DPDK device (its driver refused it; see the log above)"));
  }
  return device;
}

absl::Status ConfigureDevice(uint16_t device, const std::string& name, uint16_t queues) {
  rte_eth_dev_info info{};
  int error = rte_eth_dev_info_get(device, &info);
  if (error != 0) return DeviceError(error, name, "reading its capabilities");
  if (queues > info.max_rx_queues || queues > info.max_tx_queues) {
    return absl::FailedPreconditionError(
        absl::StrCat("port ", name, " has ", std::min(info.max_rx_queues, info.max_tx_queues),
                     " queues, but ", queues, " workers need one each: lower --workers"));
  }
  rte_eth_conf configuration{};
  if (queues > 1 && info.flow_type_rss_offloads != 0) {
    configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    configuration.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
  }
  error = rte_eth_dev_configure(device, queues, queues, &configuration);
  if (error != 0) return DeviceError(error, name, "configuring it");
  return absl::OkStatus();
}

absl::Status SetUpQueues(uint16_t device, const std::string& name, uint16_t queues,
                         rte_mempool* mempool) {
  uint16_t receive = Port::kDescriptors;
  uint16_t transmit = Port::kDescriptors;
  int error = rte_eth_dev_adjust_nb_rx_tx_desc(device, &receive, &transmit);
  if (error != 0) return DeviceError(error, name, "adjusting its descriptors");
  const auto socket = static_cast<unsigned>(std::max(rte_eth_dev_socket_id(device), 0));
  for (uint16_t queue = 0; queue < queues; ++queue) {
    error = rte_eth_rx_queue_setup(device, queue, receive, socket, nullptr, mempool);
    if (error != 0) return DeviceError(error, name, "setting up a receive queue");
    error = rte_eth_tx_queue_setup(device, queue, transmit, socket, nullptr);
    if (error != 0) return DeviceError(error, name, "setting up a transmit queue");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> Port::EalArguments(const PortSpec& spec, uint32_t workers,
                                            const std::string& placeholder_path,
                                            uint32_t* device_number,
                                            std::vector<std::string>* device_names) {
  if (spec.kind == PortKind::kPci) {
    device_names->push_back(spec.device);
    return {absl::StrCat("--allow=", spec.device)};
  }
  if (spec.kind == PortKind::kVdev) {
    device_names->push_back(spec.name);
    return {absl::StrCat("--vdev=", spec.device)};
  }
  // One ethdev a worker: the driver opens several queues of one ethdev only where the interface has
  // "combined" channels, which veth has not.
  std::vector<std::string> arguments;
  for (uint32_t worker = 0; worker < workers; ++worker) {
    const std::string device = absl::StrCat("net_af_xdp", (*device_number)++);
    device_names->push_back(device);
    arguments.push_back(absl::StrCat("--vdev=", device, ",iface=", spec.name, ",start_queue=",
                                     worker, ",queue_count=1,xdp_prog=", placeholder_path));
  }
  return arguments;
}

absl::Status Port::CheckAfXdp(const PortSpec& spec, uint32_t workers) {
  const absl::Status free = Steering::CheckFree(spec.name);
  if (!free.ok()) return Annotate(free, absl::StrCat("--port=", spec.name));
  const uint32_t kernel_queues = KernelReceiveQueues(spec.name);
  if (kernel_queues == workers) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "port ", spec.name, " has ", kernel_queues, " receive queue(s) and --workers=", workers,
      ": packets of a queue without a worker would be lost. Make them equal (ethtool -L ",
      spec.name, " combined ", workers, ", or rx/tx ", workers, " on veth)"));
}

absl::StatusOr<uint16_t> Port::ExpectedMtu(const PortSpec& spec) {
  constexpr uint16_t kEthernetMtu = 1500;
  if (spec.kind != PortKind::kAfXdp) return kEthernetMtu;
  if (if_nametoindex(spec.name.c_str()) == 0) {
    return absl::NotFoundError(absl::StrCat("--port=", spec.name, ": no such network interface"));
  }
  return KernelMtu(spec.name);
}

absl::Status Port::CheckMtu(uint16_t mtu_bytes) {
  constexpr uint32_t kLargest = kLargestRoom - kAfXdpReserve - kFrameOverhead;
  if (mtu_bytes <= kLargest) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("an MTU of ", mtu_bytes, " is too large; at most ", kLargest));
}

absl::Status Port::CheckStart(const PortSpec& spec, uint32_t workers) {
  GW_ASSIGN_OR_RETURN(const uint16_t mtu_bytes, ExpectedMtu(spec));
  const absl::Status fits = CheckMtu(mtu_bytes);
  if (!fits.ok()) return Annotate(fits, absl::StrCat("--port=", spec.name));
  return spec.kind == PortKind::kAfXdp ? CheckAfXdp(spec, workers) : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Port>> Port::Open(const PortSpec& spec,
                                                 std::vector<std::string> device_names,
                                                 uint32_t workers, rte_mempool* mempool) {
  std::unique_ptr<Port> port(new Port());
  port->name_ = spec.name;
  port->is_pci_ = spec.kind == PortKind::kPci;
  port->device_names_ = std::move(device_names);
  port->largest_mtu_bytes_ = rte_pktmbuf_data_room_size(mempool) - kAfXdpReserve - kFrameOverhead;
  GW_RETURN_IF_ERROR(spec.kind == PortKind::kAfXdp ? port->OpenAfXdp(workers, mempool)
                                                   : port->OpenShared(workers, mempool));
  for (const uint16_t device : port->devices_) {
    const int error = rte_eth_dev_start(device);
    if (error != 0) return DeviceError(error, spec.name, "starting it");
  }
  rte_ether_addr mac{};
  rte_eth_macaddr_get(port->devices_[0], &mac);
  std::memcpy(port->mac_.bytes.data(), mac.addr_bytes, sizeof(mac.addr_bytes));
  LOG(INFO) << "port " << port->name_ << ": " << port->mac_.ToString() << ", MTU "
            << port->mtu_bytes_ << ", " << workers << " queue(s)";
  return port;
}

absl::Status Port::OpenAfXdp(uint32_t workers, rte_mempool* mempool) {
  kernel_interface_ = name_;
  interface_index_ = if_nametoindex(name_.c_str());
  GW_ASSIGN_OR_RETURN(mtu_bytes_, KernelMtu(name_));
  GW_ASSIGN_OR_RETURN(steering_, Steering::Load(name_));
  for (uint32_t worker = 0; worker < workers; ++worker) {
    GW_ASSIGN_OR_RETURN(const uint16_t device, DeviceByName(device_names_[worker]));
    devices_.push_back(device);
    GW_RETURN_IF_ERROR(ConfigureDevice(device, name_, 1));
    // The driver attaches its program at queue set-up and fails if there is one: a killed process's
    // or that of the queue before.
    GW_RETURN_IF_ERROR(Steering::Clear(name_));
    const std::set<int> before = OpenXskSockets();
    GW_RETURN_IF_ERROR(SetUpQueues(device, name_, 1, mempool));
    std::set<int> opened = OpenXskSockets();
    for (const int fd : before) opened.erase(fd);
    if (opened.size() != 1) {
      return absl::InternalError(absl::StrCat("port ", name_, ": the AF_XDP driver opened ",
                                              opened.size(), " sockets for a queue, not one"));
    }
    xsk_sockets_.push_back(*opened.begin());
    GW_RETURN_IF_ERROR(steering_->AddSocket(worker, *opened.begin()));
    queues_.push_back({.device = device, .queue = 0});
  }
  return steering_->Attach();
}

// An empty message asks the kernel to send what is in the ring: it looks first whether the socket
// has its interface still.
bool Port::SocketsAreBound() const {
  for (const int xsk : xsk_sockets_) {
    if (sendto(xsk, nullptr, 0, MSG_DONTWAIT, nullptr, 0) != 0 && errno == ENXIO) return false;
  }
  return true;
}

absl::Status Port::OpenShared(uint32_t workers, rte_mempool* mempool) {
  GW_ASSIGN_OR_RETURN(const uint16_t device, DeviceByName(device_names_[0]));
  devices_.push_back(device);
  const auto queues = static_cast<uint16_t>(workers);
  GW_RETURN_IF_ERROR(ConfigureDevice(device, name_, queues));
  GW_RETURN_IF_ERROR(SetUpQueues(device, name_, queues, mempool));
  for (uint16_t queue = 0; queue < queues; ++queue) {
    queues_.push_back({.device = device, .queue = queue});
  }
  const int error = rte_eth_dev_get_mtu(device, &mtu_bytes_);
  if (error != 0) return DeviceError(error, name_, "reading its MTU");
  return absl::OkStatus();
}

absl::Status Port::AddTwin(const std::string& interface_name, rte_mempool* mempool) {
  GW_ASSIGN_OR_RETURN(twin_, KernelTwin::Create(interface_name, mac_, mtu_bytes_, mempool));
  kernel_interface_ = interface_name;
  // Neighbour discovery and routing protocols arrive by multicast. Drivers without the notion
  // (virtual ones) deliver everything anyway.
  for (const uint16_t device : devices_) {
    const int error = rte_eth_allmulticast_enable(device);
    if (error != 0 && error != -ENOTSUP) {
      return DeviceError(error, name_, "enabling reception of multicast");
    }
  }
  return absl::OkStatus();
}

PortStatistics Port::ReadStatistics() const {
  PortStatistics sum;
  for (const uint16_t device : devices_) {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(device, &stats) != 0) continue;
    sum.received_packets += stats.ipackets;
    sum.sent_packets += stats.opackets;
    sum.receive_missed += stats.imissed;
    sum.receive_errors += stats.ierrors + stats.rx_nombuf;
  }
  if (steering_ != nullptr) sum.receive_missed += steering_->UnservedPackets();
  return sum;
}

Port::~Port() {
  twin_.reset();
  for (const uint16_t device : devices_) {
    if (rte_eth_dev_is_valid_port(device) == 0) continue;
    rte_eth_dev_stop(device);
    rte_eth_dev_close(device);
  }
}

}  // namespace guideway
