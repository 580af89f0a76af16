#include "lib/base/status.h"

#include <cstring>

namespace guideway {

absl::Status ErrnoStatus(int error, const std::string& what) {
  return absl::ErrnoToStatus(error, what);
}

absl::Status Annotate(const absl::Status& status, const std::string& place) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(place, ": ", status.message()));
}

}  // namespace guideway
