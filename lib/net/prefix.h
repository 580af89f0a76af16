// An IP prefix as a value, with its text form "10.255.0.0/16" or "2001:db8:1::/64".
//
// Thread safety: values.
#ifndef GUIDEWAY_LIB_NET_PREFIX_H_
#define GUIDEWAY_LIB_NET_PREFIX_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "lib/net/address.h"

namespace guideway {

struct IpPrefix {
  IpAddress address;
  uint8_t length_bits = 0;  // of the address' family: 0..32 or 0..128

  // Refuses a length out of range and bits set behind it.
  static absl::StatusOr<IpPrefix> Parse(const std::string& text);
  std::string ToString() const;
  bool Contains(const IpAddress& other) const;  // never an address of the other family
  uint8_t host_bits() const {
    return static_cast<uint8_t>((address.IsIpv4() ? 32 : 128) - length_bits);
  }
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_PREFIX_H_
