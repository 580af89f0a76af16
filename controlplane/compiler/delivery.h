// Delivery: how packets get to a backend, as its pool was configured.
//
// Kept with the backend's index, because a backend that has left the configuration still gets the
// packets of its flows, the same way as before. Thread safety: values.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_DELIVERY_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_DELIVERY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "lib/channel/messages.h"
#include "lib/config/guideway.pb.h"
#include "lib/net/prefix.h"

namespace guideway {

struct Delivery {
  channel::Encapsulation encapsulation = channel::Encapsulation::kL2;
  uint16_t gue_port = 0;
  bool gue_hop_list = false;
  bool gue_zero_checksum6 = false;
  uint8_t dscp = 0;
  IpPrefix source_prefix;  // of tunnels, of the backend's family; length 0: there is none

  bool has_source_prefix() const { return source_prefix.length_bits != 0; }
  // One word: "ipip", "gue/6080/hops/zero6", "l3dsr/10"; with a prefix "gre@10.255.0.0/16".
  std::string ToString() const;
  static absl::StatusOr<Delivery> Parse(const std::string& text);

  friend bool operator==(const Delivery&, const Delivery&) = default;
};

// `config` is valid and has its defaults.
Delivery DeliveryTo(const IpAddress& backend, const v1::Pool& pool, const v1::Config& config);

// Fills in what of a backend's message is a matter of delivery. `port_source` is the outer source
// address if there is no prefix.
void SetDelivery(const Delivery& delivery, const IpAddress& port_source,
                 channel::BackendBody* body);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_DELIVERY_H_
