// What a reply "too big" must be, by the bytes of the frame that it answers: for tests with any
// frames (the golden packets have the exact ones).
#ifndef GUIDEWAY_TESTS_UNIT_PATH_TOO_BIG_REPLY_H_
#define GUIDEWAY_TESTS_UNIT_PATH_TOO_BIG_REPLY_H_

#include <algorithm>
#include <vector>

#include "tests/unit/path/plain_checksum.h"

namespace guideway {

// `asked` and `reply` are untagged frames; `asked` is a valid IP packet.
inline bool TooBigReplyIsRight(const std::vector<uint8_t>& asked,
                               const std::vector<uint8_t>& reply) {
  const auto at = [](size_t offset) { return static_cast<ptrdiff_t>(offset); };
  const bool v4 = asked[12] == 0x08;
  const size_t address = v4 ? 4 : 16, source = 14u + (v4 ? 12 : 8), header = v4 ? 20 : 40;
  const size_t most = v4 ? 576 : 1280;
  const size_t asked_bytes = v4 ? asked[16] << 8 | asked[17] : 40 + (asked[18] << 8 | asked[19]);
  const size_t quoted = std::min(asked_bytes, most - header - 8);
  if (reply.size() != 14 + header + 8 + quoted) return false;
  // The way back, on both layers.
  bool right = std::equal(asked.begin(), asked.begin() + 6, reply.begin() + 6) &&
               std::equal(asked.begin() + 6, asked.begin() + 12, reply.begin()) &&
               reply[12] == asked[12] && reply[13] == asked[13];
  right = right && std::equal(asked.begin() + at(source), asked.begin() + at(source + address),
                              reply.begin() + at(source + address));
  right = right && std::equal(asked.begin() + at(source + address),
                              asked.begin() + at(source + 2 * address), reply.begin() + at(source));
  const std::vector<uint8_t> ip(reply.begin() + 14, reply.end());
  const size_t length = v4 ? ip[2] << 8 | ip[3] : 40 + (ip[4] << 8 | ip[5]);
  right = right && ip[0] == (v4 ? 0x45 : 0x60) && length == ip.size();
  right = right && (!v4 || PlainSum({ip.begin(), ip.begin() + 20}, 0) == 0xffff);
  right = right && TransportSum(ip) == 0xffff;
  right = right && ip[header] == (v4 ? 3 : 2) && ip[header + 1] == (v4 ? 4 : 0);
  const size_t mtu = ip[header + 6] << 8 | ip[header + 7];
  right = right && mtu < asked_bytes && mtu >= (v4 ? 68u : 1280u);
  right = right && ip[header + 4] == 0 && ip[header + 5] == 0;
  // As it came.
  return right && std::equal(ip.begin() + at(header + 8), ip.end(), asked.begin() + 14);
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_TOO_BIG_REPLY_H_
