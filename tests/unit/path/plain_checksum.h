// Transport checksums by an implementation of their own, for tests that compare.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_PLAIN_CHECKSUM_H_
#define GUIDEWAY_TESTS_UNIT_PATH_PLAIN_CHECKSUM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace guideway {

// Checksums as RFC 1071 words it, byte by byte: nothing of lib/net/checksum.h.
inline uint16_t PlainSum(const std::vector<uint8_t>& bytes, size_t from, uint32_t sum = 0) {
  for (size_t i = from; i < bytes.size(); ++i) {
    sum += i % 2 == from % 2 ? bytes[i] * 256u : bytes[i];
    if (sum > 0xffff) sum -= 0xffff;  // the end-around carry
  }
  return static_cast<uint16_t>(sum);
}

struct TransportPlace {
  size_t at;
  uint8_t protocol;
};

// Where TCP, UDP or ICMP begins in an IP packet that was forwarded, hence is well-formed.
inline TransportPlace FindTransport(const std::vector<uint8_t>& packet) {
  if (packet[0] >> 4 == 4) return {(packet[0] & 15u) * 4, packet[9]};
  TransportPlace found{40, packet[6]};
  while (found.protocol != 6 && found.protocol != 17 && found.protocol != 58) {
    const uint8_t next = packet[found.at];
    // Fragment headers have no length field; authentication headers count in another unit.
    const size_t length_field = packet[found.at + 1];
    found.at += found.protocol == 44   ? 8
                : found.protocol == 51 ? (length_field + 2) * 4
                                       : (length_field + 1) * 8;
    found.protocol = next;
  }
  return found;
}

// The same over the transport header and payload of an IP packet, pseudo header included where it
// is covered: 0xffff if its checksum is right. 0 and 0xffff are one value.
inline uint16_t TransportSum(const std::vector<uint8_t>& packet) {
  const bool v4 = packet[0] >> 4 == 4;
  const TransportPlace transport = FindTransport(packet);
  std::vector<uint8_t> pseudo(packet.begin() + (v4 ? 12 : 8), packet.begin() + (v4 ? 20 : 40));
  pseudo.push_back(0);
  pseudo.push_back(transport.protocol);
  const size_t length = packet.size() - transport.at;
  pseudo.push_back(static_cast<uint8_t>(length >> 8));
  pseudo.push_back(static_cast<uint8_t>(length));
  const uint16_t pseudo_sum = transport.protocol == 1 ? uint16_t{0} : PlainSum(pseudo, 0);
  const uint16_t sum = PlainSum(packet, transport.at, pseudo_sum);
  return sum == 0 ? 0xffff : sum;
}

inline size_t ChecksumOffset(const std::vector<uint8_t>& packet) {
  const TransportPlace transport = FindTransport(packet);
  const bool icmp = transport.protocol == 1 || transport.protocol == 58;
  return transport.at + (icmp ? 2 : transport.protocol == 6 ? 16 : 6);
}

inline void FillTransportChecksum(std::vector<uint8_t>& frame) {
  const std::vector<uint8_t> packet(frame.begin() + 14, frame.end());
  const auto checksum = static_cast<uint16_t>(~TransportSum(packet));
  frame[14 + ChecksumOffset(packet)] = static_cast<uint8_t>(checksum >> 8);
  frame[14 + ChecksumOffset(packet) + 1] = static_cast<uint8_t>(checksum);
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_PLAIN_CHECKSUM_H_
