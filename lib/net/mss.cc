// HOT PATH, of SYNs for VIPs with a limit: no allocation, lock, log, system call or exception.
#include "lib/net/mss.h"

#include <algorithm>
#include <cstring>

#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint8_t kEndOfOptions = 0, kNoOperation = 1, kMss = 2;
constexpr uint32_t kMssOptionBytes = 4, kMssValueOffset = 2;

// Of a 16-bit value that begins at an odd offset each byte is in the other half of its word.
Be16 Swapped(Be16 value, bool odd) {
  return odd ? Be16::FromWire(static_cast<uint16_t>(value.wire() << 8 | value.wire() >> 8)) : value;
}

bool Lower(TcpHeader* tcp, uint32_t value_offset_bytes, uint16_t limit_bytes) {
  uint8_t* at = reinterpret_cast<uint8_t*>(tcp) + value_offset_bytes;
  Be16 before;
  std::memcpy(&before, at, sizeof(before));
  if (before.host() <= limit_bytes) return false;
  const Be16 after(limit_bytes);
  std::memcpy(at, &after, sizeof(after));
  const bool odd = value_offset_bytes % 2 != 0;
  tcp->checksum = UpdateChecksum(tcp->checksum, Swapped(before, odd), Swapped(after, odd));
  return true;
}

}  // namespace

bool LowerMss(uint8_t* tcp, uint32_t length_bytes, uint16_t limit_bytes) {
  auto* header = reinterpret_cast<TcpHeader*>(tcp);
  const uint32_t end = std::min(header->header_bytes(), length_bytes);
  bool lowered = false;
  for (uint32_t at = sizeof(TcpHeader); at < end;) {
    if (tcp[at] == kEndOfOptions) break;
    if (tcp[at] == kNoOperation) {
      ++at;
      continue;
    }
    if (at + 1 >= end) break;
    const uint8_t option_bytes = tcp[at + 1];
    if (option_bytes < 2 || option_bytes > end - at) break;
    if (tcp[at] == kMss && option_bytes == kMssOptionBytes) {
      lowered = Lower(header, at + kMssValueOffset, limit_bytes) || lowered;
    }
    at += option_bytes;
  }
  return lowered;
}

}  // namespace guideway
