// What the answer to an echo request must be, made anew from the request.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_ECHO_ANSWER_H_
#define GUIDEWAY_TESTS_UNIT_PATH_ECHO_ANSWER_H_

#include <algorithm>
#include <vector>

#include "lib/net/checksum.h"

namespace guideway {

inline void PutChecksum(std::vector<uint8_t>& bytes, size_t at, const std::vector<uint8_t>& over) {
  const uint16_t sum = InternetChecksum(over.data(), over.size()).host();
  bytes[at] = static_cast<uint8_t>(sum >> 8);
  bytes[at + 1] = static_cast<uint8_t>(sum);
}

// Makes the checksum of the ICMP or ICMPv6 message right that begins at `icmp_at` of the untagged
// frame and ends with its IP packet.
inline void FixIcmpChecksum(std::vector<uint8_t>& frame, size_t icmp_at) {
  const bool v4 = frame[12] == 0x08;
  const size_t end = 14u + (v4 ? frame[16] << 8 | frame[17] : 40 + (frame[18] << 8 | frame[19]));
  frame[icmp_at + 2] = frame[icmp_at + 3] = 0;
  std::vector<uint8_t> covered;  // push_back(), because GCC 12 takes insert() for an overflow
  const size_t length = end - icmp_at;
  for (size_t i = 22; !v4 && i < 54; ++i) covered.push_back(frame[i]);
  for (const size_t byte :
       {size_t{0}, size_t{0}, length >> 8, length, size_t{0}, size_t{0}, size_t{0}, size_t{58}}) {
    if (!v4) covered.push_back(static_cast<uint8_t>(byte));
  }
  for (size_t i = icmp_at; i < end; ++i) covered.push_back(frame[i]);
  PutChecksum(frame, icmp_at + 2, covered);
}

// The answer to an untagged frame whose echo request begins at `icmp_at`.
inline std::vector<uint8_t> ExpectedAnswer(std::vector<uint8_t> frame, size_t icmp_at) {
  const bool v4 = frame[12] == 0x08;
  std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
  const ptrdiff_t source = v4 ? 26 : 22, length = v4 ? 4 : 16;
  std::swap_ranges(frame.begin() + source, frame.begin() + source + length,
                   frame.begin() + source + length);
  frame[icmp_at] = v4 ? 0 : 129;
  FixIcmpChecksum(frame, icmp_at);
  frame[v4 ? 22 : 21] = 64;
  if (v4) {
    frame[24] = frame[25] = 0;
    const ptrdiff_t header_bytes = (frame[14] & 15) * 4;
    PutChecksum(frame, 24, {frame.begin() + 14, frame.begin() + 14 + header_bytes});
  }
  return frame;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_ECHO_ANSWER_H_
