// Small valid packets for tests that look at rules rather than at bytes (the golden packets do
// that).
#ifndef GUIDEWAY_TESTS_UNIT_PATH_PACKET_BUILDER_H_
#define GUIDEWAY_TESTS_UNIT_PATH_PACKET_BUILDER_H_

#include <string>
#include <vector>

#include "lib/net/checksum.h"
#include "lib/net/headers.h"
#include "tests/unit/path/path_fixture.h"

namespace guideway {

struct PacketSpec {
  std::string source = "192.0.2.1";
  uint16_t source_port = 40000;
  std::string destination = "198.51.100.1";
  uint16_t destination_port = 80;
  IpProtocol protocol = IpProtocol::kTcp;
  uint8_t tcp_flags = kTcpSyn;
  uint16_t payload_bytes = 10;
  uint8_t ttl = 64;
  bool dont_fragment = true;
  std::vector<uint8_t> payload = {};  // begins with this; payload_bytes is how long it is
};

template <typename Header>
void Append(std::vector<uint8_t>& bytes, const Header& header) {
  // Not insert(): GCC 12 takes its growth for an overflow (-Wstringop-overflow).
  const auto* at = reinterpret_cast<const uint8_t*>(&header);
  for (size_t i = 0; i < sizeof(header); ++i) bytes.push_back(at[i]);
}

inline std::vector<uint8_t> Transport(const PacketSpec& spec) {
  std::vector<uint8_t> bytes;
  if (spec.protocol == IpProtocol::kTcp) {
    TcpHeader tcp{};
    tcp.source_port = Be16(spec.source_port);
    tcp.destination_port = Be16(spec.destination_port);
    tcp.data_offset = 5 << 4;
    tcp.flags = spec.tcp_flags;
    Append(bytes, tcp);
  } else {
    UdpHeader udp{};
    udp.source_port = Be16(spec.source_port);
    udp.destination_port = Be16(spec.destination_port);
    udp.length = Be16(static_cast<uint16_t>(sizeof(udp) + spec.payload_bytes));
    Append(bytes, udp);
  }
  const size_t payload_at = bytes.size();
  bytes.resize(bytes.size() + spec.payload_bytes, 0xda);
  std::copy(spec.payload.begin(), spec.payload.end(), bytes.begin() + payload_at);
  return bytes;
}

inline std::vector<uint8_t> Frame(const PacketSpec& spec) {
  const std::vector<uint8_t> transport = Transport(spec);
  const IpAddress source = Address(spec.source), destination = Address(spec.destination);
  std::vector<uint8_t> bytes;
  EthernetHeader ethernet{Mac("02:00:00:00:00:02"), Mac("02:00:00:00:00:01"), ether_type::kIpv4};
  if (destination.IsIpv4()) {
    Append(bytes, ethernet);
    Ipv4Header ip{};
    ip.version_ihl = 0x45;
    ip.total_length = Be16(static_cast<uint16_t>(sizeof(ip) + transport.size()));
    ip.fragment = spec.dont_fragment ? Ipv4Header::kDontFragment : Be16(0);
    ip.ttl = spec.ttl;
    ip.protocol = spec.protocol;
    ip.source = source.ipv4();
    ip.destination = destination.ipv4();
    ip.checksum = InternetChecksum(reinterpret_cast<const uint8_t*>(&ip), sizeof(ip));
    Append(bytes, ip);
  } else {
    ethernet.type = ether_type::kIpv6;
    Append(bytes, ethernet);
    Ipv6Header ip{};
    ip.version_class_label = Be32(6u << 28);
    ip.payload_length = Be16(static_cast<uint16_t>(transport.size()));
    ip.next_header = spec.protocol;
    ip.hop_limit = spec.ttl;
    std::copy(source.bytes.begin(), source.bytes.end(), ip.source);
    std::copy(destination.bytes.begin(), destination.bytes.end(), ip.destination);
    Append(bytes, ip);
  }
  bytes.insert(bytes.end(), transport.begin(), transport.end());
  return bytes;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_PACKET_BUILDER_H_
