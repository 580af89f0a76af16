// What several commands say about a change: its impact, and that it waits for a confirmation.
// Stateless.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_CHANGE_SAFETY_H_
#define GUIDEWAY_CONTROLPLANE_CLI_CHANGE_SAFETY_H_

#include <string>

#include "absl/status/status.h"
#include "controlplane/cli/cli.h"

namespace guideway::cli {

inline constexpr char kForceHelp[] =
    "Also if it leaves a pool empty, removes more of its backends than change_safety allows, or is "
    "beyond what the data plane can hold";

void AddConfirmWithin(CLI::App* command, std::string* duration);
// `duration` as given with --confirm-within, empty: not given.
absl::Status SetConfirmWithin(const std::string& duration, google::protobuf::Duration* field);
// After a change: that it is rolled back unless confirmed.
void SayWait(Cli* cli, const v1::ApplyResponse& response, const std::string& confirm_within);

// What a dry run says, for people or as JSON.
void PrintDiff(Cli* cli, const v1::ApplyResponse& response);
// Lines for `guideway status`; empty if nothing waits and nothing was rolled back.
std::string ConfirmationText(const v1::GetStatusResponse& status);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_CHANGE_SAFETY_H_
