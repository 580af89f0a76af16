// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/header_chain.h"

#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint8_t kEndOfOptions = 0, kNoOperation = 1, kLooseRoute = 131, kStrictRoute = 137;
constexpr uint32_t kMaxExtensionHeaders = 8;
constexpr uint32_t kShortestHeader = 8;
constexpr uint8_t kMoreFragments = 1, kOffsetLowMask = 0xf8;

// Lengths count 8 bytes beyond the first 8, but in RFC 4302 4 bytes beyond the first 8.
uint32_t HeaderBytes(uint8_t type, const uint8_t* header) {
  if (type == ipv6_extension::kFragment) return kShortestHeader;
  if (type == ipv6_extension::kAuthentication) return (header[1] + 2u) * 4;
  return (header[1] + 1u) * 8;
}

}  // namespace

bool Ipv4OptionsAreGood(const uint8_t* options, uint32_t length_bytes) {
  for (uint32_t at = 0; at < length_bytes;) {
    const uint8_t type = options[at];
    if (type == kEndOfOptions) return true;
    if (type == kNoOperation) {
      ++at;
      continue;
    }
    if (type == kLooseRoute || type == kStrictRoute || at + 1 >= length_bytes) return false;
    const uint8_t option_bytes = options[at + 1];
    if (option_bytes < 2 || option_bytes > length_bytes - at) return false;
    at += option_bytes;
  }
  return true;
}

ExtensionHeaders WalkExtensionHeaders(uint8_t next_header, const uint8_t* at,
                                      uint32_t length_bytes) {
  ExtensionHeaders result;
  for (uint32_t i = 0; ipv6_extension::Is(next_header); ++i) {
    const uint8_t* header = at + result.length_bytes;
    const uint32_t rest_bytes = length_bytes - result.length_bytes;
    if (i == kMaxExtensionHeaders || rest_bytes < kShortestHeader) return {.bad = true};
    const uint32_t header_bytes = HeaderBytes(next_header, header);
    if (header_bytes > rest_bytes) return {.bad = true};
    if (next_header == ipv6_extension::kRouting && header[3] != 0) return {.bad = true};
    if (next_header == ipv6_extension::kFragment) {
      const bool offset = header[2] != 0 || (header[3] & kOffsetLowMask) != 0;
      if (offset || (header[3] & kMoreFragments) != 0) {
        result.fragment = true;
        result.protocol = static_cast<IpProtocol>(header[0]);
        return result;
      }
    }
    next_header = header[0];
    result.length_bytes += header_bytes;
  }
  result.protocol = static_cast<IpProtocol>(next_header);
  return result;
}

}  // namespace guideway
