// See drain_progress.h.
#include "controlplane/cli/drain_progress.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace guideway::cli {

void DrainProgress::Add(absl::Duration now, uint64_t packets, std::optional<uint64_t> flows) {
  now_ = now;
  if (!seen_) {
    seen_ = true;
    quiet_since_ = no_flow_since_ = now;
  } else if (packets != packets_) {
    const uint64_t fresh = packets > packets_ ? packets - packets_ : packets;
    const double seconds = absl::ToDoubleSeconds(now - quiet_since_);
    packets_per_second_ = seconds > 0 ? static_cast<double>(fresh) / seconds : 0;
    quiet_since_ = now;
  }
  packets_ = packets;
  // A count that comes only now must prove itself, too.
  if (flows.value_or(1) != 0) no_flow_since_ = now;
  flows_ = flows;
}

bool DrainProgress::empty() const {
  if (!seen_) return false;
  return flows_.has_value() ? now_ - no_flow_since_ >= kFresh : now_ - quiet_since_ >= quiet_time_;
}

std::string DrainProgress::Text() const {
  std::string text;
  if (flows_.has_value()) {
    text = absl::StrCat(*flows_, *flows_ == 1 ? " flow left, " : " flows left, ");
  }
  const absl::Duration quiet = now_ - quiet_since_;
  if (quiet < kFresh) {
    absl::StrAppend(&text, std::lround(packets_per_second_), " packets/s");
  } else {
    absl::StrAppend(&text, "no packet for ", absl::ToInt64Seconds(quiet), " s");
  }
  return text;
}

}  // namespace guideway::cli
