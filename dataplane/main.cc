// guideway-dataplane: command line in, forwarding until SIGTERM.
#include <glog/logging.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "dataplane/manager/dataplane.h"
#include "dataplane/manager/manager.h"
#include "dataplane/manager/options.h"
#include "lib/base/log_relay.h"
#include "lib/base/signals.h"
#include "lib/base/standard_descriptors.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

absl::Status Serve(const DataplaneOptions& options, UniqueFd signals,
                   std::unique_ptr<LogRelay>* log) {
  GW_ASSIGN_OR_RETURN(const std::unique_ptr<Dataplane> dataplane, Dataplane::Create(options));
  GW_ASSIGN_OR_RETURN(const std::unique_ptr<Manager> manager,
                      Manager::Create(dataplane.get(), options.channel_socket, options.metrics_file,
                                      std::move(signals), log->get()));
  GW_RETURN_IF_ERROR(dataplane->StartWorkers());
  LOG(INFO) << "ready: " << options.ports.size() << " port(s), " << options.worker_cpus.size()
            << " worker(s), control plane expected at " << options.channel_socket;
  const absl::Status status = manager->Run();
  if (!dataplane->Stop()) {
    manager->RemoveFiles();
    log->reset();
    std::_Exit(1);
  }
  LOG(INFO) << "stopped: " << manager->AccountingSummary();
  return status;
}

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "guideway-dataplane: %s\n", std::string(status.message()).c_str());
}

// The exit code.
int Run(const DataplaneOptions& options) {
  auto signals = SettleSignals(Daemon::kForwarder);
  auto log = LogRelay::Start();
  absl::Status status = signals.ok() ? log.status() : signals.status();
  if (status.ok()) status = Serve(options, *std::move(signals), &*log);
  if (status.ok()) return 0;
  Complain(status);
  return 1;
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  const absl::Status descriptors = guideway::OpenStandardDescriptors();
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  const auto options = descriptors.ok() ? guideway::ParseOptions(&argc, &argv) : descriptors;
  if (options.ok()) return guideway::Run(*options);
  guideway::Complain(options.status());
  return 1;
}
