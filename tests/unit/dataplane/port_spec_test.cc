// --port: what is taken for an interface, a PCI NIC and a virtual device, and what is refused.
#include "dataplane/ports/port_spec.h"

#include <catch2/catch.hpp>

namespace guideway {
namespace {

TEST_CASE("each kind of port is recognised") {
  const PortSpec interface = ParsePortSpec("eth0").value();
  CHECK(interface.kind == PortKind::kAfXdp);
  CHECK(interface.name == "eth0");

  const PortSpec pci = ParsePortSpec("0000:3b:00.0").value();
  CHECK(pci.kind == PortKind::kPci);
  CHECK(pci.device == "0000:3b:00.0");
  CHECK(ParsePortSpec("3b:00.1").value().kind == PortKind::kPci);

  const PortSpec vdev = ParsePortSpec("vdev:net_pcap0,rx_pcap=in,tx_pcap=out").value();
  CHECK(vdev.kind == PortKind::kVdev);
  CHECK(vdev.name == "net_pcap0");
  CHECK(vdev.device == "net_pcap0,rx_pcap=in,tx_pcap=out");
}

TEST_CASE("what is no port is refused by name") {
  for (const std::string text : {"", "vdev:", "vdev:,x=1", "a/b", "an-interface-name-too-long",
                                 "eth0,eth1", "0000:3b:00.9", "has space", ".."}) {
    const absl::StatusOr<PortSpec> spec = ParsePortSpec(text);
    INFO(text);
    REQUIRE_FALSE(spec.ok());
    CHECK(spec.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(spec.status().message()).find("--port=" + text) == 0);
  }
}

}  // namespace
}  // namespace guideway
