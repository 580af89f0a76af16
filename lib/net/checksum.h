// The Internet checksum: RFC 1071 (sum), RFC 1624 (incremental update), RFC 791 (IPv4 header).
//
// All results are Be16, ready to be stored. Thread safety: pure functions.
#ifndef GUIDEWAY_LIB_NET_CHECKSUM_H_
#define GUIDEWAY_LIB_NET_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

#include "lib/net/big_endian.h"
#include "lib/net/headers.h"

namespace guideway {

// The one's complement sum of 16-bit words, folded to 16 bits, not complemented. An odd last byte
// is padded with zero. 0xffff over a range that includes its own checksum field means it is right.
Be16 OnesComplementSum(const uint8_t* data, size_t length_bytes);

// The complement of that sum: what stands in a checksum field (which was zero while summing).
Be16 InternetChecksum(const uint8_t* data, size_t length_bytes);

// The checksum after one 16-bit word of the covered range went from `before` to `after`
// (RFC 1624, equation 3).
Be16 UpdateChecksum(Be16 checksum, Be16 before, Be16 after);

// Whether the header checksum is right; header.header_bytes() bytes must be readable.
bool Ipv4ChecksumIsRight(const Ipv4Header& header);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_CHECKSUM_H_
