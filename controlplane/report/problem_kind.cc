// See problem_kind.h.
#include "controlplane/report/problem_kind.h"

namespace guideway {
namespace {

constexpr ProblemKindInfo kInfos[] = {
#define GW_PROBLEM(id, name, severity, meaning, remedy) \
  {name, ProblemSeverity::severity, meaning, remedy},
#include "controlplane/report/problem_kinds.def"
#undef GW_PROBLEM
};

}  // namespace

const char* SeverityName(ProblemSeverity severity) {
  return severity == ProblemSeverity::kCritical ? "critical" : "warning";
}

absl::Span<const ProblemKindInfo> AllProblemKinds() { return kInfos; }

const ProblemKindInfo& InfoOf(ProblemKind kind) { return kInfos[static_cast<size_t>(kind)]; }

}  // namespace guideway
