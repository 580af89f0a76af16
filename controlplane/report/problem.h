// Problems in the API's messages: the one way by which a component says that something is wrong.
//
// Thread safety: pure functions.
#ifndef GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_H_
#define GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_H_

#include <string>

#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/report/problem_kind.h"

namespace guideway {

void AddProblem(ProblemNote note, v1::GetStatusResponse* status);
// For short.
void AddProblem(ProblemKind kind, std::string thing, std::string text,
                v1::GetStatusResponse* status);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_H_
