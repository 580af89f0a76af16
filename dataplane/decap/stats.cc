// The packets by verdict of the programs that are attached, in three formats.
#include "dataplane/decap/stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "dataplane/decap/attach.h"
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
  std::array<__u32, 64> ids{};
  bpf_prog_info info{};
  info.nr_map_ids = ids.size();
  info.map_ids = reinterpret_cast<__u64>(ids.data());
  __u32 length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) {
    return ErrnoStatus(errno, "asking for the program's maps");
  }
  for (size_t i = 0; i < std::min<size_t>(info.nr_map_ids, ids.size()); ++i) {
    const UniqueFd map(bpf_map_get_fd_by_id(ids[i]));
    bpf_map_info map_info{};
    length = sizeof(map_info);
    if (!map.valid() || bpf_obj_get_info_by_fd(map.get(), &map_info, &length) != 0) continue;
    if (std::string(map_info.name) != "gw_verdicts") continue;
    if (map_info.max_entries != GW_DECAP_VERDICTS) {
      return absl::FailedPreconditionError("the attached program is of another version");
    }
    return ReadVerdicts(map.get());
  }
  return absl::NotFoundError("the attached program has no counters");
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

std::string ToTable(const VerdictCounts& counts) {
  std::string text;
  for (size_t i = 0; i < counts.size(); ++i) {
    absl::StrAppendFormat(&text, "%-15s %12d  %s\n", kVerdictNames[i].name, counts[i],
                          kVerdictNames[i].help);
  }
  return text;
}

absl::Status WriteAtomically(const std::string& path, const std::string& content) {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  const UniqueFd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return ErrnoStatus(errno, absl::StrCat("creating ", temporary));
  const bool written =
      write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size());
  if (!written || rename(temporary.c_str(), path.c_str()) != 0) {
    const absl::Status status = ErrnoStatus(errno, absl::StrCat("writing ", path));
    unlink(temporary.c_str());
    return status;
  }
  return absl::OkStatus();
}

}  // namespace guideway
