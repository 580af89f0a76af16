// guideway backend drain, and the wait until the backend is empty.
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/drain_progress.h"
#include "controlplane/cli/state.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(500);
// How long the daemon may be away (a restart) before the wait is given up.
constexpr absl::Duration kAbsence = absl::Seconds(30);

struct DrainOptions {
  std::string pool;
  std::string name;
  std::string deadline;
  std::string quiet_time = "30s";
  bool disable = false;
  bool wait = false;
};

absl::StatusOr<absl::Duration> DurationFlag(const std::string& flag, const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration.ok() || *duration <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": ", Quote(text), " is not a duration above 0 with a unit, such as 90s or 10m"));
  }
  return *duration;
}

absl::StatusOr<v1::BackendState> FetchBackend(Cli* cli, const DrainOptions& options) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  GW_ASSIGN_OR_RETURN(const v1::PoolState* pool, FindPool(state, options.pool));
  for (const v1::BackendState& backend : pool->backends()) {
    if (backend.backend().name() == options.name) return backend;
  }
  return absl::NotFoundError(
      absl::StrCat("pool ", options.pool, ": backend ", options.name, " was removed"));
}

enum class DrainEnd { kEmpty, kDisabled, kDeadline };

void PrintEnd(Cli* cli, const DrainOptions& options, DrainEnd end, const DrainProgress& progress,
              absl::Duration waited) {
  const char* const names[] = {"empty", "disabled", "deadline"};
  const char* const name = names[static_cast<size_t>(end)];
  if (!cli->json()) {
    cli->out() << name << (end == DrainEnd::kEmpty ? "" : ": " + progress.Text()) << "\n";
    return;
  }
  Json json = Json::Object();
  json.Set("pool", options.pool).Set("backend", options.name).Set("end", std::string(name));
  if (progress.flows().has_value()) json.Set("active_flows", Json::Number(*progress.flows()));
  json.Set("waited_ms", Json::Number(static_cast<uint64_t>(absl::ToInt64Milliseconds(waited))));
  cli->out() << json.ToString();
}

// Until the backend is empty, disabled (the daemon's deadline), or `deadline` (this program's).
absl::Status Wait(Cli* cli, const DrainOptions& options, absl::Duration deadline,
                  absl::Duration quiet_time) {
  const absl::Time start = absl::Now();
  absl::Time last_answer = start;
  DrainProgress progress(quiet_time);
  std::string printed;
  for (;; absl::SleepFor(kPoll)) {
    const auto backend = FetchBackend(cli, options);
    const absl::Time now = absl::Now();
    if (absl::IsUnavailable(backend.status()) && now - last_answer < kAbsence) continue;
    if (!backend.ok()) return backend.status();
    last_answer = now;
    progress.Add(now - start, backend->traffic().packets(),
                 backend->has_flows() ? std::optional<uint64_t>(backend->flows().active_flows())
                                      : std::nullopt);
    std::optional<DrainEnd> end;
    switch (backend->backend().state()) {
      case v1::DRAINED:
        if (progress.empty()) end = DrainEnd::kEmpty;
        break;
      case v1::DISABLED:
        end = DrainEnd::kDisabled;
        break;
      default:
        return absl::FailedPreconditionError(
            absl::StrCat("pool ", options.pool, ": backend ", options.name, " is ",
                         EnumName(backend->backend().state()), " again: not drained"));
    }
    if (!end.has_value() && now - start >= deadline) end = DrainEnd::kDeadline;
    if (end.has_value()) {
      PrintEnd(cli, options, *end, progress, now - start);
      return absl::OkStatus();
    }
    if (cli->json() || progress.Text() == printed) continue;
    printed = progress.Text();
    cli->out() << printed << std::endl;
  }
}

absl::Status Drain(Cli* cli, const DrainOptions& options) {
  absl::Duration deadline = absl::InfiniteDuration();
  if (!options.deadline.empty()) {
    GW_ASSIGN_OR_RETURN(deadline, DurationFlag("--deadline", options.deadline));
  }
  GW_ASSIGN_OR_RETURN(const absl::Duration quiet_time,
                      DurationFlag("--quiet-time", options.quiet_time));
  if (deadline != absl::InfiniteDuration() && !options.wait && !options.disable) {
    return absl::InvalidArgumentError("--deadline: needs --wait, --disable or both");
  }
  v1::SetBackendRequest request;
  request.set_pool(options.pool);
  request.set_backend(options.name);
  request.set_state(v1::DRAINED);
  if (options.disable) *request.mutable_disable_after() = ToProto(deadline);
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::SetBackend, request, &response));
  if (!options.wait) {
    cli->PrintChange(response);
    return absl::OkStatus();
  }
  if (!cli->json()) cli->PrintChange(response);
  // With --disable the daemon ends it; without, nobody but this wait knows of the deadline.
  return Wait(cli, options, options.disable ? absl::InfiniteDuration() : deadline, quiet_time);
}

}  // namespace

void AddDrainCommand(Cli* cli, CLI::App* noun) {
  const auto options = std::make_shared<DrainOptions>();
  CLI::App* command = cli->AddCommand(noun, "drain", "Keep established flows, take no new ones",
                                      [=] { return Drain(cli, *options); });
  command->add_option("pool", options->pool, "Name of the pool")->type_name(kPoolType)->required();
  command->add_option("backend", options->name, "Name of the backend")
      ->type_name(kBackendType)
      ->required();
  CLI::Option* deadline =
      command->add_option("--deadline", options->deadline, "How long it may take")
          ->type_name("DURATION");
  command
      ->add_flag("--disable", options->disable,
                 "At the deadline the backend becomes disabled: flows left are selected anew")
      ->needs(deadline);
  command->add_flag("--wait", options->wait,
                    "Show what is left, and return when no flow is, or at the deadline");
  command
      ->add_option("--quiet-time", options->quiet_time,
                   "With --wait, where flows are not counted: empty after so long without packets")
      ->type_name("DURATION")
      ->capture_default_str();
}

}  // namespace guideway::cli
