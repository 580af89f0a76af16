// See verdict.h.
#include "controlplane/report/verdict.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/report/problem.h"
#include "lib/config/meant.h"

namespace guideway {
namespace {

// The first few of many.
std::string Some(const std::vector<std::string>& items) {
  constexpr size_t kShown = 5;
  if (items.size() <= kShown + 1) return absl::StrJoin(items, ", ");
  return absl::StrCat(absl::StrJoin(items.begin(), items.begin() + kShown, ", "), " and ",
                      items.size() - kShown, " more");
}

std::string CountOf(uint32_t count, const char* thing) {
  return absl::StrCat(count, " ", thing, count == 1 ? "" : "s");
}

enum class Standing { kServing, kUnprobed, kUnhealthy, kUnreachable };

// Of a backend that is meant to take flows.
Standing StandingOf(const v1::BackendState& backend) {
  if (backend.unreachable()) return Standing::kUnreachable;
  switch (backend.health()) {
    case v1::HEALTH_HEALTHY:
      return Standing::kServing;
    case v1::HEALTH_UNHEALTHY:
    case v1::HEALTH_EJECTED:
      return Standing::kUnhealthy;
    default:
      return Standing::kUnprobed;
  }
}

// Whether a component has said so already, and better.
bool Names(const v1::GetStatusResponse& status, ProblemKind kind) {
  return std::any_of(status.problems().begin(), status.problems().end(),
                     [&](const auto& problem) { return problem.kind() == InfoOf(kind).name; });
}

void AddDataplaneProblems(v1::GetStatusResponse* status) {
  const std::string& text = status->dataplane_problem();
  if (!status->dataplane_connected()) {
    AddProblem(ProblemKind::kDataplaneDisconnected, "data plane",
               absl::StrCat("the data plane is not connected", text.empty() ? "" : ": ", text),
               status);
  } else if (!text.empty()) {
    AddProblem(ProblemKind::kTablesRefused, "data plane", absl::StrCat("data plane: ", text),
               status);
  } else if (status->tables_behind_ms() >= kTablesBehindMs &&
             !Names(*status, ProblemKind::kTablesBehind)) {
    AddProblem(ProblemKind::kTablesBehind, "data plane",
               absl::StrCat("the data plane has generation ", status->dataplane_generation(),
                            ", not yet ", status->wanted_generation()),
               status);
  }
}

// The backends of one pool that are not as they are meant to be, by what is wrong with them.
struct Ailing {
  std::vector<std::string> unhealthy, unreachable, ejected, unknown;
  bool any_takes_flows = false;
  bool any_is_reachable = false;  // of those that are meant to take flows
};

Ailing FindAiling(const v1::PoolState& pool, bool dataplane_connected) {
  Ailing ailing;
  for (const v1::BackendState& backend : pool.backends()) {
    ailing.any_takes_flows |= backend.share() > 0;
    if (!IsMeantToTakeFlows(backend.backend())) continue;
    const std::string& name = backend.backend().name();
    // Without a data plane nobody knows.
    if (backend.unreachable() && dataplane_connected) {
      ailing.unreachable.push_back(absl::StrCat(name, " (", backend.next_hop(), ")"));
    } else {
      ailing.any_is_reachable = true;
    }
    switch (backend.health()) {
      case v1::HEALTH_UNHEALTHY:
        ailing.unhealthy.push_back(name);
        break;
      case v1::HEALTH_EJECTED:
        ailing.ejected.push_back(name);
        break;
      case v1::HEALTH_UNKNOWN:
        if (!pool.settling() && backend.health_age_ms() >= kUnknownPatienceMs) {
          ailing.unknown.push_back(name);
        }
        break;
      default:
        break;
    }
  }
  return ailing;
}

void AddPoolProblems(const v1::PoolState& pool, bool in_use, v1::GetStatusResponse* status) {
  const std::string thing = absl::StrCat("pool ", pool.pool().name());
  const Ailing ailing = FindAiling(pool, status->dataplane_connected());
  const auto add = [&](ProblemKind kind, const std::string& what) {
    AddProblem(kind, thing, absl::StrCat(thing, ": ", what), status);
  };
  const std::string unhealthy =
      ailing.unhealthy.empty() ? "" : absl::StrCat("unhealthy: ", Some(ailing.unhealthy));
  if (!ailing.any_takes_flows && !pool.settling() && in_use) {
    add(ProblemKind::kPoolEmpty, "no backend that can take new flows");
  } else if (pool.failed_open() && in_use) {
    add(ProblemKind::kPoolFailedOpen,
        absl::StrCat(pool.held() ? "failed open, those that were healthy before get new flows"
                                 : "failed open, all enabled get new flows",
                     unhealthy.empty() ? "" : "; ", unhealthy));
  } else if (!unhealthy.empty()) {
    add(ProblemKind::kBackendUnhealthy, unhealthy);
  }
  if (!ailing.unreachable.empty() && !ailing.any_is_reachable && in_use) {
    add(ProblemKind::kPoolUnreachable,
        absl::StrCat("no next hop to any backend: ", Some(ailing.unreachable)));
  } else if (!ailing.unreachable.empty()) {
    add(ProblemKind::kBackendUnreachable, absl::StrCat("no next hop: ", Some(ailing.unreachable)));
  }
  if (!ailing.ejected.empty()) {
    add(ProblemKind::kBackendEjected, absl::StrCat("ejected: ", Some(ailing.ejected)));
  }
  if (!ailing.unknown.empty()) {
    add(ProblemKind::kBackendUnknown, absl::StrCat("no verdict yet: ", Some(ailing.unknown)));
  }
}

void Add(const v1::ServingCounts& from, v1::ServingCounts* to) {
  to->set_backends(to->backends() + from.backends());
  to->set_meant_backends(to->meant_backends() + from.meant_backends());
  to->set_serving_backends(to->serving_backends() + from.serving_backends());
  to->set_unprobed_backends(to->unprobed_backends() + from.unprobed_backends());
  to->set_unhealthy_backends(to->unhealthy_backends() + from.unhealthy_backends());
  to->set_unreachable_backends(to->unreachable_backends() + from.unreachable_backends());
}

}  // namespace

void CompleteVerdict(const v1::GetStateResponse& state, v1::GetStatusResponse* status) {
  AddDataplaneProblems(status);
  absl::flat_hash_set<std::string> in_use;
  for (const v1::VipState& vip : state.vips()) in_use.insert(vip.vip().pool());
  v1::ServingCounts* serving = status->mutable_serving();
  serving->set_vips(static_cast<uint32_t>(state.vips_size()));
  serving->set_pools(static_cast<uint32_t>(state.pools_size()));
  for (const v1::PoolState& pool : state.pools()) {
    AddPoolProblems(pool, in_use.contains(pool.pool().name()), status);
    Add(CountBackends(pool), serving);
  }
  std::stable_sort(
      status->mutable_problems()->begin(), status->mutable_problems()->end(),
      [](const v1::Problem& a, const v1::Problem& b) { return a.severity() < b.severity(); });
}

std::string VerdictText(const v1::GetStatusResponse& status) {
  if (status.problems().empty()) {
    return absl::StrCat(status.settling() ? "first probes: " : "all is well: ",
                        ServingText(status.serving()));
  }
  const auto text = [](std::string* out, const v1::Problem& problem) {
    absl::StrAppend(out, problem.text());
  };
  return absl::StrCat("NOT WELL: ", absl::StrJoin(status.problems(), "; ", text));
}

bool IsCritical(const v1::GetStatusResponse& status) {
  return std::any_of(status.problems().begin(), status.problems().end(), [](const auto& problem) {
    return problem.severity() == v1::SEVERITY_CRITICAL;
  });
}

v1::ServingCounts CountBackends(const v1::PoolState& pool) {
  v1::ServingCounts counts;
  counts.set_backends(static_cast<uint32_t>(pool.backends_size()));
  uint32_t meant = 0;
  uint32_t by_standing[4] = {};
  for (const v1::BackendState& backend : pool.backends()) {
    if (!IsMeantToTakeFlows(backend.backend())) continue;
    ++meant;
    ++by_standing[static_cast<size_t>(StandingOf(backend))];
  }
  const auto number = [&](Standing standing) { return by_standing[static_cast<size_t>(standing)]; };
  counts.set_meant_backends(meant);
  counts.set_serving_backends(number(Standing::kServing));
  counts.set_unprobed_backends(number(Standing::kUnprobed));
  counts.set_unhealthy_backends(number(Standing::kUnhealthy));
  counts.set_unreachable_backends(number(Standing::kUnreachable));
  return counts;
}

std::string BackendsText(const v1::ServingCounts& counts) {
  const uint32_t meant = counts.meant_backends();
  const bool nothing_probed = meant > 0 && counts.unprobed_backends() == meant;
  std::string text =
      absl::StrCat(nothing_probed ? "" : absl::StrCat(counts.serving_backends(), " of "),
                   CountOf(meant, "backend"), nothing_probed ? " not probed" : " healthy");
  const auto add = [&](uint32_t count, const char* what) {
    if (count > 0) absl::StrAppend(&text, ", ", count, " ", what);
  };
  if (!nothing_probed) add(counts.unprobed_backends(), "not probed");
  add(counts.unhealthy_backends(), "unhealthy");
  add(counts.unreachable_backends(), "unreachable");
  add(counts.backends() - meant, "not meant to take flows");
  return text;
}

std::string ServingText(const v1::ServingCounts& counts) {
  return absl::StrCat(CountOf(counts.vips(), "VIP"), ", ", CountOf(counts.pools(), "pool"), ", ",
                      BackendsText(counts));
}

}  // namespace guideway
