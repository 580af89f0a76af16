// What the status says of the data plane, the probes and the tables. See state_report.h.
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/dataplane_problems.h"
#include "controlplane/report/problem.h"
#include "controlplane/state_report.h"
#include "lib/channel/text_of.h"
#include "lib/config/meant.h"

namespace guideway {

std::string StateReport::NotProbed() const {
  const std::set<std::string>& keys = prober.not_run();
  if (keys.empty()) return "";
  int count = 0;
  std::string first;
  for (const v1::Pool& pool : config.pools()) {
    const std::string prefix = absl::StrCat(pool.name(), "/");
    const auto at = keys.lower_bound(prefix);
    if (at == keys.end() || !absl::StartsWith(*at, prefix)) continue;
    for (const v1::Backend& backend : pool.backends()) {
      if (!IsMeantToTakeFlows(backend)) continue;
      const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
      if (!keys.contains(key)) continue;
      if (count++ > 0) continue;
      first = absl::StrCat(pool.name(), "/", backend.name(), " ", prober.Find(key)->reason());
    }
  }
  if (count == 0) return "";
  return absl::StrCat(count, count == 1 ? " backend is" : " backends are",
                      " not probed, health stays as it is: ", first);
}

void StateReport::FillStatus(v1::GetStatusResponse* status) const {
  const channel::Welcome& welcome = session.welcome();
  status->set_dataplane_connected(session.ready());
  status->set_dataplane_problem(session.problem());
  if (!keep_problem.empty()) AddProblem(ProblemKind::kStateNotKept, "", keep_problem, status);
  if (!index_damage.empty()) {
    AddProblem(ProblemKind::kStateDamaged, "indices", index_damage, status);
  }
  if (!probe_problem.empty()) {
    AddProblem(ProblemKind::kProbeTunnel, "", probe_problem, status);
  } else if (const std::string not_probed = NotProbed(); !not_probed.empty()) {
    AddProblem(ProblemKind::kProbesNotRun, "", not_probed, status);
  }
  guards.FillStatus(status);
  guards.FillCommonFailures(now, status);
  AddDataplaneProblems(session, status);
  status->set_settling(settling.AnySettling());
  status->set_wanted_generation(session.wanted_generation());
  status->set_dataplane_generation(session.generation());
  if (session.ready() && behind_since.has_value() &&
      session.generation() != session.wanted_generation()) {
    status->set_tables_behind_ms(
        static_cast<uint64_t>(absl::ToInt64Milliseconds(now - *behind_since)));
  }
  v1::UpdateLatency* latency = status->mutable_update_latency();
  latency->set_health_changes(update_latency.count());
  const auto quantile_us = [this](double share) {
    return static_cast<uint64_t>(absl::ToInt64Microseconds(update_latency.Quantile(share)));
  };
  latency->set_median_us(quantile_us(0.5));
  latency->set_p99_us(quantile_us(0.99));
  latency->set_max_us(quantile_us(1));
  if (!session.ready()) return;
  status->set_dataplane_instance(absl::StrCat(absl::Hex(welcome.instance, absl::kZeroPad16)));
  status->set_workers(welcome.worker_count);
  for (uint32_t i = 0; i < welcome.port_count; ++i) {
    v1::PortStatus* port = status->add_ports();
    port->set_name(channel::TextOf(welcome.ports[i].name));
    port->set_kernel_interface(channel::TextOf(welcome.ports[i].kernel_interface));
    port->set_mac(welcome.ports[i].mac.ToString());
    port->set_mtu_bytes(welcome.ports[i].mtu_bytes);
  }
}

}  // namespace guideway
