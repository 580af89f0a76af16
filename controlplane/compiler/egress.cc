// Matching kernel interfaces with the data plane's ports.
#include "controlplane/compiler/egress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/channel/text_of.h"

namespace guideway {
namespace {

constexpr uint32_t kSmallestMtuBytes = 68;  // of the channel's NextHopBody; RFC 791's minimum
constexpr uint32_t kLargestMtuBytes = 65535;

const channel::PortInfo* FindPort(const ResolvedNextHop& resolved,
                                  absl::Span<const channel::PortInfo> ports) {
  const auto find = [&](const std::string& name) {
    const auto port = std::find_if(ports.begin(), ports.end(), [&](const channel::PortInfo& info) {
      return (resolved.is_port_name ? channel::TextOf(info.name)
                                    : channel::TextOf(info.kernel_interface)) == name;
    });
    return port == ports.end() ? nullptr : &*port;
  };
  const channel::PortInfo* port = find(resolved.interface);
  if (port != nullptr || resolved.former_interface.empty()) return port;
  return find(resolved.former_interface);
}

// Of that name, and its interface is gone: one that has its name now is another one.
bool HasGonePort(absl::Span<const channel::PortInfo> ports, const std::string& name) {
  return std::any_of(ports.begin(), ports.end(), [&](const channel::PortInfo& port) {
    return port.kernel_interface[0] == 0 && channel::TextOf(port.name) == name;
  });
}

}  // namespace

ResolvedNextHop OnKernelInterface(ResolvedNextHop next_hop,
                                  absl::Span<const channel::PortInfo> ports) {
  if (!next_hop.problem.empty()) return next_hop;
  const channel::PortInfo* port = FindPort(next_hop, ports);
  if (port == nullptr) {
    next_hop.problem = absl::StrCat(next_hop.interface, " is not a port of the data plane");
    next_hop.pending = true;  // the data plane may not be there yet
  } else if (port->kernel_interface[0] == 0) {
    next_hop.problem = absl::StrCat(next_hop.interface, " has no kernel interface to send by");
    next_hop.pending = true;  // nothing is wrong with the backend
  } else {
    next_hop.interface = channel::TextOf(port->kernel_interface);
    next_hop.is_port_name = false;
    next_hop.source_mac = port->mac;
  }
  return next_hop;
}

ResolvedNextHop StaticNextHop(const v1::Port& port, const IpAddress& address) {
  ResolvedNextHop result;
  result.pending = false;
  result.interface = port.name();
  result.is_port_name = true;
  result.on_link = true;  // everything is the gateway's
  const auto mac = MacAddress::Parse(port.static_gateway().mac());
  if (!mac.ok()) {
    result.problem = absl::StrCat("static gateway: ", std::string(mac.status().message()));
    return result;
  }
  result.destination_mac = *mac;
  result.vlan = static_cast<uint16_t>(port.static_gateway().vlan());
  const std::string& source =
      address.IsIpv4() ? port.static_gateway().source_ipv4() : port.static_gateway().source_ipv6();
  if (!source.empty()) result.source = IpAddress::Parse(source).value_or(IpAddress{});
  result.problem.clear();
  return result;
}

absl::StatusOr<Egress> MakeEgress(const ResolvedNextHop& resolved, const IpAddress& address,
                                  const Delivery& delivery,
                                  absl::Span<const channel::PortInfo> ports) {
  // Whatever becomes of the gateway.
  const bool has_gateway = !resolved.on_link && !resolved.gateway.IsUnspecified();
  if (delivery.encapsulation == channel::Encapsulation::kL2 && has_gateway) {
    return absl::FailedPreconditionError(
        absl::StrCat(address.ToString(), " is not on a segment of this host (its route goes via ",
                     resolved.gateway.ToString(), "): l2 cannot reach it"));
  }
  if (!resolved.problem.empty()) {
    return resolved.pending ? absl::UnavailableError(resolved.problem)
                            : absl::FailedPreconditionError(resolved.problem);
  }
  if (ports.empty()) return absl::UnavailableError("the data plane has not said its ports yet");
  const channel::PortInfo* port = FindPort(resolved, ports);
  if (port == nullptr) {
    return absl::FailedPreconditionError(
        HasGonePort(ports, resolved.interface)
            ? absl::StrCat("port ", resolved.interface, " is gone")
            : absl::StrCat(resolved.interface, " is not a port of the data plane"));
  }
  if (IsTunnel(delivery.encapsulation) && !delivery.has_source_prefix() &&
      (resolved.source.IsUnspecified() || resolved.source.family() != address.family())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no source address for tunnels to ", address.ToString(), " on ", resolved.interface));
  }
  const auto is_station = [](const MacAddress& mac) {
    return !mac.IsZero() && (mac.bytes[0] & 1) == 0;  // not a group address
  };
  const MacAddress source_mac = resolved.source_mac.IsZero() ? port->mac : resolved.source_mac;
  if (!is_station(source_mac) || !is_station(resolved.destination_mac)) {
    return absl::FailedPreconditionError(
        absl::StrCat(source_mac.ToString(), " to ", resolved.destination_mac.ToString(), " on ",
                     resolved.interface, ": not Ethernet addresses of stations"));
  }
  Egress egress;
  uint32_t mtu_bytes = port->mtu_bytes;
  if (resolved.mtu_bytes != 0) mtu_bytes = std::min(mtu_bytes, resolved.mtu_bytes);
  mtu_bytes = std::clamp(mtu_bytes, kSmallestMtuBytes, kLargestMtuBytes);
  egress.next_hop.port = static_cast<uint16_t>(port - ports.data());
  egress.next_hop.mtu_bytes = static_cast<uint16_t>(mtu_bytes);
  egress.next_hop.destination_mac = resolved.destination_mac;
  egress.next_hop.source_mac = source_mac;
  egress.next_hop.vlan = resolved.vlan;
  egress.outer_source = resolved.source;
  egress.key = absl::StrCat(egress.next_hop.port, "/", resolved.vlan, "/", mtu_bytes, "/",
                            resolved.gateway.ToString());
  egress.text = channel::TextOf(port->name);
  if (resolved.vlan != 0) absl::StrAppend(&egress.text, " VLAN ", resolved.vlan);
  absl::StrAppend(&egress.text, " ", resolved.destination_mac.ToString());
  return egress;
}

}  // namespace guideway
