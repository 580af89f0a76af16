// Text forms of addresses; the bit tests stand inline in the header.
#include "lib/net/address.h"

#include <arpa/inet.h>

namespace guideway {

absl::StatusOr<IpAddress> IpAddress::Parse(const std::string& text) {
  // inet_pton() reads a C string: an embedded zero byte must not hide what follows it.
  if (text.find('\0') == std::string::npos) {
    in_addr v4;
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
      return FromIpv4(Be32::FromWire(v4.s_addr));
    }
    in6_addr v6;
    if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) {
      IpAddress address = FromIpv6(v6.s6_addr);
      if (!address.IsIpv4()) return address;
      return absl::InvalidArgumentError("'" + text +
                                        "' is an IPv4-mapped IPv6 address: write it as IPv4");
    }
  }
  return absl::InvalidArgumentError("'" + text + "' is not an IP address");
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  const bool v4 = IsIpv4();
  inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &bytes[12] : &bytes[0], text, sizeof(text));
  return text;
}

namespace {
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

absl::StatusOr<MacAddress> MacAddress::Parse(const std::string& text) {
  const auto refused = absl::InvalidArgumentError(
      "'" + text + "' is not a MAC address (expected the form aa:bb:cc:dd:ee:ff)");
  if (text.size() != 17) return refused;
  MacAddress mac;
  for (size_t i = 0; i < 6; ++i) {
    const int high = HexDigit(text[3 * i]);
    const int low = HexDigit(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) return refused;
    mac.bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return mac;
}

std::string MacAddress::ToString() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) {
    if (!text.empty()) text += ':';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace guideway
