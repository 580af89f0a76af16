// What the fields of QUIC-LB mean together: validate.cc's part for VIPs with quic_lb and the server
// IDs of backends, by draft-ietf-quic-load-balancers-21, section 5. Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_VALIDATE_QUIC_H_
#define GUIDEWAY_LIB_CONFIG_VALIDATE_QUIC_H_

#include "lib/config/guideway.pb.h"
#include "lib/config/problems.h"

namespace guideway {

// `config` has its defaults filled in.
void ValidateQuic(const v1::Config& config, Problems* problems);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_VALIDATE_QUIC_H_
