// QUIC-LB of the configuration -> messages of the channel. Stateless; one thread.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_QUIC_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_QUIC_H_

#include <cstdint>

#include "absl/status/status.h"
#include "controlplane/compiler/tables.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// Gives `body` the backend's server ID, if it has one.
absl::Status SetServerId(const v1::Backend& backend, uint32_t pool_index,
                         channel::BackendBody* body);
// Adds the VIP's configurations to the tables.
absl::Status CompileQuicLbs(const v1::Vip& vip, uint32_t vip_index, Tables* tables);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_QUIC_H_
