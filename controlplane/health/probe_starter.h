// Starts probes of every kind, and has what they share. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_STARTER_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_STARTER_H_

#include <map>
#include <memory>
#include <string>

#include "controlplane/event_loop.h"
#include "controlplane/health/curl_loop.h"
#include "controlplane/health/probe.h"
#include "controlplane/health/program_runner.h"

namespace guideway {

// Must outlive the probes it starts.
class ProbeStarter {
 public:
  explicit ProbeStarter(EventLoop* loop) : loop_(loop), programs_(loop) {}

  std::unique_ptr<Probe> Start(const ProbeRequest& request, ProbeDone done);

 private:
  CurlLoop* CurlFor(const ProbeRequest& request);

  EventLoop* loop_;
  ProgramRunner programs_;
  // By file of certificates: a loop keeps those of one file only. They are few, and stay.
  std::map<std::string, std::unique_ptr<CurlLoop>> curls_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBE_STARTER_H_
