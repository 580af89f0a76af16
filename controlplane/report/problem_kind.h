// What can be wrong, by kind: the enumeration made from problem_kinds.def, and a problem as
// components hand it over. No messages of the API, so that any component can use it.
#ifndef GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_KIND_H_
#define GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_KIND_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace guideway {

enum class ProblemKind : uint8_t {
#define GW_PROBLEM(id, name, severity, meaning, remedy) id,
#include "controlplane/report/problem_kinds.def"
#undef GW_PROBLEM
};

// The worst first.
enum class ProblemSeverity : uint8_t { kCritical, kWarning };

// "critical", "warning"
const char* SeverityName(ProblemSeverity severity);

struct ProblemKindInfo {
  const char* name;  // "backend-unhealthy"
  ProblemSeverity severity;
  const char* meaning;
  const char* remedy;
};

// In the order of the enumeration.
absl::Span<const ProblemKindInfo> AllProblemKinds();
const ProblemKindInfo& InfoOf(ProblemKind kind);

// A problem as a component knows it.
struct ProblemNote {
  ProblemKind kind;
  std::string thing;  // what it is about: "pool web", a file; empty: the text says it
  std::string text;   // a whole sentence without a full stop, no numbers that change by themselves
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_KIND_H_
