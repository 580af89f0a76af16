// IP and MAC addresses as values, with text forms.
//
// An IpAddress is always 16 bytes in network order; IPv4 is held IPv4-mapped (::ffff:a.b.c.d), so
// that tables and keys have one shape for both families. Thread safety: values.
#ifndef GUIDEWAY_LIB_NET_ADDRESS_H_
#define GUIDEWAY_LIB_NET_ADDRESS_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/statusor.h"
#include "lib/net/big_endian.h"

namespace guideway {

enum class IpFamily : uint8_t { kIpv4 = 4, kIpv6 = 6 };

struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  static IpAddress FromIpv4(Be32 address);
  static IpAddress FromIpv6(const uint8_t* sixteen_bytes);
  // Accepts dotted IPv4 and any RFC 4291 form of IPv6 (an IPv4-mapped IPv6 text is refused).
  static absl::StatusOr<IpAddress> Parse(const std::string& text);

  bool IsIpv4() const;
  IpFamily family() const { return IsIpv4() ? IpFamily::kIpv4 : IpFamily::kIpv6; }
  // Only for IPv4.
  Be32 ipv4() const;
  // "192.0.2.1" or RFC 5952 form.
  std::string ToString() const;
  bool IsUnspecified() const;  // 0.0.0.0 or ::
  bool IsMulticast() const;
  bool IsLoopback() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.bytes);
  }
};
static_assert(sizeof(IpAddress) == 16);

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  // "aa:bb:cc:dd:ee:ff"
  static absl::StatusOr<MacAddress> Parse(const std::string& text);
  std::string ToString() const;
  bool IsZero() const { return *this == MacAddress{}; }
  friend bool operator==(const MacAddress&, const MacAddress&) = default;
};
static_assert(sizeof(MacAddress) == 6);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_ADDRESS_H_
