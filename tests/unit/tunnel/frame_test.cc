// The frames of probes are those in which the data plane sends the same packet to the same backend.
#include "controlplane/tunnel/frame.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "tests/unit/path/packet_builder.h"

namespace guideway {
namespace {

using channel::Encapsulation;

struct Row {
  Encapsulation encapsulation;
  const char* source;  // of the tunnel; "": none
  const char* backend;
  bool hop_list = false;
  bool zero_checksum6 = false;
  uint8_t flow_bits = 0;
  uint16_t vlan = 0;
};

constexpr char kPort4[] = "198.18.0.10", kPort6[] = "2001:db8:b::10";
constexpr char kBackend4[] = "198.18.0.21", kBackend6[] = "2001:db8:b::21";
constexpr char kVip4[] = "198.51.100.1", kVip6[] = "2001:db8:f::1";
constexpr uint16_t kGuePort = 6080;
constexpr uint8_t kDscp = 46;

channel::BackendBody BodyOf(const Row& row) {
  channel::BackendBody body = {};
  body.encapsulation = row.encapsulation;
  body.outer_destination = Address(row.backend);
  body.outer_source = Address(*row.source != '\0' ? row.source : row.backend);
  body.gue_port = Be16(row.encapsulation == Encapsulation::kGue ? kGuePort : uint16_t{0});
  body.gue_hop_list = row.hop_list;
  body.gue_zero_checksum6 = row.zero_checksum6;
  body.source_flow_bits = row.flow_bits;
  body.dscp = row.encapsulation == Encapsulation::kL3dsr ? kDscp : uint8_t{0};
  return body;
}

// What the data plane makes of the client's packet.
struct Forwarded {
  std::vector<uint8_t> frame;
  uint64_t flow_hash = 0;
};
Forwarded ByDataplane(const Row& row, const PacketSpec& spec) {
  World world;
  const channel::BackendBody body = BodyOf(row);
  Backend& backend = world.AddBackend(0, row.encapsulation, row.source, row.backend);
  backend.gue_port = body.gue_port;
  backend.gue_hop_list = row.hop_list;
  backend.gue_zero_checksum6 = row.zero_checksum6;
  backend.source_flow_bits = row.flow_bits;
  backend.dscp = body.dscp;
  backend.next_hop.vlan = Be16(row.vlan);
  world.SetPool(0, 0);
  REQUIRE(world.AddVip(0, spec.destination, spec.destination_port, IpProtocol::kTcp, 0));
  Buffer buffer(Frame(spec), 128);
  Burst burst{};
  burst.count = 1;
  buffer.Fill(burst.packets[0]);
  ProcessBurst(burst, world.tables, world.state);
  const Packet& packet = burst.packets[0];
  REQUIRE(packet.verdict == Verdict::kForward);
  return {FrameOf(packet), packet.flow_hash};
}

std::vector<uint8_t> ByProbe(const Row& row, const PacketSpec& spec, uint64_t flow_hash) {
  ProbeCarrier carrier;
  carrier.backend = BodyOf(row);
  carrier.next_hop.destination_mac = Mac("02:00:00:00:02:00");  // as in World::AddBackend()
  carrier.next_hop.source_mac = Mac("02:00:00:00:01:00");
  carrier.next_hop.vlan = row.vlan;
  carrier.flow_hash = flow_hash;
  std::vector<uint8_t> bytes = Frame(spec);
  bytes.erase(bytes.begin(), bytes.begin() + sizeof(EthernetHeader));
  const auto length_bytes = static_cast<uint16_t>(bytes.size());
  bytes.insert(bytes.begin(), kProbeHeadroomBytes, 0xee);
  const uint32_t front_bytes =
      WriteProbeFrame(carrier, bytes.data() + kProbeHeadroomBytes, length_bytes);
  REQUIRE(front_bytes <= kProbeHeadroomBytes);
  return {bytes.begin() + kProbeHeadroomBytes - front_bytes, bytes.end()};
}

TEST_CASE("a probe's frame is the data plane's") {
  const auto row = GENERATE(values<Row>({
      {Encapsulation::kL2, "", kBackend4},
      {.encapsulation = Encapsulation::kL2, .source = "", .backend = kBackend6, .vlan = 77},
      {Encapsulation::kIpip, kPort4, kBackend4},
      {Encapsulation::kIpip, kPort6, kBackend6},
      {.encapsulation = Encapsulation::kIpip,
       .source = "198.19.0.0",
       .backend = kBackend4,
       .flow_bits = 16,
       .vlan = 4094},
      {.encapsulation = Encapsulation::kIpip,
       .source = "2001:db8:ffff::",
       .backend = kBackend6,
       .flow_bits = 32},
      {Encapsulation::kGre, kPort4, kBackend4},
      {Encapsulation::kGre, kPort6, kBackend6},
      {Encapsulation::kGue, kPort4, kBackend4},
      {Encapsulation::kGue, kPort6, kBackend6},
      {.encapsulation = Encapsulation::kGue,
       .source = kPort6,
       .backend = kBackend6,
       .zero_checksum6 = true},
      {.encapsulation = Encapsulation::kGue,
       .source = kPort4,
       .backend = kBackend4,
       .hop_list = true},
      {.encapsulation = Encapsulation::kGue,
       .source = kPort6,
       .backend = kBackend6,
       .hop_list = true,
       .vlan = 1},
      {Encapsulation::kL3dsr, "", kBackend4},
      {Encapsulation::kL3dsr, "", kBackend6},
  }));
  const bool ipv4 = GENERATE(true, false);
  if (row.encapsulation == Encapsulation::kL3dsr && ipv4 != Address(row.backend).IsIpv4()) return;
  const uint16_t payload_bytes = GENERATE(uint16_t{0}, uint16_t{1}, uint16_t{700});
  INFO("encapsulation " << static_cast<int>(row.encapsulation) << " to " << row.backend << ", IPv"
                        << (ipv4 ? 4 : 6) << ", " << payload_bytes << " bytes");
  PacketSpec spec{.source = ipv4 ? kPort4 : kPort6,
                  .destination = ipv4 ? kVip4 : kVip6,
                  .payload_bytes = payload_bytes,
                  .ttl = 65};  // lowered by the data plane, which routes, and not for a probe
  const Forwarded forwarded = ByDataplane(row, spec);
  spec.ttl = 64;
  CHECK(ByProbe(row, spec, forwarded.flow_hash) == forwarded.frame);
}

}  // namespace
}  // namespace guideway
