// See change_safety.h.
#include "controlplane/cli/change_safety.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/cli/table.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

constexpr int kMostNames = 5;

// "none move", "100.0% move: those of web-1", "those of web-1 move (25.0% of the slots); how many
// flows that is nobody counts".
std::string FlowsText(const v1::PoolImpact& impact) {
  if (impact.losing_backends_size() == 0) return "none move";
  const int shown = std::min(impact.losing_backends_size(), kMostNames);
  std::string names = absl::StrJoin(impact.losing_backends().begin(),
                                    impact.losing_backends().begin() + shown, ", ");
  if (impact.losing_backends_size() > shown) {
    absl::StrAppend(&names, " and ", impact.losing_backends_size() - shown, " more");
  }
  if (impact.has_moved_flows()) {
    return absl::StrCat(PercentText(impact.moved_flows()), " move, those of ", names);
  }
  return absl::StrCat("those of ", names, " move (", PercentText(impact.losing_slots()),
                      " of the slots); their share of the flows is unknown");
}

Json ImpactJson(const v1::PoolImpact& impact) {
  Json losing = Json::List();
  for (const std::string& name : impact.losing_backends()) losing.Append(Json::Text(name));
  Json json = Json::Object();
  json.Set("pool", impact.pool()).Set("moved_slots", Json::Fraction(impact.moved_slots()));
  if (impact.has_moved_flows()) json.Set("moved_flows", Json::Fraction(impact.moved_flows()));
  json.Set("losing_backends", std::move(losing))
      .Set("losing_slots", Json::Fraction(impact.losing_slots()));
  return json;
}

Json TextList(const google::protobuf::RepeatedPtrField<std::string>& lines) {
  Json list = Json::List();
  for (const std::string& line : lines) list.Append(Json::Text(line));
  return list;
}

}  // namespace

void AddConfirmWithin(CLI::App* command, std::string* duration) {
  command
      ->add_option("--confirm-within", *duration,
                   "Roll it back by itself unless `guideway confirm` comes within this time, such "
                   "as 60s; from 1s to 24h")
      ->type_name("DURATION");
}

absl::Status SetConfirmWithin(const std::string& duration, google::protobuf::Duration* field) {
  if (duration.empty()) return absl::OkStatus();
  const auto parsed = ParseDuration(duration);
  if (!parsed.ok() || *parsed < absl::Seconds(1) || *parsed > absl::Hours(24)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--confirm-within: ", duration,
                     " is not allowed; must be a duration with a unit from 1s to 24h"));
  }
  *field = ToProto(*parsed);
  return absl::OkStatus();
}

void SayWait(Cli* cli, const v1::ApplyResponse& response, const std::string& confirm_within) {
  if (cli->json() || confirm_within.empty() || response.changes_size() == 0) return;
  cli->out() << "version " << response.version() << " is rolled back in " << confirm_within
             << " unless you say `guideway confirm`\n";
}

void PrintDiff(Cli* cli, const v1::ApplyResponse& response) {
  if (cli->json()) {
    Json impacts = Json::List();
    for (const v1::PoolImpact& impact : response.impacts()) impacts.Append(ImpactJson(impact));
    cli->out() << Json::Object()
                      .Set("version", Json::Number(response.version()))
                      .Set("changes", TextList(response.changes()))
                      .Set("impacts", std::move(impacts))
                      .Set("impacts_left_out",
                           Json::Number(static_cast<uint64_t>(response.impacts_left_out())))
                      .Set("needs_force", TextList(response.warnings()))
                      .ToString();
    return;
  }
  for (const std::string& line : response.changes()) cli->out() << line << "\n";
  for (const v1::PoolImpact& impact : response.impacts()) {
    cli->out() << "moves: pool " << impact.pool() << ": " << PercentText(impact.moved_slots())
               << " of the slots; known flows: " << FlowsText(impact) << "\n";
  }
  if (response.impacts_left_out() > 0) {
    cli->out() << "moves: of " << response.impacts_left_out() << " more pools it is not computed\n";
  }
  for (const std::string& line : response.warnings()) {
    cli->out() << "needs --force: " << line << "\n";
  }
  if (response.changes_size() == 0) cli->out() << "nothing changes\n";
}

std::string ConfirmationText(const v1::GetStatusResponse& status) {
  std::string text;
  if (status.confirm_within_ms() > 0) {
    absl::StrAppend(&text, "version ", status.config_version(), " is rolled back to ",
                    status.confirm_rollback_to(), " in ", AgeText(status.confirm_within_ms()),
                    " unless you say `guideway confirm`\n");
  }
  if (!status.last_rollback().empty()) {
    absl::StrAppend(&text, "rolled back: ", status.last_rollback(), "\n");
  }
  return text;
}

}  // namespace guideway::cli
