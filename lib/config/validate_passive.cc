// See validate_passive.h.
#include "lib/config/validate_passive.h"

#include "absl/strings/str_cat.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

void CheckDetection(const v1::OutlierDetection& detection, const std::string& path,
                    Problems* problems) {
  const absl::Duration base = FromProto(detection.base_ejection_time());
  const absl::Duration longest = FromProto(detection.max_ejection_time());
  if (base > longest) {
    problems->Add(path + ".base_ejection_time",
                  absl::StrCat(absl::FormatDuration(base), " is longer than max_ejection_time, ",
                               absl::FormatDuration(longest), "; must be at most that"));
  }
  if (detection.max_syn_retransmissions_percent() == 0 && detection.max_unanswered_percent() == 0 &&
      detection.max_client_resets_percent() == 0) {
    problems->Add(path,
                  "looks at nothing; one of max_syn_retransmissions_percent, "
                  "max_unanswered_percent and max_client_resets_percent must be above 0");
  }
}

}  // namespace

void ValidatePassive(const v1::Config& config, Problems* problems) {
  for (int i = 0; i < config.pools_size(); ++i) {
    const v1::Pool& pool = config.pools(i);
    const std::string path = absl::StrCat("pools[", i, "]");
    if (pool.has_outlier_detection()) {
      CheckDetection(pool.outlier_detection(), path + ".outlier_detection", problems);
    }
    if (pool.has_circuit_breaker() && pool.circuit_breaker().max_flows() == 0 &&
        pool.circuit_breaker().max_new_flows_per_second() == 0) {
      problems->Add(path + ".circuit_breaker",
                    "limits nothing; max_new_flows_per_second or max_flows must be above 0");
    }
  }
}

}  // namespace guideway
