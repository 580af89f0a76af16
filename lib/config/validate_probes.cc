// See validate_probes.h.
#include "lib/config/validate_probes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "lib/config/schema.h"
#include "lib/net/address.h"

namespace guideway {

namespace {

bool MayUseTunnel(v1::ProbeType type) {
  return type != v1::UDP_EXCHANGE && type != v1::ICMP_ECHO && type != v1::EXEC_PROGRAM;
}

void CheckTimes(const v1::Probe& probe, const std::string& path, Problems* problems) {
  const absl::Duration interval = FromProto(probe.interval());
  const absl::Duration timeout = FromProto(probe.timeout());
  if (timeout > interval) {
    problems->Add(path + ".timeout",
                  absl::StrCat(absl::FormatDuration(timeout), " is longer than the interval of ",
                               absl::FormatDuration(interval), "; must be at most the interval"));
  }
}

void CheckSource(const v1::Probe& probe, const std::string& text, IpFamily family,
                 const std::string& path, Problems* problems) {
  if (text.empty()) return;
  const auto address = IpAddress::Parse(text);
  if (address.ok() && address->family() != family) {
    problems->Add(
        path, absl::StrCat(text, " is of the other family; must be IPv", static_cast<int>(family)));
  }
  if (probe.via() == v1::PROBE_TUNNEL) {
    problems->Add(path, "does not go with via: tunnel, which has a source of its own");
  }
}

void CheckProbe(const v1::Probe& probe, const std::string& path, Problems* problems) {
  CheckTimes(probe, path, problems);
  if (probe.status_min() > probe.status_max()) {
    problems->Add(path + ".status_min",
                  absl::StrCat(probe.status_min(), " is above status_max, ", probe.status_max(),
                               "; must be at most status_max"));
  }
  if (probe.via() == v1::PROBE_TUNNEL && !MayUseTunnel(probe.type())) {
    problems->Add(path + ".via", absl::StrCat("probes of type ", EnumName(probe.type()),
                                              " cannot take the tunnel; must be direct"));
  }
  CheckSource(probe, probe.source_ipv4(), IpFamily::kIpv4, path + ".source_ipv4", problems);
  CheckSource(probe, probe.source_ipv6(), IpFamily::kIpv6, path + ".source_ipv6", problems);
  if (probe.silent() && !probe.expect().empty()) {
    problems->Add(path + ".silent", "does not go with expect, which wants an answer");
  }
  if (probe.command_size() > 0 && !probe.command(0).starts_with('/')) {
    problems->Add(path + ".command[0]",
                  absl::StrCat(probe.command(0), " is not an absolute path; must start with /"));
  }
}

void CheckVip(const v1::Vip& vip, const std::string& path, Problems* problems) {
  if (vip.announce_from() == 0) return;
  if (vip.withdraw_below() == 0) {
    problems->Add(path + ".announce_from", "means something only with withdraw_below");
  } else if (vip.announce_from() < vip.withdraw_below()) {
    problems->Add(path + ".announce_from",
                  absl::StrCat(vip.announce_from(), " is below withdraw_below, ",
                               vip.withdraw_below(), "; must be at least withdraw_below"));
  }
}

}  // namespace

void ValidateProbes(const v1::Config& config, Problems* problems) {
  for (int p = 0; p < config.pools_size(); ++p) {
    const v1::Pool& pool = config.pools(p);
    const std::string path = absl::StrCat("pools[", p, "]");
    if (pool.has_probe()) CheckProbe(pool.probe(), path + ".probe", problems);
    for (int i = 0; i < pool.probes_size(); ++i) {
      CheckProbe(pool.probes(i), absl::StrCat(path, ".probes[", i, "]"), problems);
    }
    if (pool.has_probe() && pool.probes_size() > 0) {
      problems->Add(path + ".probes", "does not go with probe; put all of them here");
    }
  }
  for (int v = 0; v < config.vips_size(); ++v) {
    CheckVip(config.vips(v), absl::StrCat("vips[", v, "]"), problems);
  }
}

}  // namespace guideway
