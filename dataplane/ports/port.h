// A port: one NIC as the operator names it, with one receive and one transmit queue for each
// worker.
//
// Opened by the main thread at start; afterwards workers use only their PortQueue, the manager the
// rest. The port owns its ethdevs, its steering program and its kernel twin.
#ifndef GUIDEWAY_DATAPLANE_PORTS_PORT_H_
#define GUIDEWAY_DATAPLANE_PORTS_PORT_H_

#include <rte_mempool.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/bpf/steering.h"
#include "dataplane/ports/kernel_twin.h"
#include "dataplane/ports/port_spec.h"
#include "lib/net/address.h"

namespace guideway {

// One worker's share of a port. With AF_XDP each worker has an ethdev of its own (queue 0), else
// all share one ethdev and differ by the queue.
struct PortQueue {
  uint16_t device = 0;
  uint16_t queue = 0;
};

struct PortStatistics {
  uint64_t received_packets = 0;
  uint64_t sent_packets = 0;
  uint64_t receive_missed = 0;  // also for VIPs on a queue that no worker has
  uint64_t receive_errors = 0;
};

class Port {
 public:
  // EAL arguments that make the port's devices appear. `device_number` counts the AF_XDP devices of
  // all ports and is advanced.
  static std::vector<std::string> EalArguments(const PortSpec& spec, uint32_t workers,
                                               const std::string& placeholder_path,
                                               uint32_t* device_number,
                                               std::vector<std::string>* device_names);
  // Descriptors of each receive and each transmit queue that Open() asks for.
  static constexpr uint16_t kDescriptors = 2048;

  // What a buffer holds beside the packet: AF_XDP receives behind 256 bytes of its own and DPDK's
  // headroom; Ethernet and two VLAN tags.
  static constexpr uint32_t kAfXdpReserve = 256 + RTE_PKTMBUF_HEADROOM;
  static constexpr uint32_t kFrameOverhead = 14 + 2 * 4;
  // What a buffer has room for at most, because an XDP frame is one page.
  static constexpr uint32_t kLargestRoom = 3840;

  // The MTU the port will have: the kernel interface's, or Ethernet's 1500.
  static absl::StatusOr<uint16_t> ExpectedMtu(const PortSpec& spec);

  // What an AF_XDP port must not fail by once DPDK has started, because its driver would take any
  // XDP program off the interface on the way out: one queue for each worker, no program of another
  // tool.
  static absl::Status CheckAfXdp(const PortSpec& spec, uint32_t workers);

  // Refuses an MTU that no buffer holds.
  static absl::Status CheckMtu(uint16_t mtu_bytes);

  // All that a start would refuse this port for before it starts DPDK, but its lock.
  static absl::Status CheckStart(const PortSpec& spec, uint32_t workers);

  // Sets up the devices named `device_names` (from EalArguments) with `workers` queues and starts
  // them. Packets come from `mempool` (borrowed).
  static absl::StatusOr<std::unique_ptr<Port>> Open(const PortSpec& spec,
                                                    std::vector<std::string> device_names,
                                                    uint32_t workers, rte_mempool* mempool);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  const std::string& name() const { return name_; }
  const std::string& kernel_interface() const { return kernel_interface_; }
  MacAddress mac() const { return mac_; }
  uint16_t mtu_bytes() const { return mtu_bytes_; }
  PortQueue queue(uint32_t worker) const { return queues_[worker]; }
  // The largest that the buffers hold.
  uint32_t largest_mtu_bytes() const { return largest_mtu_bytes_; }
  bool is_pci() const { return is_pci_; }
  // AF_XDP: of the interface that was opened, whatever it is called now; else 0.
  uint32_t interface_index() const { return interface_index_; }
  // AF_XDP: false once the interface has been removed or moved to another network namespace, even
  // if one of the same index is there again.
  bool SocketsAreBound() const;
  // nullptr where the kernel interface itself is the twin (AF_XDP) or there is none.
  KernelTwin* twin() const { return twin_.get(); }
  // nullptr for ports that are not AF_XDP.
  Steering* steering() const { return steering_.get(); }

  // Creates the TAP through which the kernel uses this NIC.
  absl::Status AddTwin(const std::string& interface_name, rte_mempool* mempool);
  PortStatistics ReadStatistics() const;

 private:
  Port() = default;
  absl::Status OpenAfXdp(uint32_t workers, rte_mempool* mempool);
  absl::Status OpenShared(uint32_t workers, rte_mempool* mempool);

  // Constant after Open().
  std::string name_;
  std::string kernel_interface_;
  MacAddress mac_;
  uint16_t mtu_bytes_ = 0;
  uint32_t largest_mtu_bytes_ = 0;
  bool is_pci_ = false;
  uint32_t interface_index_ = 0;
  std::vector<int> xsk_sockets_;  // the driver's
  std::vector<std::string> device_names_;
  std::vector<uint16_t> devices_;
  std::vector<PortQueue> queues_;
  std::unique_ptr<Steering> steering_;
  std::unique_ptr<KernelTwin> twin_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_PORT_H_
