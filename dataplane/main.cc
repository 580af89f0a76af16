// guideway-dataplane: command line in, forwarding until SIGTERM.
#include <glog/logging.h>

#include <cstdio>
#include <utility>

#include "dataplane/manager/dataplane.h"
#include "dataplane/manager/manager.h"
#include "dataplane/manager/options.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

absl::Status Run(const DataplaneOptions& options) {
  GW_ASSIGN_OR_RETURN(UniqueFd stop_signals, BlockStopSignals());
  GW_ASSIGN_OR_RETURN(const std::unique_ptr<Dataplane> dataplane, Dataplane::Create(options));
  GW_ASSIGN_OR_RETURN(
      const std::unique_ptr<Manager> manager,
      Manager::Create(dataplane.get(), options.channel_socket, std::move(stop_signals)));
  GW_RETURN_IF_ERROR(dataplane->StartWorkers());
  LOG(INFO) << "ready: " << options.ports.size() << " port(s), " << options.worker_cpus.size()
            << " worker(s), control plane expected at " << options.channel_socket;
  const absl::Status status = manager->Run();
  dataplane->Stop();
  LOG(INFO) << "stopped: " << manager->AccountingSummary();
  return status;
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  const auto options = guideway::ParseOptions(&argc, &argv);
  const absl::Status status = options.ok() ? guideway::Run(options.value()) : options.status();
  if (status.ok()) return 0;
  std::fprintf(stderr, "guideway-dataplane: %s\n", std::string(status.message()).c_str());
  return 1;
}
