#include "dataplane/manager/metrics_file.h"

#include <glog/logging.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/base/regular_file.h"

namespace guideway {
namespace {

struct Family {
  const char* type;
  const char* name;
  const char* help;
};
#define GW_DATAPLANE_METRIC(id, type, name, labels, help) constexpr Family id{#type, name, help};
#include "lib/stats/dataplane_metrics.def"
#undef GW_DATAPLANE_METRIC

void Begin(const Family& family, std::string* text) {
  absl::StrAppend(text, "# HELP ", family.name, " ", family.help, "\n# TYPE ", family.name, " ",
                  family.type, "\n");
}

void One(const Family& family, double value, std::string* text) {
  Begin(family, text);
  char number[32];
  std::snprintf(number, sizeof(number), "%.15g", value);
  absl::StrAppend(text, family.name, " ", number, "\n");
}

// As a label's value.
std::string Quoted(const std::string& value) {
  return absl::StrCat("\"", absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

}  // namespace

std::string ToText(const DataplaneMetrics& metrics) {
  std::string text;
  One(kAlive, absl::ToDoubleSeconds(metrics.now - absl::UnixEpoch()), &text);
  One(kControlplaneConnected, metrics.controlplane_connected ? 1 : 0, &text);
  One(kControlplaneHung, metrics.controlplane_silence > absl::ZeroDuration() ? 1 : 0, &text);
  One(kSocketLost, metrics.socket_lost ? 1 : 0, &text);
  One(kGeneration, static_cast<double>(metrics.generation), &text);
  One(kTaken, metrics.generation_taken ? 1 : 0, &text);
  Begin(kWorkerStuck, &text);
  for (size_t i = 0; i < metrics.worker_silences.size(); ++i) {
    absl::StrAppend(&text, kWorkerStuck.name, "{worker=\"", i, "\"} ",
                    metrics.worker_silences[i] > absl::ZeroDuration() ? 1 : 0, "\n");
  }
  Begin(kPortFault, &text);
  for (const auto& [port, fault] : metrics.port_faults) {
    absl::StrAppend(&text, kPortFault.name, "{port=", Quoted(port), ",fault=", Quoted(fault),
                    "} 1\n");
  }
  One(kLostLogLines, static_cast<double>(metrics.lost_log_lines), &text);
  return text;
}

void MetricsFile::Remove() {
  if (!path_.empty()) unlink(path_.c_str());
}

void MetricsFile::Write(const DataplaneMetrics& metrics) {
  if (path_.empty()) return;
  const absl::Status written = ReplaceFile(path_, path_ + ".new", ToText(metrics), 0644);
  if (!written.ok() && !failed_) {
    LOG(WARNING) << "--metrics_file=" << path_ << ": " << written.message() << "; trying again";
  }
  failed_ = !written.ok();
}

}  // namespace guideway
