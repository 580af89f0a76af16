// The verdicts' counters: read from the kernel, written as JSON, Prometheus text or a table.
//
// Thread safety: functions without state.
#ifndef GUIDEWAY_DATAPLANE_DECAP_STATS_H_
#define GUIDEWAY_DATAPLANE_DECAP_STATS_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "dataplane/decap/decap_abi.h"

namespace guideway {

using VerdictCounts = std::array<uint64_t, GW_DECAP_VERDICTS>;  // packets

struct VerdictName {
  const char* name;
  const char* help;
};
extern const std::array<VerdictName, GW_DECAP_VERDICTS> kVerdictNames;

// The sum over all CPUs of the map of that file descriptor.
absl::StatusOr<VerdictCounts> ReadVerdicts(int map_fd);
// Of the program on the interface, of whichever process it is.
absl::StatusOr<VerdictCounts> ReadAttached(const std::string& interface);

std::string ToJson(const std::string& interface, const VerdictCounts& counts);
std::string ToPrometheus(const std::string& interface, const VerdictCounts& counts);
// Whether the programs are attached, and how many problems `check` finds.
std::string HealthToPrometheus(const std::string& interface, bool attached, size_t problems);
std::string ToTable(const VerdictCounts& counts);

// Replaces the file as a whole, so that a reader never sees a part of it.
absl::Status WriteAtomically(const std::string& path, const std::string& content);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_STATS_H_
