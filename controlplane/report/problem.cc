// See problem.h.
#include "controlplane/report/problem.h"

#include <utility>

namespace guideway {

void AddProblem(ProblemNote note, v1::GetStatusResponse* status) {
  const ProblemKindInfo& info = InfoOf(note.kind);
  v1::Problem* problem = status->add_problems();
  problem->set_kind(info.name);
  problem->set_severity(info.severity == ProblemSeverity::kCritical ? v1::SEVERITY_CRITICAL
                                                                    : v1::SEVERITY_WARNING);
  problem->set_thing(std::move(note.thing));
  problem->set_text(std::move(note.text));
  problem->set_remedy(info.remedy);
}

void AddProblem(ProblemKind kind, std::string thing, std::string text,
                v1::GetStatusResponse* status) {
  AddProblem({kind, std::move(thing), std::move(text)}, status);
}

}  // namespace guideway
