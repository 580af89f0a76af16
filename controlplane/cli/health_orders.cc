// guideway backend force-health, guideway pool pause-probes and resume-probes.
#include "controlplane/cli/health_orders.h"

#include <map>
#include <memory>

#include "lib/base/status.h"

namespace guideway::cli {

namespace {

void PrintOrder(Cli* cli, const v1::HealthOrderResponse& response) {
  v1::ApplyResponse change;
  for (const std::string& line : response.changes()) change.add_changes(line);
  cli->PrintChange(change);
}

}  // namespace

void AddForceHealth(Cli* cli, CLI::App* noun) {
  struct Values {
    std::string pool, backend, health;
  };
  const auto values = std::make_shared<Values>();
  CLI::App* command = cli->AddCommand(
      noun, "force-health",
      "Take a backend as healthy or unhealthy whatever its probes say, also after a restart",
      [cli, values]() -> absl::Status {
        static const auto* const kForces =
            new std::map<std::string, v1::ForcedHealth>{{"healthy", v1::FORCE_HEALTHY},
                                                        {"unhealthy", v1::FORCE_UNHEALTHY},
                                                        {"probed", v1::FORCE_NOTHING}};
        v1::ForceHealthRequest request;
        request.set_pool(values->pool);
        request.set_backend(values->backend);
        request.set_force(kForces->at(values->health));
        v1::HealthOrderResponse response;
        GW_RETURN_IF_ERROR(
            cli->client().Call(&v1::Guideway::Stub::ForceHealth, request, &response));
        PrintOrder(cli, response);
        return absl::OkStatus();
      });
  command->add_option("pool", values->pool, "Name of the pool")->type_name(kPoolType)->required();
  command->add_option("backend", values->backend, "Name of the backend")
      ->type_name(kBackendType)
      ->required();
  command->add_option("health", values->health, "Its health; probed: what the probes say")
      ->check(CLI::IsMember(std::vector<std::string>{"healthy", "unhealthy", "probed"}))
      ->required();
}

void AddPauseProbes(Cli* cli, CLI::App* noun) {
  for (const bool pause : {true, false}) {
    const auto pool = std::make_shared<std::string>();
    cli->AddCommand(noun, pause ? "pause-probes" : "resume-probes",
                    pause ? "Probe a pool no more, until resume-probes or a restart; health stays"
                          : "Probe a pool again",
                    [cli, pool, pause]() -> absl::Status {
                      v1::PauseProbesRequest request;
                      request.set_pool(*pool);
                      request.set_paused(pause);
                      v1::HealthOrderResponse response;
                      GW_RETURN_IF_ERROR(
                          cli->client().Call(&v1::Guideway::Stub::PauseProbes, request, &response));
                      PrintOrder(cli, response);
                      return absl::OkStatus();
                    })
        ->add_option("name", *pool, "Name of the pool")
        ->type_name(kPoolType)
        ->required();
  }
}

}  // namespace guideway::cli
