// What is wrong with the data plane, as far as its board and its silence tell.
//
// Pure functions of a session's state; loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_DATAPLANE_PROBLEMS_H_
#define GUIDEWAY_CONTROLPLANE_DATAPLANE_PROBLEMS_H_

#include <string>

#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/session/session.h"

namespace guideway {

void AddDataplaneProblems(const Session& session, v1::GetStatusResponse* status);

// What holds up tables that were sent; empty if nothing is known to.
std::string WhyLate(const Session& session);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_DATAPLANE_PROBLEMS_H_
