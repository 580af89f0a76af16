// guideway watch: changes as they happen.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/state.h"
#include "lib/base/status.h"

namespace guideway::cli {

namespace {

std::string ProblemsText(const v1::ProblemsChange& change) {
  if (change.problems().empty()) return "all is well";
  const auto text = [](std::string* out, const v1::Problem& problem) {
    absl::StrAppend(out, problem.text());
  };
  return absl::StrCat("NOT WELL: ", absl::StrJoin(change.problems(), "; ", text));
}

std::string WhatText(const v1::WatchEvent& event) {
  switch (event.event_case()) {
    case v1::WatchEvent::kStart: {
      const v1::GetStatusResponse& status = event.start().status();
      return absl::StrCat("watching: configuration version ", status.config_version(),
                          ", generation ", status.dataplane_generation(), " in force, data plane ",
                          status.dataplane_connected() ? "connected" : "not connected");
    }
    case v1::WatchEvent::kHealth:
      return absl::StrCat("pool ", event.health().pool(), ": backend ", event.health().backend(),
                          " is ", HealthText(event.health().health()), ": ",
                          event.health().reason());
    case v1::WatchEvent::kConfig:
      return absl::StrCat("configuration version ", event.config().version());
    case v1::WatchEvent::kTables:
      return absl::StrCat("generation ", event.tables().generation(), " in force");
    case v1::WatchEvent::kDataplane:
      return event.dataplane().connected()
                 ? std::string("data plane connected")
                 : absl::StrCat("data plane lost: ", event.dataplane().problem());
    case v1::WatchEvent::kProblems:
      return ProblemsText(event.problems());
    case v1::WatchEvent::EVENT_NOT_SET:
      break;
  }
  return "an event that this version does not know";
}

std::string TimeText(const v1::WatchEvent& event) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", absl::FromUnixMillis(event.time_unix_ms()),
                          absl::LocalTimeZone());
}

Json EventJson(const v1::WatchEvent& event) {
  Json json = Json::Object();
  json.Set("sequence", Json::Number(event.sequence()))
      .Set("time_unix_ms", Json::Number(static_cast<uint64_t>(event.time_unix_ms())));
  if (event.has_start()) {
    const v1::GetStatusResponse& status = event.start().status();
    return json.Set("event", "start")
        .Set("config_version", Json::Number(status.config_version()))
        .Set("generation", Json::Number(status.dataplane_generation()))
        .Set("connected", Json::Bool(status.dataplane_connected()));
  }
  if (event.has_health()) {
    return json.Set("event", "health")
        .Set("pool", event.health().pool())
        .Set("backend", event.health().backend())
        .Set("health", HealthText(event.health().health()))
        .Set("reason", event.health().reason());
  }
  if (event.has_config()) {
    return json.Set("event", "config").Set("version", Json::Number(event.config().version()));
  }
  if (event.has_tables()) {
    return json.Set("event", "tables").Set("generation", Json::Number(event.tables().generation()));
  }
  if (event.has_problems()) {
    Json problems = Json::List();
    for (const v1::Problem& problem : event.problems().problems()) {
      problems.Append(Json::FromMessage(problem));
    }
    return json.Set("event", "problems").Set("problems", std::move(problems));
  }
  return json.Set("event", "dataplane")
      .Set("connected", Json::Bool(event.dataplane().connected()))
      .Set("problem", event.dataplane().problem());
}

absl::Status Watch(Cli* cli, uint64_t count) {
  uint64_t seen = 0;
  return cli->client().Stream(
      &v1::Guideway::Stub::Watch, v1::WatchRequest(), [&](const v1::WatchEvent& event) {
        cli->out() << (cli->json() ? EventJson(event).ToString()
                                   : absl::StrCat(TimeText(event), "  ", WhatText(event), "\n"));
        cli->out().flush();
        return cli->out().good() && (count == 0 || ++seen < count);
      });
}

}  // namespace

void AddWatchCommands(Cli* cli) {
  const auto count = std::make_shared<uint64_t>(0);
  cli->AddCommand(&cli->app(), "watch",
                  "Print changes as they happen: health, configuration, tables, the data plane",
                  [=] { return Watch(cli, *count); })
      ->add_option("--count", *count, "Stop after so many events, the first of which is the start")
      ->type_name("NUMBER");
}

}  // namespace guideway::cli
