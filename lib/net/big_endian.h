// Integers in network byte order that do not convert to host integers by accident.
//
// Be16/Be32/Be64 are trivially copyable, have alignment 1 and so may stand in packet headers at any
// address. Thread safety: values.
#ifndef GUIDEWAY_LIB_NET_BIG_ENDIAN_H_
#define GUIDEWAY_LIB_NET_BIG_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>

namespace guideway {

constexpr uint16_t ByteSwap(uint16_t v) { return __builtin_bswap16(v); }
constexpr uint32_t ByteSwap(uint32_t v) { return __builtin_bswap32(v); }
constexpr uint64_t ByteSwap(uint64_t v) { return __builtin_bswap64(v); }

template <typename T>
class BigEndian {
 public:
  BigEndian() = default;
  // From a host-order value.
  explicit constexpr BigEndian(T host)
      : bytes_(std::bit_cast<Bytes>(std::endian::native == std::endian::little ? ByteSwap(host)
                                                                               : host)) {}
  // The host-order value.
  constexpr T host() const {
    const T wire_value = wire();
    return std::endian::native == std::endian::little ? ByteSwap(wire_value) : wire_value;
  }
  // The bytes as they stand on the wire, loaded as an integer: for comparing and hashing only.
  constexpr T wire() const { return std::bit_cast<T>(bytes_); }
  static constexpr BigEndian FromWire(T wire_value) {
    BigEndian result;
    result.bytes_ = std::bit_cast<Bytes>(wire_value);
    return result;
  }
  friend constexpr bool operator==(BigEndian a, BigEndian b) { return a.wire() == b.wire(); }

 private:
  struct Bytes {
    unsigned char value[sizeof(T)];
  };
  Bytes bytes_{};
};

using Be16 = BigEndian<uint16_t>;
using Be32 = BigEndian<uint32_t>;
using Be64 = BigEndian<uint64_t>;
static_assert(sizeof(Be16) == 2 && alignof(Be32) == 1);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_BIG_ENDIAN_H_
