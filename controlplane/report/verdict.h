// The one verdict: what is wrong and how much is served, for CLI, page, metrics, /healthz and
// Watch.
//
// Components say what they know (problem.h); the rest is concluded here from status and state. All
// is well only if nothing is wrong. Thread safety: pure functions.
#ifndef GUIDEWAY_CONTROLPLANE_REPORT_VERDICT_H_
#define GUIDEWAY_CONTROLPLANE_REPORT_VERDICT_H_

#include <string>

#include "controlplane/api/guideway_service.pb.h"

namespace guideway {

// Tables that wait for longer than this are a problem; a commit takes a millisecond or two.
inline constexpr uint64_t kTablesBehindMs = 500;
// A backend that has no verdict for longer than this although its pool has settled is a problem.
inline constexpr uint64_t kUnknownPatienceMs = 60'000;

// Adds to `status`, which says what components know, what is wrong according to it and to `state`;
// sorts the problems, the worst first, and fills in `serving`. Once for each status.
void CompleteVerdict(const v1::GetStateResponse& state, v1::GetStatusResponse* status);

// "all is well: 1 VIP, ...", "first probes: ...", "NOT WELL: ..."; one line without its end.
std::string VerdictText(const v1::GetStatusResponse& status);
// Something is wrong that clients may notice.
bool IsCritical(const v1::GetStatusResponse& status);

// Of one pool; vips and pools stay 0.
v1::ServingCounts CountBackends(const v1::PoolState& pool);
// "3 of 3 backends healthy", "1 of 4 backends healthy, 2 not probed, 1 unreachable, 2 not meant to
// take flows".
std::string BackendsText(const v1::ServingCounts& counts);
// The same with VIPs and pools before it.
std::string ServingText(const v1::ServingCounts& counts);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_REPORT_VERDICT_H_
