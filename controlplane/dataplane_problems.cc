// See dataplane_problems.h.
#include "controlplane/dataplane_problems.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "controlplane/report/problem.h"

namespace guideway {
namespace {

// The session has checked that it ends.
std::string CleanName(const char* name) {
  std::string clean(name);
  for (char& c : clean) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return clean;
}

std::string Rounded(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

struct PortFaultKind {
  channel::PortFault fault;
  ProblemKind kind;
};
constexpr PortFaultKind kPortFaults[] = {
    {channel::PortFault::kGone, ProblemKind::kPortGone},
    {channel::PortFault::kQueues, ProblemKind::kPortQueues},
    {channel::PortFault::kMtu, ProblemKind::kPortMtu},
    {channel::PortFault::kLinkDown, ProblemKind::kPortLinkDown},
    {channel::PortFault::kProgram, ProblemKind::kPortProgram},
    {channel::PortFault::kRenamed, ProblemKind::kPortRenamed}};

// `now` comes from the other process: numbers are shown, nothing more.
std::string TextOf(channel::PortFault fault, const channel::PortVitals& now, uint32_t workers) {
  switch (fault) {
    case channel::PortFault::kGone:
      return "its interface is gone";
    case channel::PortFault::kQueues:
      return absl::StrCat("it has ", now.receive_queues, " receive queue(s) and there are ",
                          workers, " worker(s)",
                          now.receive_queues > workers ? ": packets of the others go to the kernel"
                                                       : ": some workers get no packets");
    case channel::PortFault::kMtu:
      return absl::StrCat("its MTU is ", now.interface_mtu_bytes, ", and the buffers hold ",
                          now.mtu_bytes, ": longer frames are lost");
    case channel::PortFault::kLinkDown:
      return "its link is down";
    case channel::PortFault::kProgram:
      return "the steering program is not on it, so packets for VIPs go to the kernel";
    case channel::PortFault::kRenamed:
      return absl::StrCat("its interface is called ", CleanName(now.kernel_interface),
                          " now; a restart will not find it");
  }
  return "";
}

void AddPortProblems(const Session& session, v1::GetStatusResponse* status) {
  const channel::Welcome& welcome = session.welcome();
  for (uint32_t i = 0; i < welcome.port_count; ++i) {
    const channel::PortVitals& now = session.vitals().ports[i];
    const std::string thing = absl::StrCat("port ", CleanName(welcome.ports[i].name));
    for (const PortFaultKind& each : kPortFaults) {
      if ((now.faults & static_cast<uint32_t>(each.fault)) == 0) continue;
      AddProblem(each.kind, thing,
                 absl::StrCat(thing, ": ", TextOf(each.fault, now, welcome.worker_count)), status);
    }
  }
}

}  // namespace

std::string WhyLate(const Session& session) {
  const absl::Duration silence = session.DataplaneSilence();
  if (silence > absl::ZeroDuration()) {
    return absl::StrCat("the data plane has not moved for ", Rounded(silence));
  }
  return session.DelayReason();
}

void AddDataplaneProblems(const Session& session, v1::GetStatusResponse* status) {
  if (session.DataplaneSilence() > absl::ZeroDuration()) {
    // What its board says is old.
    AddProblem(ProblemKind::kDataplaneHung, "data plane", "the data plane does not move", status);
    return;
  }
  if (!session.ready()) return;
  for (uint32_t i = 0; i < session.welcome().worker_count; ++i) {
    if (session.vitals().worker_silent_ms[i] == 0) continue;
    const std::string worker = absl::StrCat("worker ", i);
    AddProblem(ProblemKind::kWorkerStuck, worker,
               absl::StrCat(worker, " does not move: packets of its queues are lost"), status);
  }
  AddPortProblems(session, status);
  if (session.vitals().socket_lost != 0) {
    AddProblem(ProblemKind::kDataplaneSocket, "data plane",
               "the data plane's socket is lost: no other control plane can connect", status);
  }
  if (session.vitals().log_loses_lines != 0) {
    AddProblem(ProblemKind::kLogLinesLost, "data plane", "lines of the data plane's log were lost",
               status);
  }
  if (session.DelayTime() >= channel::kSilenceLimit) {
    AddProblem(ProblemKind::kTablesBehind, "data plane",
               absl::StrCat(session.DelayReason(), "; later changes wait"), status);
  }
}

}  // namespace guideway
