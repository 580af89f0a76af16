// Which kernel interface leads to a static gateway, so that probes can be sent there.
#include <catch2/catch.hpp>
#include <cstring>

#include "controlplane/compiler/egress.h"

namespace guideway {
namespace {

TEST_CASE("a static gateway is found on the port's kernel interface") {
  v1::Port port;
  port.set_name("0000:3b:00.0");
  port.mutable_static_gateway()->set_mac("02:00:00:00:00:99");
  port.mutable_static_gateway()->set_vlan(7);
  const IpAddress backend = *IpAddress::Parse("10.0.0.1");
  channel::PortInfo info;
  std::strcpy(info.name, "0000:3b:00.0");
  info.mac = *MacAddress::Parse("02:00:00:00:00:11");
  const ResolvedNextHop unknown = OnKernelInterface(StaticNextHop(port, backend), {});
  CHECK(unknown.problem == "0000:3b:00.0 is not a port of the data plane");
  CHECK(unknown.pending);
  const ResolvedNextHop twinless =
      OnKernelInterface(StaticNextHop(port, backend), absl::MakeConstSpan(&info, 1));
  CHECK(twinless.problem == "0000:3b:00.0 has no kernel interface to send by");
  CHECK(twinless.pending);
  std::strcpy(info.kernel_interface, "gw0");
  const ResolvedNextHop found =
      OnKernelInterface(StaticNextHop(port, backend), absl::MakeConstSpan(&info, 1));
  CHECK(found.problem.empty());
  CHECK(found.interface == "gw0");
  CHECK(!found.is_port_name);
  CHECK(found.vlan == 7);
  CHECK(found.source_mac == info.mac);
  CHECK(found.destination_mac.ToString() == "02:00:00:00:00:99");
  port.mutable_static_gateway()->set_mac("nonsense");
  const ResolvedNextHop wrong =
      OnKernelInterface(StaticNextHop(port, backend), absl::MakeConstSpan(&info, 1));
  CHECK(!wrong.problem.empty());
  CHECK(!wrong.pending);
}

}  // namespace
}  // namespace guideway
