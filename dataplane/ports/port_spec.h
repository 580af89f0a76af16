// What the operator writes after --port=, taken apart.
//
//   eth0                                 a kernel interface: AF_XDP
//   0000:3b:00.0                         a PCI NIC bound to vfio-pci
//   vdev:net_pcap0,rx_pcap=a,tx_pcap=b   any DPDK virtual device
//
// Pure functions; errors name the port and what is wrong with it.
#ifndef GUIDEWAY_DATAPLANE_PORTS_PORT_SPEC_H_
#define GUIDEWAY_DATAPLANE_PORTS_PORT_SPEC_H_

#include <string>

#include "absl/status/statusor.h"

namespace guideway {

enum class PortKind { kAfXdp, kPci, kVdev };

struct PortSpec {
  PortKind kind = PortKind::kAfXdp;
  std::string name;  // how configuration, CLI and logs call it: "eth0", "0000:3b:00.0", "net_pcap0"
  std::string device;  // kPci and kVdev: what EAL is given
};

absl::StatusOr<PortSpec> ParsePortSpec(const std::string& text);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_PORT_SPEC_H_
