// See share_weight.h.
#include "controlplane/server/share_weight.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace guideway {
namespace {

constexpr double kMaxWeight = 10000;  // as the schema says
constexpr double kTolerance = 0.1;    // of the share, or of the others' if that is less

}  // namespace

absl::StatusOr<uint32_t> WeightForShare(const v1::Pool& pool, int index, double percent) {
  if (!(percent > 0 && percent < 100)) {
    return absl::InvalidArgumentError(
        absl::StrCat(percent, "% is not a share; must be above 0% and below 100%"));
  }
  const v1::Backend& backend = pool.backends(index);
  double others = 0;
  for (int i = 0; i < pool.backends_size(); ++i) {
    const v1::Backend& other = pool.backends(i);
    if (i == index || other.state() != v1::ENABLED || other.backup() != backend.backup()) continue;
    others += other.weight();
  }
  if (others == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("no other ", backend.backup() ? "backup" : "backend", " of pool ", pool.name(),
                     " is enabled: ", backend.name(), " gets all or nothing"));
  }
  const double exact = percent / (100 - percent) * others;
  const double weight = std::clamp(std::round(exact), 1.0, kMaxWeight);
  const double got = 100 * weight / (weight + others);
  if (std::abs(got - percent) > kTolerance * std::min(percent, 100 - percent)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the other weights of pool ", pool.name(), " add up to ", others,
                     ", so weight ", weight, " is the nearest to ", percent, "%, and is ", got,
                     "%; give the others ", exact < weight ? "larger" : "smaller", " weights"));
  }
  return static_cast<uint32_t>(weight);
}

}  // namespace guideway
