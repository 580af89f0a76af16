// The packets by verdict of the programs that are attached, in three formats.
#include "dataplane/decap/stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dataplane/decap/attach.h"
#include "lib/base/regular_file.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

const std::array<VerdictName, GW_DECAP_VERDICTS> kVerdictNames = {{
#define GW_DECAP_VERDICT(name, help) {#name, help},
#include "dataplane/decap/verdicts.def"
#undef GW_DECAP_VERDICT
}};

absl::StatusOr<VerdictCounts> ReadVerdicts(int map_fd) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return ErrnoStatus(-cpus, "counting CPUs");
  VerdictCounts counts{};
  std::vector<uint64_t> by_cpu(static_cast<size_t>(cpus));
  for (uint32_t verdict = 0; verdict < counts.size(); ++verdict) {
    if (bpf_map_lookup_elem(map_fd, &verdict, by_cpu.data()) != 0) {
      return ErrnoStatus(errno, "reading the counters");
    }
    counts[verdict] = std::accumulate(by_cpu.begin(), by_cpu.end(), uint64_t{0});
  }
  return counts;
}

absl::StatusOr<VerdictCounts> ReadAttached(const std::string& interface) {
  GW_ASSIGN_OR_RETURN(const UniqueFd program, AttachedProgram(interface));
  GW_ASSIGN_OR_RETURN(const UniqueFd map, MapOf(program.get(), "gw_verdicts"));
  bpf_map_info info{};
  __u32 length = sizeof(info);
  if (bpf_obj_get_info_by_fd(map.get(), &info, &length) != 0) {
    return ErrnoStatus(errno, "asking for the counters");
  }
  if (info.max_entries != GW_DECAP_VERDICTS) {
    return absl::FailedPreconditionError("the attached program is of another version");
  }
  return ReadVerdicts(map.get());
}

std::string ToJson(const std::string& interface, const VerdictCounts& counts) {
  std::string text = absl::StrCat("{\"interface\": \"", interface, "\", \"verdicts\": {");
  for (size_t i = 0; i < counts.size(); ++i) {
    absl::StrAppend(&text, i ? ", " : "", "\"", kVerdictNames[i].name, "\": ", counts[i]);
  }
  return text + "}}\n";
}

std::string ToPrometheus(const std::string& interface, const VerdictCounts& counts) {
  std::string text =
      "# HELP guideway_decap_packets_total Packets by what became of them.\n"
      "# TYPE guideway_decap_packets_total counter\n";
  for (size_t i = 0; i < counts.size(); ++i) {
    absl::StrAppend(&text, "guideway_decap_packets_total{interface=\"", interface, "\",verdict=\"",
                    kVerdictNames[i].name, "\"} ", counts[i], "\n");
  }
  return text;
}

std::string HealthToPrometheus(const std::string& interface, bool attached, size_t problems) {
  const std::string labels = absl::StrCat("{interface=\"", interface, "\"} ");
  return absl::StrCat(
      "# HELP guideway_decap_attached Whether the XDP program of guideway-decap is attached.\n"
      "# TYPE guideway_decap_attached gauge\n",
      "guideway_decap_attached", labels, attached ? 1 : 0, "\n",
      "# HELP guideway_decap_problems What `guideway-decap check` finds wrong.\n"
      "# TYPE guideway_decap_problems gauge\n",
      "guideway_decap_problems", labels, problems, "\n");
}

std::string ToTable(const VerdictCounts& counts) {
  std::string text;
  for (size_t i = 0; i < counts.size(); ++i) {
    absl::StrAppendFormat(&text, "%-15s %12d  %s\n", kVerdictNames[i].name, counts[i],
                          kVerdictNames[i].help);
  }
  return text;
}

absl::Status WriteAtomically(const std::string& path, const std::string& content) {
  return ReplaceFile(path, absl::StrCat(path, ".", getpid(), ".tmp"), content, 0644);
}

}  // namespace guideway
