// Commands that give orders over the heads of the probes. Thread safety: none, one thread.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_HEALTH_ORDERS_H_
#define GUIDEWAY_CONTROLPLANE_CLI_HEALTH_ORDERS_H_

#include "controlplane/cli/cli.h"

namespace guideway::cli {

// Adds force-health to `guideway backend`.
void AddForceHealth(Cli* cli, CLI::App* noun);
// Adds pause-probes and resume-probes to `guideway pool`.
void AddPauseProbes(Cli* cli, CLI::App* noun);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_HEALTH_ORDERS_H_
