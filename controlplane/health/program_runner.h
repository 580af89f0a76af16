// Probes that are programs: started without a shell, killed with what they started, never waited
// for.
//
// A program leads a process group of its own. When it has ended, or its time is over, all that is
// left of the group is killed; what has made itself a group or session of its own is not found.
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROGRAM_RUNNER_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROGRAM_RUNNER_H_

#include <sys/types.h>

#include <map>
#include <memory>

#include "controlplane/event_loop.h"
#include "controlplane/health/probe.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// Must outlive the probes it starts.
class ProgramRunner {
 public:
  explicit ProgramRunner(EventLoop* loop) : loop_(loop) {}
  ~ProgramRunner();
  ProgramRunner(const ProgramRunner&) = delete;
  ProgramRunner& operator=(const ProgramRunner&) = delete;

  std::unique_ptr<Probe> Start(const ProbeRequest& request, ProbeDone done);

 private:
  friend class ProgramProbe;
  struct Dying {
    UniqueFd pidfd;  // may be none
    EventLoop::TimerId timer = 0;
  };
  // A program that waits in the kernel, for a disk say, ends when that is over. While so many have
  // been killed and have not ended no other is started, or they would take all of the host.
  static constexpr size_t kMostDying = 32;

  bool TooManyDying();
  // Kills the group and takes care of its leader's end. `pidfd`, none if there is none, is not
  // watched any more.
  void Bury(pid_t pid, UniqueFd pidfd);
  void AwaitEnd(pid_t pid);
  void Forget(pid_t pid);  // it has ended

  EventLoop* loop_;
  std::map<pid_t, Dying> dying_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROGRAM_RUNNER_H_
