// IP and MAC addresses as values, with text forms.
//
// An IpAddress is always 16 bytes in network order; IPv4 is held IPv4-mapped (::ffff:a.b.c.d), so
// that tables and keys have one shape for both families. Thread safety: values.
#ifndef GUIDEWAY_LIB_NET_ADDRESS_H_
#define GUIDEWAY_LIB_NET_ADDRESS_H_

#include <array>
#include <bit>
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
  bool IsLoopback() const;  // 127.0.0.0/8 or ::1

  friend bool operator==(const IpAddress& a, const IpAddress& b) {
    using Words = std::array<uint64_t, 2>;  // the default would call memcmp()
    const auto x = std::bit_cast<Words>(a), y = std::bit_cast<Words>(b);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  }
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

// Inline, and by words instead of bytes, because the packet path calls them for every packet.
struct IpAddressWords {
  uint64_t high;
  Be32 prefix;  // 0000:ffff of a mapped IPv4 address
  Be32 ipv4;
};
inline constexpr Be32 kMappedPrefix(0x0000ffff);

inline IpAddress IpAddress::FromIpv4(Be32 address) {
  return std::bit_cast<IpAddress>(
      IpAddressWords{.high = 0, .prefix = kMappedPrefix, .ipv4 = address});
}

inline IpAddress IpAddress::FromIpv6(const uint8_t* sixteen_bytes) {
  IpAddress result;
  std::memcpy(result.bytes.data(), sixteen_bytes, sizeof(result.bytes));
  return result;
}

inline bool IpAddress::IsIpv4() const {
  const auto words = std::bit_cast<IpAddressWords>(*this);
  return words.high == 0 && words.prefix == kMappedPrefix;
}

inline Be32 IpAddress::ipv4() const {
  uint32_t wire;
  std::memcpy(&wire, bytes.data() + offsetof(IpAddressWords, ipv4), sizeof(wire));
  return Be32::FromWire(wire);
}

inline bool IpAddress::IsUnspecified() const {
  return *this == IpAddress{} || *this == FromIpv4(Be32(0));
}

inline bool IpAddress::IsMulticast() const {
  return IsIpv4() ? (bytes[12] & 0xf0) == 0xe0 : bytes[0] == 0xff;
}

inline bool IpAddress::IsLoopback() const {
  if (IsIpv4()) return bytes[12] == 127;
  static constexpr IpAddress kLoopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  return *this == kLoopback;
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_ADDRESS_H_
