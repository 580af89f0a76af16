#include "perf/generator/frames.h"

#include <cstddef>

namespace guideway {

Frames::Frames(const Options& options) : first_vip_(options.first_vip.host()), vips_(options.vips) {
  constexpr uint16_t kIpBytes = kFrameBytes - sizeof(EthernetHeader);
  constexpr uint16_t kTcpBytes = kIpBytes - sizeof(Ipv4Header);
  pattern_.ethernet = {
      .destination = options.destination, .source = options.source, .type = ether_type::kIpv4};
  pattern_.ip.version_ihl = 0x45;
  pattern_.ip.total_length = Be16{kIpBytes};
  pattern_.ip.fragment = Ipv4Header::kDontFragment;
  pattern_.ip.ttl = 64;
  pattern_.ip.protocol = IpProtocol::kTcp;
  pattern_.tcp.destination_port = Be16{kPort};
  pattern_.tcp.data_offset = (sizeof(TcpHeader) / 4) << 4;
  pattern_.tcp.window = Be16{65535};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&pattern_);
  ip_sum_ = OnesComplementSum(bytes + offsetof(Layout, ip), sizeof(Ipv4Header)).wire();
  // The pseudo header's protocol and length; its addresses are the flow's.
  tcp_sum_ = uint64_t{OnesComplementSum(bytes + offsetof(Layout, tcp), kTcpBytes).wire()} +
             Be16{static_cast<uint16_t>(IpProtocol::kTcp)}.wire() + Be16{kTcpBytes}.wire();
}

}  // namespace guideway
