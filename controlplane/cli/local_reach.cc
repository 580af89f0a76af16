// See local_reach.h.
#include "controlplane/cli/local_reach.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <memory>

#include "absl/strings/str_cat.h"

namespace guideway::cli {
namespace {

IpAddress AddressOf(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return IpAddress::FromIpv4(
        Be32::FromWire(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  }
  return IpAddress::FromIpv6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr.s6_addr);
}

// Of the bits that are set in a mask.
uint8_t LengthOf(const sockaddr& mask) {
  if (mask.sa_family == AF_INET) {
    return static_cast<uint8_t>(
        std::popcount(reinterpret_cast<const sockaddr_in&>(mask).sin_addr.s_addr));
  }
  int bits = 0;
  for (const uint8_t byte : reinterpret_cast<const sockaddr_in6&>(mask).sin6_addr.s6_addr) {
    bits += std::popcount(byte);
  }
  return static_cast<uint8_t>(bits);
}

}  // namespace

std::vector<IpPrefix> LocalAddresses() {
  std::vector<IpPrefix> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_netmask == nullptr) continue;
    if ((entry->ifa_flags & IFF_LOOPBACK) != 0 || (entry->ifa_flags & IFF_UP) == 0) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    addresses.push_back({AddressOf(*entry->ifa_addr), LengthOf(*entry->ifa_netmask)});
  }
  return addresses;
}

std::vector<std::string> LocalReachWarnings(const v1::Config& config,
                                            absl::Span<const IpPrefix> addresses) {
  std::vector<std::string> lines;
  const bool has_gateway =
      std::any_of(config.ports().begin(), config.ports().end(),
                  [](const v1::Port& port) { return port.has_static_gateway(); });
  if (has_gateway || addresses.empty()) return lines;
  for (const v1::Pool& pool : config.pools()) {
    for (const v1::Backend& backend : pool.backends()) {
      const auto address = IpAddress::Parse(backend.address());
      if (!address.ok() || backend.state() == v1::DISABLED) continue;
      const auto any = [&](const auto& holds) {
        return std::any_of(addresses.begin(), addresses.end(), holds);
      };
      const std::string who =
          absl::StrCat("pool ", pool.name(), ": backend ", backend.name(), ": ", backend.address());
      if (any([&](const IpPrefix& own) { return own.address == *address; })) {
        lines.push_back(absl::StrCat(who, " is an address of this host: it gets no flows"));
        continue;
      }
      // Of a family that this host has no address of nothing is known.
      const bool known =
          any([&](const IpPrefix& own) { return own.address.family() == address->family(); });
      if (pool.encapsulation() != v1::L2 || !known) continue;
      if (any([&](const IpPrefix& own) { return own.Contains(*address); })) continue;
      lines.push_back(
          absl::StrCat(who,
                       " is not on a segment of this host: l2 cannot reach it from here "
                       "unless a route says that it is"));
    }
  }
  return lines;
}

}  // namespace guideway::cli
