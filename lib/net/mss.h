// The maximum segment size that a TCP SYN announces (RFC 9293, section 3.2), lowered.
//
// Pure bytes. Thread safety: pure functions.
#ifndef GUIDEWAY_LIB_NET_MSS_H_
#define GUIDEWAY_LIB_NET_MSS_H_

#include <cstdint>

namespace guideway {

// Limits of what may be asked for: what every host takes (RFC 9293, section 3.7.1), jumbo frames.
inline constexpr uint16_t kMinMssLimit = 536, kMaxMssLimit = 9000;

// Lowers every MSS option of the TCP header at `tcp` that is above `limit_bytes` to it, and updates
// the checksum (a wrong one stays wrong by as much). Never raises one, never adds one; what stands
// behind a malformed option stays as it is. `length_bytes` of the segment may be read, at least 20;
// the data offset may claim anything. Returns whether anything was lowered.
bool LowerMss(uint8_t* tcp, uint32_t length_bytes, uint16_t limit_bytes);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_MSS_H_
