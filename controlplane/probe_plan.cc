// See probe_plan.h.
#include "controlplane/probe_plan.h"

#include <optional>

#include "controlplane/compiler/compiler.h"
#include "controlplane/compiler/delivery.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

// The VIPs of a pool that may be probed.
struct ProbedVips {
  std::optional<IpAddress> first, first_ipv4, first_ipv6;

  void Add(const IpAddress& vip) {
    std::optional<IpAddress>& of_family = vip.IsIpv4() ? first_ipv4 : first_ipv6;
    if (!of_family.has_value()) of_family = vip;
    if (!first.has_value()) first = vip;
  }
  std::optional<IpAddress> For(const IpAddress& backend) const {
    const std::optional<IpAddress>& same = backend.IsIpv4() ? first_ipv4 : first_ipv6;
    return same.has_value() ? same : first;
  }
};

std::map<std::string, ProbedVips> VipsByPool(const v1::Config& config) {
  std::map<std::string, ProbedVips> vips;
  for (const v1::Vip& vip : config.vips()) {
    const auto address = IpAddress::Parse(vip.address());
    if (address.ok()) vips[vip.pool()].Add(*address);
  }
  return vips;
}

// Straight to the backend.
ProbeTarget MakeTarget(const v1::Probe& probe, const IpAddress& address) {
  ProbeTarget target;
  target.request.address = address;
  target.request.port = static_cast<uint16_t>(probe.port());
  target.request.timeout = FromProto(probe.timeout());
  target.request.http = probe.type() == v1::HTTP_GET;
  target.request.path = probe.path();
  target.request.host = probe.host();
  target.request.status_min = probe.status_min();
  target.request.status_max = probe.status_max();
  target.interval = FromProto(probe.interval());
  target.rise = probe.rise();
  target.fall = probe.fall();
  return target;
}

}  // namespace

ProbePlan MakeProbePlan(
    const v1::Config& config,
    const std::function<std::shared_ptr<ProbePath>(const TunnelTarget&)>& make_path) {
  ProbePlan plan;
  std::map<std::string, ProbedVips> vips = VipsByPool(config);
  for (const v1::Pool& pool : config.pools()) {
    std::set<std::string>& probed = plan.keys_by_pool[pool.name()];
    if (!pool.has_probe()) continue;
    const bool tunnel = pool.probe().via() == v1::PROBE_TUNNEL;
    for (const v1::Backend& backend : pool.backends()) {
      const auto address = IpAddress::Parse(backend.address());
      if (!address.ok() || backend.state() == v1::DISABLED) continue;
      ProbeTarget target = MakeTarget(pool.probe(), *address);
      if (tunnel) {
        const std::optional<IpAddress> vip = vips[pool.name()].For(*address);
        if (!vip.has_value()) break;
        target.request.address = *vip;
        target.request.via = make_path(
            {.backend = *address, .vip = *vip, .delivery = DeliveryTo(*address, pool, config)});
        plan.uses_tunnel = true;
      }
      const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
      plan.targets.emplace(key, std::move(target));
      plan.pool_of_key[key] = pool.name();
      probed.insert(key);
    }
  }
  return plan;
}

}  // namespace guideway
