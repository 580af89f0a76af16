// Whether one port is worth a new process.
#include "dataplane/ports/port_watches.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/status.h"

namespace guideway {

PortWatches::PortWatches(const std::vector<std::unique_ptr<Port>>& ports, uint32_t workers) {
  for (const std::unique_ptr<Port>& port : ports) watches_.emplace_back(port.get(), workers);
}

absl::Status PortWatches::Look(absl::Duration now) {
  const PortWatch* anew = nullptr;
  for (PortWatch& watch : watches_) {
    watch.Look(now);
    if (!watch.made_anew().empty()) anew = &watch;
  }
  if (anew == nullptr) return absl::OkStatus();
  absl::Status start;
  for (const PortWatch& watch : watches_) {
    if (start.ok()) start = watch.CheckStart();
  }
  if (start.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(anew->made_anew(), "; ending, so that it is opened by a new process"));
  }
  for (PortWatch& watch : watches_) {
    if (watch.made_anew().empty()) continue;
    watch.SetSuccessorProblem(
        absl::StrCat("only a new process can do that, and it would be refused, so the other ports "
                     "would be lost, too: ",
                     std::string(start.message())));
  }
  return absl::OkStatus();
}

}  // namespace guideway
