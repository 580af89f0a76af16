// See validate_delivery.h.
#include "lib/config/validate_delivery.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/net/address.h"
#include "lib/net/prefix.h"

namespace guideway {

namespace {

bool IsTunnel(v1::Encapsulation encapsulation) {
  return encapsulation == v1::IPIP || encapsulation == v1::GRE || encapsulation == v1::GUE;
}

// Calls visit(backend, its parsed address, path of its address) for addresses that are right.
template <typename Visitor>
void ForEachBackend(const v1::Config& config, int pool, Visitor visit) {
  for (int i = 0; i < config.pools(pool).backends_size(); ++i) {
    const v1::Backend& backend = config.pools(pool).backends(i);
    const auto address = IpAddress::Parse(backend.address());
    if (address.ok()) {
      visit(backend, *address, absl::StrCat("pools[", pool, "].backends[", i, "].address"));
    }
  }
}

std::string FamilyName(const IpAddress& address) {
  return absl::StrCat("IPv", static_cast<int>(address.family()));
}

// The prefix that a pool's tunnels of a family take their source from, or "".
std::string SourcePrefix(const v1::Config& config, const v1::Pool& pool, bool ipv4) {
  const std::string& own = ipv4 ? pool.source_prefix_ipv4() : pool.source_prefix_ipv6();
  if (!own.empty()) return own;
  return ipv4 ? config.source_prefix_ipv4() : config.source_prefix_ipv6();
}

void CheckStaticGateway(const v1::Config& config, int port, Problems* problems) {
  const v1::StaticGateway& gateway = config.ports(port).static_gateway();
  const std::string path = absl::StrCat("ports[", port, "].static_gateway");
  const auto check_family = [&](const std::string& text, IpFamily family, const char* field) {
    const auto address = IpAddress::Parse(text);
    if (address.ok() && address->family() != family) {
      problems->Add(path + field, absl::StrCat(text, " is of the other family; must be IPv",
                                               static_cast<int>(family)));
    }
  };
  check_family(gateway.source_ipv4(), IpFamily::kIpv4, ".source_ipv4");
  check_family(gateway.source_ipv6(), IpFamily::kIpv6, ".source_ipv6");
  for (int p = 0; p < config.pools_size(); ++p) {
    const v1::Pool& pool = config.pools(p);
    if (!IsTunnel(pool.encapsulation())) continue;
    ForEachBackend(config, p, [&](const v1::Backend& backend, const IpAddress& address, auto) {
      const bool ipv4 = address.IsIpv4();
      if ((ipv4 ? gateway.source_ipv4() : gateway.source_ipv6()).empty() &&
          SourcePrefix(config, pool, ipv4).empty()) {
        problems->Add(path + (ipv4 ? ".source_ipv4" : ".source_ipv6"),
                      absl::StrCat("is missing; tunnels to backend ", backend.name(), " of pool ",
                                   pool.name(), " need it, or a source prefix"));
      }
    });
  }
}

// Packets that seem to come from the receiver itself, or from a VIP it has, are thrown away there.
void CheckSourcePrefix(const v1::Config& config, int p, Problems* problems) {
  const v1::Pool& pool = config.pools(p);
  if (!IsTunnel(pool.encapsulation())) return;
  for (const bool ipv4 : {true, false}) {
    const auto prefix = IpPrefix::Parse(SourcePrefix(config, pool, ipv4));
    if (!prefix.ok()) continue;
    ForEachBackend(config, p, [&](auto&, const IpAddress& address, const std::string& path) {
      if (!prefix->Contains(address)) return;
      problems->Add(path, absl::StrCat(address.ToString(), " lies in the source prefix ",
                                       prefix->ToString(), "; must be outside of it"));
    });
    for (int i = 0; i < config.vips_size(); ++i) {
      const auto address = IpAddress::Parse(config.vips(i).address());
      if (!address.ok() || config.vips(i).pool() != pool.name() || !prefix->Contains(*address)) {
        continue;
      }
      problems->Add(
          absl::StrCat("vips[", i, "].address"),
          absl::StrCat(address->ToString(), " lies in the source prefix ", prefix->ToString(),
                       " of pool ", pool.name(), "; must be outside of it"));
    }
  }
}

// A backend passes packets on within its own address family.
void CheckSecondChance(const v1::Config& config, int p, Problems* problems) {
  const v1::Pool& pool = config.pools(p);
  if (pool.encapsulation() != v1::GUE || !pool.gue().second_chance()) return;
  std::string first;
  ForEachBackend(config, p, [&](auto&, const IpAddress& address, const std::string& path) {
    if (first.empty()) first = FamilyName(address);
    if (FamilyName(address) == first) return;
    problems->Add(path, absl::StrCat(address.ToString(), " is ", FamilyName(address),
                                     " and others of the pool are ", first,
                                     "; with second_chance all must be of one family"));
  });
}

// The DSCP stands for one address, which replaces the backend's at the backend.
class L3dsrCheck {
 public:
  L3dsrCheck(const v1::Config& config, Problems* problems) : config_(config), problems_(problems) {}

  void CheckPool(int p) {
    const v1::Pool& pool = config_.pools(p);
    if (pool.encapsulation() != v1::L3DSR) return;
    const auto vip = VipOf(pool);
    if (!vip.ok()) return;
    ForEachBackend(config_, p, [&](auto&, const IpAddress& address, const std::string& path) {
      if (address.family() != vip->family()) {
        problems_->Add(path,
                       absl::StrCat(address.ToString(), " is ", FamilyName(address), "; must be ",
                                    FamilyName(*vip), " as the VIP ", vip->ToString(),
                                    ", because l3dsr puts one for the other"));
      }
      const auto [it, is_new] = taken_.try_emplace({address, pool.dscp()}, *vip, pool.name());
      if (is_new || it->second.first == *vip) return;
      problems_->Add(path,
                     absl::StrCat(address.ToString(), " has dscp ", pool.dscp(), " in pool ",
                                  it->second.second, " for VIP ", it->second.first.ToString(),
                                  " already; must be another dscp for VIP ", vip->ToString()));
    });
  }

 private:
  // The only address of the pool's VIPs; others are reported.
  absl::StatusOr<IpAddress> VipOf(const v1::Pool& pool) {
    absl::StatusOr<IpAddress> first = absl::NotFoundError("no VIP");
    for (int i = 0; i < config_.vips_size(); ++i) {
      if (config_.vips(i).pool() != pool.name()) continue;
      const auto address = IpAddress::Parse(config_.vips(i).address());
      if (!address.ok()) continue;
      if (!first.ok()) first = *address;
      if (*first == *address) continue;
      problems_->Add(
          absl::StrCat("vips[", i, "].pool"),
          absl::StrCat("pool ", pool.name(), " uses l3dsr and serves ", first->ToString(),
                       "; must be a pool of its own, with its own dscp"));
    }
    return first;
  }

  const v1::Config& config_;
  Problems* problems_;
  // (backend, DSCP) -> VIP and pool.
  std::map<std::pair<IpAddress, uint32_t>, std::pair<IpAddress, std::string>> taken_;
};

}  // namespace

void ValidateDelivery(const v1::Config& config, Problems* problems) {
  for (int p = 0; p < config.ports_size(); ++p) CheckStaticGateway(config, p, problems);
  L3dsrCheck l3dsr(config, problems);
  for (int p = 0; p < config.pools_size(); ++p) {
    CheckSourcePrefix(config, p, problems);
    CheckSecondChance(config, p, problems);
    l3dsr.CheckPool(p);
  }
}

}  // namespace guideway
