#include "lib/net/prefix.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

// Whether the last `bits` bits of both are the same from there on up.
bool SameAbove(const IpAddress& a, const IpAddress& b, uint32_t bits) {
  for (uint32_t i = 0; i < 16; ++i) {
    const uint32_t byte_bits = (15 - i) * 8;  // below this byte
    const auto difference = static_cast<uint32_t>(a.bytes[i] ^ b.bytes[i]);
    const uint32_t ignored = bits <= byte_bits ? 0 : bits - byte_bits;
    if (ignored < 8 && difference >> ignored != 0) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<IpPrefix> IpPrefix::Parse(const std::string& text) {
  const absl::Status bad = absl::InvalidArgumentError(absl::StrCat(text, " is not an IP prefix"));
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return bad;
  const auto address = IpAddress::Parse(text.substr(0, slash));
  const std::string length_text = text.substr(slash + 1);
  uint32_t length = 0;
  if (!address.ok() || length_text.empty() || length_text.size() > 3 ||
      length_text.find_first_not_of("0123456789") != std::string::npos ||
      (length_text.size() > 1 && length_text[0] == '0') ||
      !absl::SimpleAtoi(length_text, &length) || length > (address->IsIpv4() ? 32u : 128u)) {
    return bad;
  }
  const IpPrefix prefix{.address = *address, .length_bits = static_cast<uint8_t>(length)};
  for (uint32_t bit = 0; bit < prefix.host_bits(); ++bit) {
    if ((address->bytes[15 - bit / 8] >> bit % 8 & 1) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(text, " has bits set behind the length of the prefix"));
    }
  }
  return prefix;
}

std::string IpPrefix::ToString() const {
  return absl::StrCat(address.ToString(), "/", length_bits);
}

bool IpPrefix::Contains(const IpAddress& other) const {
  return address.family() == other.family() && SameAbove(address, other, host_bits());
}

}  // namespace guideway
