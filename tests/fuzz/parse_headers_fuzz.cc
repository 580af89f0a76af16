// Any bytes as one frame of exactly that size: ParseHeaders reads nothing beyond it and claims
// nothing that is not there. Input: the frame.
#include "dataplane/path/parse_headers.h"
#include "tests/fuzz/fuzz.h"

namespace guideway {
namespace {

void CheckParsed(const Packet& packet, size_t size) {
  if (packet.verdict == Verdict::kDrop) return;
  FUZZ_CHECK(packet.verdict == Verdict::kPending);
  FUZZ_CHECK(packet.l3_offset >= 14 && packet.l3_offset <= size);
  if (packet.kind == PacketKind::kNotIp) return;
  FUZZ_CHECK(packet.l3_offset == 14 || packet.l3_offset == 18 || packet.l3_offset == 22);
  FUZZ_CHECK(size_t{packet.l3_offset} + packet.ip_length_bytes <= size);
  FUZZ_CHECK((packet.family == IpFamily::kIpv4) == packet.key.destination.IsIpv4());
  FUZZ_CHECK(packet.ports_known || packet.defective || packet.kind != PacketKind::kPlain);
  if (packet.kind == PacketKind::kIcmp && !packet.defective) {
    FUZZ_CHECK(packet.transport_offset <= packet.ip_length_bytes);
  }
  if (packet.kind != PacketKind::kPlain || packet.defective) return;
  const bool tcp = packet.key.protocol == IpProtocol::kTcp;
  FUZZ_CHECK(tcp || packet.key.protocol == IpProtocol::kUdp);
  const size_t ip_header = packet.transport_offset;  // options and extension headers included
  FUZZ_CHECK(ip_header >= (packet.family == IpFamily::kIpv4 ? 20 : 40));
  FUZZ_CHECK(packet.ip_length_bytes >= ip_header + (tcp ? 20 : 8));
  // The ports of the key are those on the wire.
  const uint8_t* ports = packet.frame + packet.l3_offset + ip_header;
  FUZZ_CHECK(packet.key.source_port.host() == (ports[0] << 8 | ports[1]));
  FUZZ_CHECK(packet.key.destination_port.host() == (ports[2] << 8 | ports[3]));
}

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  std::vector<uint8_t> frame(data, data + size);
  Burst burst;
  burst.count = 1;
  burst.packets[0].frame = frame.data();
  burst.packets[0].length_bytes = static_cast<uint32_t>(size);
  burst.packets[0].headroom_bytes = kShortCutHeadroomBytes;  // parsing needs none, but asks
  ParseHeaders(burst.packets[0]);
  CheckParsed(burst.packets[0], size);
  FUZZ_CHECK(std::equal(frame.begin(), frame.end(), data));  // parsing writes nothing
  return 0;
}
