// guideway-controlplane: configuration, API, probes and tables of a Guideway host.
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "controlplane/api_hooks.h"
#include "controlplane/config_store.h"
#include "controlplane/controller.h"
#include "controlplane/event_loop.h"
#include "controlplane/flag_problems.h"
#include "controlplane/metrics/watch_server.h"
#include "controlplane/report/problem.h"
#include "controlplane/report/problem_watch.h"
#include "controlplane/server/server.h"
#include "controlplane/server/socket_path.h"
#include "controlplane/store_thread.h"
#include "lib/base/log_relay.h"
#include "lib/base/signals.h"
#include "lib/base/standard_descriptors.h"
#include "lib/base/start_thread.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

DEFINE_string(config, "", "the configuration file (YAML); SIGHUP reads it again");
DEFINE_bool(force_config, false,
            "take the configuration file at the start also if it leaves a pool empty or removes "
            "more of its "
            "backends than change_safety allows");
DEFINE_string(dataplane_socket, "/run/guideway/dataplane.sock", "Unix socket of the data plane");
DEFINE_string(metrics_address, "127.0.0.1:9487",
              "ADDRESS:PORT of metrics and status page, for reading by anybody who can connect; "
              "empty: none");
DEFINE_string(socket, "/run/guideway/controlplane.sock", "Unix socket of the API");
DEFINE_uint32(probe_mark, guideway::Controller::kProbeMark,
              "mark (SO_MARK) of probes through tunnels; nothing else on the host may use it");
DEFINE_uint32(probe_table, guideway::Controller::kProbeTable,
              "number of the routing table for probes through tunnels");
DEFINE_string(listen, "", "ADDRESS:PORT of the API over TCP, with TLS on both sides; empty: none");
DEFINE_string(tls_cert, "", "with --listen: PEM file of the certificate of this control plane");
DEFINE_string(tls_key, "", "with --listen: PEM file of its key");
DEFINE_string(tls_client_ca, "", "with --listen: PEM file of who signs clients' certificates");
DEFINE_string(
    tls_read_names, "",
    "with --listen: names in certificates whose clients may look on, with commas between");
DEFINE_string(tls_write_names, "", "with --listen: names whose clients may change things as well");
DEFINE_string(
    read_group, "",
    "Unix group that may look on over --socket; with this or the next flag nobody but root "
    "and these groups may use it");
DEFINE_string(write_group, "", "Unix group that may change things as well");
DEFINE_string(state_directory, "/var/lib/guideway", "what must outlast a restart is kept here");

namespace guideway {
namespace {

void HandleSignals(int fd, EventLoop* loop, StoreThread* store) {
  while (const std::optional<TakenSignal> taken = TakeSignal(fd, Daemon::kControlplane)) {
    if (taken->action == SignalAction::kReload) {
      store->Reload();
    } else if (taken->action == SignalAction::kStop) {
      LOG(INFO) << "stopping: " << strsignal(taken->number);
      loop->Stop();
    } else {
      LOG(INFO) << "SIG" << sigabbrev_np(taken->number) << ": there is nothing to do";
    }
  }
}

// What components of the controller's loop know of themselves, for the API and all that looks on
// without it.
struct Components {
  Controller* controller;
  const std::unique_ptr<WatchServer>* watch;  // null behind it: switched off, or not started yet
  const std::unique_ptr<ApiServer>* server;   // likewise: not started yet
  const std::vector<std::string>* flag_problems;
  const LogRelay* log;
};

void FillStatus(const Components& components, v1::GetStatusResponse* status) {
  components.controller->FillStatus(status);
  if (components.log->LostWithin(absl::Minutes(1))) {
    AddProblem(ProblemKind::kLogLinesLost, "control plane",
               "lines of the control plane's log were lost", status);
  }
  const WatchServer* watch = components.watch->get();
  if (watch != nullptr && !watch->problem().empty()) {
    AddProblem(ProblemKind::kMetricsAddress, "--metrics_address", watch->problem(), status);
  }
  for (const std::string& problem : *components.flag_problems) {
    AddProblem(ProblemKind::kFlagRefused, "", problem, status);
  }
  if (*components.server == nullptr) return;
  (*components.server)->FillStatus(status);
  for (const std::string& problem : (*components.server)->problems()) {
    AddProblem(ProblemKind::kApiListener, "", problem, status);
  }
}

WatchHooks MakeWatchHooks(StoreThread* store, const Components& components) {
  Controller* const controller = components.controller;
  WatchHooks hooks;
  hooks.read_totals = [controller](auto done) { controller->ReadTotals(std::move(done)); };
  hooks.fill_state_part = [controller](int count, StateCursor* cursor, v1::GetStateResponse* s) {
    return controller->FillStatePart(count, cursor, s);
  };
  hooks.fill_status = [store, components, start = absl::Now()](v1::GetStatusResponse* status) {
    FillVersion(start, status);
    store->FillStatus(status);
    FillStatus(components, status);
  };
  hooks.fill_observations = [controller, log = components.log](Observations* o) {
    controller->FillObservations(o);
    o->lost_log_lines = log->lost_lines();
  };
  return hooks;
}

// Null if it is switched off.
std::unique_ptr<WatchServer> StartWatchServer(EventLoop* loop, WatchHooks hooks) {
  if (FLAGS_metrics_address.empty()) return nullptr;
  return std::make_unique<WatchServer>(loop, *HttpAddress::Parse(FLAGS_metrics_address),
                                       std::move(hooks));
}

// Values that gflags lets pass and that make no sense: named, and the default takes their place.
void CheckFlagValues(std::vector<std::string>* problems) {
  if (FLAGS_probe_mark == 0) {
    problems->push_back("--probe_mark: must not be 0");
    FLAGS_probe_mark = Controller::kProbeMark;
  }
  if (FLAGS_probe_table == 0 || (FLAGS_probe_table >= 253 && FLAGS_probe_table <= 255)) {
    problems->push_back("--probe_table: 0, 253, 254 and 255 are the kernel's own");
    FLAGS_probe_table = Controller::kProbeTable;
  }
  if (FLAGS_metrics_address.empty()) return;
  const auto address = HttpAddress::Parse(FLAGS_metrics_address);
  if (address.ok()) return;
  problems->push_back(absl::StrCat("--metrics_address: ", address.status().message()));
  FLAGS_metrics_address.clear();
}

// Beside what was served before, a wrong flag is said and passed over; else it is an error.
absl::Status JudgeFlags(const std::vector<std::string>& problems) {
  if (problems.empty()) return absl::OkStatus();
  if (!HasKeptVersions(FLAGS_state_directory)) return absl::InvalidArgumentError(problems[0]);
  for (const std::string& problem : problems) LOG(ERROR) << problem;
  return absl::OkStatus();
}

// What is refused at first may be there later: an address, a certificate. A socket may be removed.
void KeepListening(EventLoop* loop, ApiServer* server, int second = 1) {
  constexpr int kRetry = 5;
  loop->After(absl::Seconds(1), [loop, server, second] {
    server->WatchSocket();
    if (second == kRetry) server->ListenAgain();
    KeepListening(loop, server, second == kRetry ? 1 : second + 1);
  });
}

v1::WatchEvent ConfigEvent(uint64_t version) {
  v1::WatchEvent event;
  event.mutable_config()->set_version(version);
  return event;
}

ApiOptions MakeApiOptions() {
  return {.listen = FLAGS_listen,
          .tls_cert = FLAGS_tls_cert,
          .tls_key = FLAGS_tls_key,
          .tls_client_ca = FLAGS_tls_client_ca,
          .access = {.read_group = FLAGS_read_group,
                     .write_group = FLAGS_write_group,
                     .read_names = absl::StrSplit(FLAGS_tls_read_names, ',', absl::SkipEmpty()),
                     .write_names = absl::StrSplit(FLAGS_tls_write_names, ',', absl::SkipEmpty())}};
}

// A probe that waits for a backend has a descriptor; the usual soft limit of 1024 is for programs
// that use select().
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) PLOG(WARNING) << "setrlimit of descriptors";
}

// From the order to stop to the end.
constexpr absl::Duration kEndPatience = absl::Milliseconds(800);
// Of that, for a change that is being checked or written.
constexpr absl::Duration kChangesEndWithin = absl::Milliseconds(400);

// What must outlast this process is on disk by then, and what must not is gone, so nothing is lost
// if the end is cut short: the HTTP server's threads and much memory need not be taken apart.
void EndWithin(absl::Duration time, int exit_code) {
  std::thread thread;
  const absl::Status started = StartThread(
      [time, exit_code] {
        absl::SleepFor(time);
        _exit(exit_code);
      },
      &thread);
  if (started.ok()) thread.detach();  // else it may last a little longer
}

// After the loop's last turn.
void End(Controller* controller, StoreThread* store, std::unique_ptr<ApiServer>* server,
         std::unique_ptr<WatchServer>* watch) {
  controller->PrepareEnd();
  controller->set_on_event(nullptr);
  // Before the API's server, which waits for its calls, and these for outcomes.
  if (!store->EndChanges(kChangesEndWithin)) {
    LOG(ERROR) << "a change that is being checked or written is cut short: it is kept or it is not";
    controller->End();
  }
  server->reset();
  // Before the last: two seconds may pass until the HTTP server's threads see the end.
  controller->End();
  watch->reset();
}

// A start whose tables are made and that nothing is known of after so long has succeeded, also
// without a data plane.
constexpr absl::Duration kStableAfter = absl::Seconds(10);

absl::Status Run(std::vector<std::string> flag_problems, const UniqueFd& signals,
                 const LogRelay* log) {
  CheckFlagValues(&flag_problems);
  GW_RETURN_IF_ERROR(JudgeFlags(flag_problems));
  RaiseDescriptorLimit();
  const bool were_kept = HasKeptVersions(FLAGS_state_directory);  // before the store keeps one
  GW_ASSIGN_OR_RETURN(
      std::unique_ptr<ConfigStore> opened,
      ConfigStore::Open({.config_file = FLAGS_config,
                         .state_directory = FLAGS_state_directory,
                         .force = FLAGS_force_config,
                         .holder_hangs = [] { return ListenerHangs(FLAGS_socket); }}));
  EventLoop loop;
  Controller controller(&loop, {.dataplane_socket = FLAGS_dataplane_socket,
                                .state_directory = FLAGS_state_directory,
                                .indices_were_kept = were_kept,
                                .probe_mark = FLAGS_probe_mark,
                                .probe_table = FLAGS_probe_table});
  GW_RETURN_IF_ERROR(controller.Start());
  std::unique_ptr<ApiServer> server;
  absl::Status outcome;
  const auto end = [&](const std::string& why) {
    LOG(ERROR) << why;
    outcome = absl::AbortedError(why);
    loop.Stop();
  };
  StoreThread::Hooks store_hooks = MakeStoreHooks(&loop, &controller);
  store_hooks.on_version = [&](uint64_t version) { server->Publish(ConfigEvent(version)); };
  // As long as there is no data plane to say so.
  store_hooks.on_replaced = [&] {
    loop.Post(
        [&] { end("another control plane has taken the place of this one, which had hung"); });
  };
  StoreThread store(std::move(opened), FLAGS_state_directory + "/audit.log",
                    std::move(store_hooks));
  controller.SetConfig(store.store()->config(), [&](const CommitOutcome& commit) {
    if (commit.kind == CommitOutcome::kInForce) store.StartSucceeded();
  });
  const std::function<void()> judge_start = [&] {
    if (controller.tables_are_made()) {
      store.StartSucceeded();
    } else {
      loop.After(absl::Seconds(1), judge_start);
    }
  };
  loop.After(kStableAfter, judge_start);
  std::unique_ptr<WatchServer> watch;
  const Components components = {&controller, &watch, &server, &flag_problems, log};
  const WatchHooks watch_hooks = MakeWatchHooks(&store, components);
  watch = StartWatchServer(&loop, watch_hooks);
  ServiceHooks hooks = MakeServiceHooks(&loop, &controller, &store);
  hooks.fill_status = [&](v1::GetStatusResponse* status) { FillStatus(components, status); };
  GW_ASSIGN_OR_RETURN(
      server, ApiServer::Start(FLAGS_socket, store.store(), std::move(hooks), MakeApiOptions()));
  KeepListening(&loop, server.get());
  controller.set_on_replaced(end);
  controller.set_on_orders_forgotten(
      [&] { store.Post([&] { controller.KeepOrders().IgnoreError(); }); });
  controller.set_on_event([&](v1::WatchEvent event) { server->Publish(std::move(event)); });
  loop.Watch(signals.get(), EPOLLIN,
             [&](uint32_t) { HandleSignals(signals.get(), &loop, &store); });
  const ProblemWatch problem_watch(
      &loop, {watch_hooks.fill_state_part, watch_hooks.fill_status,
              [&](v1::WatchEvent event) { server->Publish(std::move(event)); },
              [&](v1::GetStatusResponse* status) { controller.FillUrgent(status); }});
  outcome = store.Start();
  LOG_IF(INFO, outcome.ok()) << "guideway-controlplane " GUIDEWAY_VERSION " ready, API on "
                             << FLAGS_socket;
  if (outcome.ok()) loop.Run();
  EndWithin(kEndPatience, outcome.ok() ? 0 : 1);
  loop.Unwatch(signals.get());
  End(&controller, &store, &server, &watch);
  return outcome;
}

}  // namespace
}  // namespace guideway

// Of the GNU C library. What an answer of 10,000 backends leaves behind would else be put together
// by whoever next asks for a table's memory: 11 to 15 ms on the event loop. And tables come and go:
// their memory stays.
void KeepAllocationsShort() {
  constexpr int kKeptBytes = 64 << 20;
  mallopt(M_MXFAST, 0);
  mallopt(M_MMAP_THRESHOLD, kKeptBytes / 2);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

int main(int argc, char** argv) {
  absl::Status status = guideway::OpenStandardDescriptors();
  KeepAllocationsShort();
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  gflags::SetUsageMessage("guideway-controlplane --config FILE [flags]");
  gflags::SetVersionString(GUIDEWAY_VERSION);
  std::vector<std::string> arguments(argv, argv + argc);
  std::vector<std::string> problems = guideway::TakeOutBadFlags(&arguments);
  std::vector<char*> good;
  good.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) good.push_back(argument.data());
  argc = static_cast<int>(good.size());
  good.push_back(nullptr);
  argv = good.data();
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  const auto signals = guideway::SettleSignals(guideway::Daemon::kControlplane);
  const auto log = guideway::LogRelay::Start();
  status.Update(signals.status());
  status.Update(log.status());
  if (status.ok()) status = guideway::Run(std::move(problems), *signals, log->get());
  if (status.ok()) return 0;
  std::cerr << "guideway-controlplane: " << status.message() << "\n";
  return 1;
}
