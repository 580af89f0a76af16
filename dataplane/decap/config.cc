// What the options of guideway-decap and the addresses of this host come to.
#include "dataplane/decap/config.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "absl/strings/str_cat.h"
#include "dataplane/decap/decap_abi.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr uint16_t kGuePort = 6080;  // IANA's

bool Contains(const std::vector<IpAddress>& list, const IpAddress& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

absl::StatusOr<std::vector<IpAddress>> ParseAddresses(const char* option,
                                                      const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    if (!address.ok()) return Annotate(address.status(), absl::StrCat(option, " ", text));
    if (!Contains(addresses, *address)) addresses.push_back(*address);
  }
  return addresses;
}

absl::Status ParseFrom(const DecapOptions& options, DecapConfig* config) {
  for (const std::string& text : options.from) {
    std::string prefix = text;
    if (text.find('/') == std::string::npos) {
      absl::StrAppend(&prefix, text.find(':') == std::string::npos ? "/32" : "/128");
    }
    absl::StatusOr<IpPrefix> parsed = IpPrefix::Parse(prefix);
    if (!parsed.ok()) return Annotate(parsed.status(), absl::StrCat("--from ", text));
    config->from.push_back(*parsed);
  }
  if (config->from.size() > GW_DECAP_MAX_PREFIXES) {
    return absl::InvalidArgumentError(
        absl::StrCat("--from: at most ", GW_DECAP_MAX_PREFIXES, " prefixes"));
  }
  return absl::OkStatus();
}

absl::Status ParseL3dsr(const DecapOptions& options, DecapConfig* config) {
  for (const std::string& text : options.l3dsr) {
    const size_t equals = text.find('=');
    unsigned dscp = 0;
    const char* end = text.data() + std::min(equals, text.size());
    const auto parsed = std::from_chars(text.data(), end, dscp);
    if (equals == std::string::npos || parsed.ec != std::errc() || parsed.ptr != end || dscp < 1 ||
        dscp >= GW_DECAP_DSCPS) {
      return absl::InvalidArgumentError(
          absl::StrCat("--l3dsr ", text, ": must be DSCP=VIP with a DSCP of 1..63"));
    }
    absl::StatusOr<IpAddress> vip = IpAddress::Parse(text.substr(equals + 1));
    if (!vip.ok()) return Annotate(vip.status(), absl::StrCat("--l3dsr ", text));
    auto& by_dscp = vip->IsIpv4() ? config->l3dsr4 : config->l3dsr6;
    if (!by_dscp.emplace(static_cast<uint8_t>(dscp), *vip).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--l3dsr ", text, ": DSCP ", dscp, " stands for another VIP of this family already"));
    }
    if (!Contains(config->vips, *vip)) config->vips.push_back(*vip);
  }
  return absl::OkStatus();
}

absl::Status FindInterfaces(const DecapOptions& options, const DecapConfig* running,
                            DecapConfig* config) {
  absl::StatusOr<unsigned> index = InterfaceIndex("--interface", options.interface);
  config->interface = options.interface;
  if (!index.ok() && running != nullptr) {
    config->interface = InterfaceName(running->interface_index);
    if (!config->interface.empty()) index = running->interface_index;
  }
  if (!index.ok()) return index.status();
  config->interface_index = *index;
  config->next_hop_index = *index;
  if (options.next_hop_interface.empty()) return absl::OkStatus();
  index = InterfaceIndex("--next-hop-interface", options.next_hop_interface);
  if (!index.ok() && running != nullptr) index = running->next_hop_index;
  if (!index.ok()) return index.status();
  config->next_hop_index = *index;
  return absl::OkStatus();
}

absl::Status FindAddresses(const DecapOptions& options, DecapConfig* config) {
  GW_ASSIGN_OR_RETURN(const auto host, HostAddresses());
  if (config->vips.empty()) {
    return absl::InvalidArgumentError("no --vip is given, and lo has no address that could be one");
  }
  for (const auto& [name, address] : host) {
    if (!options.locals.empty()) break;
    if (name == "lo" || Contains(config->vips, address)) continue;
    if (!Contains(config->locals, address)) config->locals.push_back(address);
  }
  if (config->locals.empty()) {
    return absl::InvalidArgumentError("this host has no address but VIPs; give --local");
  }
  if (std::max(config->locals.size(), config->vips.size()) > GW_DECAP_MAX_ADDRESSES) {
    return absl::InvalidArgumentError(
        absl::StrCat("--vip, --local: at most ", GW_DECAP_MAX_ADDRESSES, " addresses"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<unsigned> InterfaceIndex(const char* option, const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, " ", name, ": no such network interface"));
  }
  return index;
}

std::string InterfaceName(unsigned index) {
  char name[IF_NAMESIZE] = {};
  return if_indextoname(index, name) == nullptr ? std::string() : std::string(name);
}

absl::StatusOr<std::vector<IpAddress>> VipsOf(const DecapOptions& options) {
  GW_ASSIGN_OR_RETURN(std::vector<IpAddress> vips, ParseAddresses("--vip", options.vips));
  if (!vips.empty()) return vips;
  GW_ASSIGN_OR_RETURN(const auto host, HostAddresses());
  const auto [first, last] = host.equal_range("lo");
  for (auto it = first; it != last; ++it) {
    if (!Contains(vips, it->second)) vips.push_back(it->second);
  }
  return vips;
}

absl::StatusOr<std::multimap<std::string, IpAddress>> HostAddresses() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return ErrnoStatus(errno, "listing this host's addresses");
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
  std::multimap<std::string, IpAddress> found;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    IpAddress address;
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      address = IpAddress::FromIpv4(std::bit_cast<Be32>(in->sin_addr.s_addr));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto* in6 = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)) continue;
      address = IpAddress::FromIpv6(in6->sin6_addr.s6_addr);
    } else {
      continue;
    }
    if (!address.IsLoopback()) found.emplace(entry->ifa_name, address);
  }
  return found;
}

absl::StatusOr<DecapConfig> MakeConfig(const DecapOptions& options, const DecapConfig* running) {
  DecapConfig config;
  config.vips_looked_up = options.vips.empty();
  config.locals_looked_up = options.locals.empty();
  GW_RETURN_IF_ERROR(FindInterfaces(options, running, &config));
  GW_ASSIGN_OR_RETURN(config.vips, VipsOf(options));
  GW_ASSIGN_OR_RETURN(config.locals, ParseAddresses("--local", options.locals));
  GW_RETURN_IF_ERROR(ParseFrom(options, &config));
  GW_RETURN_IF_ERROR(ParseL3dsr(options, &config));
  if (config.from.empty() && config.l3dsr4.empty() && config.l3dsr6.empty()) {
    return absl::InvalidArgumentError(
        "neither --from (balancers that tunnel) nor --l3dsr is given: nothing to do");
  }
  GW_RETURN_IF_ERROR(FindAddresses(options, &config));
  config.gue_ports = options.gue_ports;
  if (config.gue_ports.empty()) config.gue_ports = {kGuePort};
  if (config.gue_ports.size() > GW_DECAP_MAX_PORTS ||
      std::find(config.gue_ports.begin(), config.gue_ports.end(), 0) != config.gue_ports.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--gue-port: at most ", GW_DECAP_MAX_PORTS, " ports of 1..65535"));
  }
  if (options.mode == "native") {
    config.mode = XdpMode::kNative;
  } else if (options.mode == "generic") {
    config.mode = XdpMode::kGeneric;
  } else if (options.mode != "auto") {
    return absl::InvalidArgumentError(
        absl::StrCat("--mode ", options.mode, ": must be auto, native or generic"));
  }
  return config;
}

}  // namespace guideway
