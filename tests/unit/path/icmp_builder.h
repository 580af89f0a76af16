// ICMP messages for tests that look at rules: echo requests, and errors about a flow.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_ICMP_BUILDER_H_
#define GUIDEWAY_TESTS_UNIT_PATH_ICMP_BUILDER_H_

#include <string>
#include <vector>

#include "tests/unit/path/echo_answer.h"
#include "tests/unit/path/packet_builder.h"

namespace guideway {

// A frame with this ICMP or ICMPv6 message; the checksums are right.
inline std::vector<uint8_t> IcmpFrame(const std::string& source, const std::string& destination,
                                      const std::vector<uint8_t>& message) {
  PacketSpec spec;
  spec.source = source;
  spec.destination = destination;
  spec.payload_bytes = 0;
  std::vector<uint8_t> frame = Frame(spec);
  const bool v6 = frame[12] == 0x86;
  const size_t icmp_at = v6 ? 54 : 34;
  frame.resize(icmp_at);
  for (const uint8_t byte : message) frame.push_back(byte);
  const size_t length = message.size() + (v6 ? 0 : 20);
  frame[v6 ? 18 : 16] = static_cast<uint8_t>(length >> 8);
  frame[v6 ? 19 : 17] = static_cast<uint8_t>(length);
  frame[v6 ? 20 : 23] = v6 ? 58 : 1;
  if (!v6) {
    frame[24] = frame[25] = 0;
    PutChecksum(frame, 24, {frame.begin() + 14, frame.begin() + 34});
  }
  FixIcmpChecksum(frame, icmp_at);
  return frame;
}

inline std::vector<uint8_t> EchoRequest(const std::string& source, const std::string& destination,
                                        size_t data_bytes = 5) {
  const bool v6 = !Address(destination).IsIpv4();
  std::vector<uint8_t> message(8 + data_bytes, 0xec);
  message[0] = v6 ? 128 : 8;
  message[1] = 0;
  return IcmpFrame(source, destination, message);
}

// An error "too big" (its type may be changed), that quotes `quoted_bytes` of an IP packet from the
// VIP to the client, the other way of `client_frame`.
inline std::vector<uint8_t> ErrorAbout(std::vector<uint8_t> client_frame,
                                       size_t quoted_bytes = 1000) {
  const bool v6 = client_frame[12] == 0x86;
  const size_t source = v6 ? 22 : 26, length = v6 ? 16 : 4, ports = v6 ? 54 : 34;
  for (size_t i = 0; i < length; ++i) {
    std::swap(client_frame[source + i], client_frame[source + length + i]);
  }
  std::swap(client_frame[ports], client_frame[ports + 2]);
  std::swap(client_frame[ports + 1], client_frame[ports + 3]);
  const size_t quoted = std::min(quoted_bytes, client_frame.size() - 14);
  std::vector<uint8_t> message(8 + quoted, 0);
  message[0] = v6 ? 2 : 3;
  message[1] = v6 ? 0 : 4;
  std::copy_n(client_frame.begin() + 14, quoted, message.begin() + 8);
  IpAddress vip;
  if (v6) {
    vip = IpAddress::FromIpv6(&client_frame[22]);
  } else {
    vip = IpAddress::FromIpv4(reinterpret_cast<Ipv4Header*>(&client_frame[14])->source);
  }
  return IcmpFrame(v6 ? "2001:db8::99" : "192.0.2.99", vip.ToString(), message);
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_ICMP_BUILDER_H_
