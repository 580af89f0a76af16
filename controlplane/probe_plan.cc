// See probe_plan.h.
#include "controlplane/probe_plan.h"

#include <optional>

#include "controlplane/compiler/compiler.h"
#include "controlplane/compiler/delivery.h"
#include "lib/config/formats.h"
#include "lib/config/pool_probes.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

constexpr int kOfStep = 16;  // backends or VIPs

ProbeKind KindOf(v1::ProbeType type) {
  switch (type) {
    case v1::HTTP_GET:
      return ProbeKind::kHttp;
    case v1::HTTPS_GET:
      return ProbeKind::kHttps;
    case v1::UDP_EXCHANGE:
      return ProbeKind::kUdp;
    case v1::ICMP_ECHO:
      return ProbeKind::kIcmp;
    case v1::GRPC_HEALTH:
      return ProbeKind::kGrpc;
    case v1::GRPCS_HEALTH:
      return ProbeKind::kGrpcs;
    case v1::EXEC_PROGRAM:
      return ProbeKind::kExec;
    default:
      return ProbeKind::kTcp;
  }
}

// Straight to the backend.
ProbeTarget MakeTarget(const v1::Probe& probe, const IpAddress& address) {
  ProbeTarget target;
  ProbeRequest& request = target.request;
  request.kind = KindOf(probe.type());
  request.address = address;
  request.port = static_cast<uint16_t>(probe.port());
  request.timeout = FromProto(probe.timeout());
  request.path = probe.path();
  request.host = probe.host();
  request.status_min = probe.status_min();
  request.status_max = probe.status_max();
  const auto source =
      IpAddress::Parse(address.IsIpv4() ? probe.source_ipv4() : probe.source_ipv6());
  if (source.ok()) request.source = *source;
  request.tls_name = probe.tls_name();
  request.tls_verify = probe.tls_verify();
  request.tls_ca_file = probe.tls_ca_file();
  // Valid, or the configuration would not be.
  request.send = ParseProbeBytes(probe.send()).value_or("");
  request.expect = ParseProbeBytes(probe.expect()).value_or("");
  request.silent = probe.silent();
  request.grpc_service = probe.grpc_service();
  request.command = {probe.command().begin(), probe.command().end()};
  request.environment = {probe.environment().begin(), probe.environment().end()};
  target.interval = FromProto(probe.interval());
  target.jitter = probe.jitter_percent() / 100.0;
  target.rise = probe.rise();
  target.fall = probe.fall();
  return target;
}

}  // namespace

struct ProbePlanner::Vips {
  // The VIPs of a pool that may be probed.
  struct OfPool {
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

  void Add(const v1::Vip& vip) {
    const auto address = IpAddress::Parse(vip.address());
    if (address.ok()) by_pool[vip.pool()].Add(*address);
  }
  std::optional<IpAddress> Of(const std::string& pool, const IpAddress& backend) const {
    const auto found = by_pool.find(pool);
    if (found == by_pool.end()) return std::nullopt;
    return found->second.For(backend);
  }

  std::map<std::string, OfPool> by_pool;
};

ProbePlanner::ProbePlanner(const v1::Config& config, MakePath make_path, IsPaused is_paused)
    : config_(config),
      make_path_(std::move(make_path)),
      is_paused_(std::move(is_paused)),
      vips_(std::make_unique<Vips>()) {}
ProbePlanner::~ProbePlanner() = default;

bool ProbePlanner::Step() {
  if (next_vip_ < config_.vips_size()) {
    for (int i = 0; i < kOfStep && next_vip_ < config_.vips_size(); ++i) {
      vips_->Add(config_.vips(next_vip_++));
    }
    return true;
  }
  if (next_ == config_.pools_size()) return false;
  const v1::Pool& pool = config_.pools(next_);
  plan_.keys_by_pool[pool.name()];  // also one without
  const std::vector<const v1::Probe*> probes = ProbesOf(pool);
  for (int i = 0; i < kOfStep && next_backend_ < pool.backends_size(); ++i) {
    const v1::Backend& backend = pool.backends(next_backend_++);
    if (backend.state() != v1::DISABLED) AddBackend(pool, backend, probes);
  }
  if (next_backend_ < pool.backends_size()) return true;
  ++next_;
  next_backend_ = 0;
  return true;
}

void ProbePlanner::AddBackend(const v1::Pool& pool, const v1::Backend& backend,
                              const std::vector<const v1::Probe*>& probes) {
  const auto address = IpAddress::Parse(backend.address());
  if (!address.ok()) return;
  const std::optional<IpAddress> vip = vips_->Of(pool.name(), *address);
  BackendProbes targets;
  targets.any_suffices = pool.probes_needed() == v1::ANY_PROBE;
  targets.paused = is_paused_(pool.name());
  for (const v1::Probe* probe : probes) {
    ProbeTarget target = MakeTarget(*probe, *address);
    if (probe->via() == v1::PROBE_TUNNEL) {
      if (!vip.has_value()) continue;
      target.request.address = *vip;
      target.request.via = make_path_(
          {.backend = *address, .vip = *vip, .delivery = DeliveryTo(*address, pool, config_)});
      plan_.uses_tunnel = true;
    }
    targets.probes.push_back(std::move(target));
  }
  if (targets.probes.empty()) return;
  const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
  plan_.targets.emplace(key, std::move(targets));
  plan_.pool_of_key[key] = pool.name();
  plan_.keys_by_pool[pool.name()].insert(key);
}

}  // namespace guideway
