// How many flows of a backend are in the data plane's flow tables.
//
// Thread safety: a pure function.
#ifndef GUIDEWAY_CONTROLPLANE_ACTIVE_FLOWS_H_
#define GUIDEWAY_CONTROLPLANE_ACTIVE_FLOWS_H_

#include <cstdint>
#include <optional>

#include "lib/channel/layout.h"

namespace guideway {

// Over all workers. Nothing if the data plane does not tell: it has no such counter so far.
// `index`: of the backend in the tables.
inline std::optional<uint64_t> ActiveFlowsOf(const channel::CountersRegion&, uint16_t) {
  return std::nullopt;
}

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_ACTIVE_FLOWS_H_
