// See drain_deadlines.h.
#include "controlplane/drain_deadlines.h"

#include <glog/logging.h>

#include <algorithm>

#include "lib/config/formats.h"

namespace guideway {

absl::Time ApplyDrainDeadlines(absl::Time now, v1::Config* config) {
  absl::Time next = absl::InfiniteFuture();
  for (v1::Pool& pool : *config->mutable_pools()) {
    for (v1::Backend& backend : *pool.mutable_backends()) {
      if (backend.state() != v1::DRAINED || backend.disable_at().empty()) continue;
      const auto at = ParseTime(backend.disable_at());
      if (!at.ok()) continue;
      if (*at <= now) {
        backend.set_state(v1::DISABLED);
        LOG(INFO) << "pool " << pool.name() << ": backend " << backend.name()
                  << ": the time of its drain is over, it is disabled";
      } else {
        next = std::min(next, *at);
      }
    }
  }
  return next;
}

}  // namespace guideway
