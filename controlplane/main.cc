// guideway-controlplane: configuration, API, probes and tables of a Guideway host.
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <iostream>

#include "controlplane/config_changer.h"
#include "controlplane/config_store.h"
#include "controlplane/controller.h"
#include "controlplane/event_loop.h"
#include "controlplane/server/server.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

DEFINE_string(config, "", "the configuration file (YAML); SIGHUP reads it again");
DEFINE_bool(
    force_config, false,
    "take the configuration file at the start also if it is empty or removes more than half "
    "of a pool's backends");
DEFINE_string(dataplane_socket, "/run/guideway/dataplane.sock", "Unix socket of the data plane");
DEFINE_string(socket, "/run/guideway/controlplane.sock", "Unix socket of the API");
DEFINE_uint32(probe_mark, guideway::Controller::kProbeMark,
              "mark (SO_MARK) of probes through tunnels; nothing else on the host may use it");
DEFINE_uint32(probe_table, guideway::Controller::kProbeTable,
              "number of the routing table for probes through tunnels");
DEFINE_string(state_directory, "/var/lib/guideway", "what must outlast a restart is kept here");

namespace guideway {
namespace {

// Must run before the first thread starts, so that every thread inherits the mask.
UniqueFd BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  CHECK(fd.valid());
  return fd;
}

void Reload(ConfigChanger* changer) {
  changer->Run([](ConfigStore* store) { return store->Reload(); },
               [](const absl::StatusOr<ConfigChanger::Result>& result) {
                 if (!result.ok()) {
                   LOG(ERROR) << "SIGHUP: the configuration stays as it is: "
                              << result.status().message();
                   return;
                 }
                 LOG(INFO) << "SIGHUP: configuration version " << result->version << ", "
                           << result->change.changes.size() << " changes";
               });
}

void HandleSignals(int fd, EventLoop* loop, ConfigChanger* changer) {
  signalfd_siginfo info;
  while (read(fd, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGHUP) {
      Reload(changer);
    } else {
      LOG(INFO) << "stopping: " << strsignal(static_cast<int>(info.ssi_signo));
      loop->Stop();
    }
  }
}

ServiceHooks MakeHooks(EventLoop* loop, ConfigChanger* changer, Controller* controller) {
  ServiceHooks hooks;
  hooks.run_on_loop = [loop](std::function<void()> work) { return loop->Call(std::move(work)); };
  hooks.change = [changer](ConfigChanger::Edit edit, ConfigChanger::Done done) {
    changer->Run(std::move(edit), std::move(done));
  };
  hooks.fill_state = [controller](v1::GetStateResponse* state) { controller->FillState(state); };
  hooks.fill_status = [controller](v1::GetStatusResponse* s) { controller->FillStatus(s); };
  hooks.force_health = [controller](const auto& request, std::string* change) {
    return controller->ForceHealth(request, change);
  };
  hooks.pause_probes = [controller](const auto& request, std::string* change) {
    return controller->PauseProbes(request, change);
  };
  hooks.read_stats = [controller](auto done) { controller->ReadStats(std::move(done)); };
  return hooks;
}

// A probe that waits for a backend has a descriptor; the usual soft limit of 1024 is for programs
// that use select().
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) PLOG(WARNING) << "setrlimit of descriptors";
}

absl::Status Run() {
  if (FLAGS_config.empty()) return absl::InvalidArgumentError("--config: FILE is missing");
  const UniqueFd signals = BlockSignals();
  RaiseDescriptorLimit();
  GW_ASSIGN_OR_RETURN(const std::unique_ptr<ConfigStore> store,
                      ConfigStore::Open({FLAGS_config, FLAGS_state_directory, FLAGS_force_config}));
  EventLoop loop;
  if (FLAGS_probe_mark == 0) return absl::InvalidArgumentError("--probe_mark: must not be 0");
  if (FLAGS_probe_table == 0 || (FLAGS_probe_table >= 253 && FLAGS_probe_table <= 255)) {
    return absl::InvalidArgumentError("--probe_table: 0, 253, 254 and 255 are the kernel's own");
  }
  Controller controller(
      &loop, {FLAGS_dataplane_socket, FLAGS_state_directory, FLAGS_probe_mark, FLAGS_probe_table});
  GW_RETURN_IF_ERROR(controller.Start());
  controller.SetConfig(store->config());
  ConfigChanger changer(store.get(), [&](const v1::Config& config, CommitDone done) {
    controller.SetConfig(config, std::move(done));
  });
  GW_ASSIGN_OR_RETURN(
      std::unique_ptr<ApiServer> server,
      ApiServer::Start(FLAGS_socket, store.get(), MakeHooks(&loop, &changer, &controller)));
  loop.Watch(signals.get(), EPOLLIN,
             [&](uint32_t) { HandleSignals(signals.get(), &loop, &changer); });
  LOG(INFO) << "guideway-controlplane " GUIDEWAY_VERSION " ready, API on " << FLAGS_socket;
  loop.Run();
  loop.Unwatch(signals.get());
  controller.StopWaiting();
  server.reset();
  return absl::OkStatus();
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  gflags::SetUsageMessage("guideway-controlplane --config FILE [flags]");
  gflags::SetVersionString(GUIDEWAY_VERSION);
  gflags::ParseCommandLineFlags(&argc, &argv, true);  // exits with 1 on an unknown flag
  if (argc > 1) {
    std::cerr << "guideway-controlplane: unexpected argument " << argv[1] << "\n";
    return 1;
  }
  const absl::Status status = guideway::Run();
  if (status.ok()) return 0;
  std::cerr << "guideway-controlplane: " << status.message() << "\n";
  return 1;
}
