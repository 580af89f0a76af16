// Writes the packet benchmark's frames.
#include "perf/micro/traffic_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "dataplane/path/packet.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"
#include "perf/micro/world.h"

namespace guideway {
namespace {

constexpr uint32_t kIpv4FrameBytes = 64, kIpv6FrameBytes = 78;
// More than any row sends: a SYN that comes again while its flow is half-open is no new flow.
constexpr uint32_t kFlowIds = 1u << 28;
constexpr uint32_t kClientsIpv4 = 0x10000000;  // 16.0.0.0/4: nothing leaves the process
constexpr uint32_t kClientsIpv6 = 0xfd000000;
constexpr uint32_t kNoVipsIpv4 = 0xcb007100;  // 203.0.113.0/28

struct Ipv4Frame {
  EthernetHeader ethernet;
  Ipv4Header ip;
  TcpHeader tcp;
  uint8_t payload[10];
};
static_assert(sizeof(Ipv4Frame) == kIpv4FrameBytes);

struct Ipv6Frame {
  EthernetHeader ethernet;
  Ipv6Header ip;
  TcpHeader tcp;
  uint8_t payload[4];
};
static_assert(sizeof(Ipv6Frame) == kIpv6FrameBytes);

TcpHeader TcpTemplate() {
  TcpHeader tcp{};
  tcp.destination_port = Be16(kBenchmarkPort);
  tcp.data_offset = 5 << 4;
  return tcp;
}

Ipv4Frame Ipv4Template(uint32_t destinations) {
  Ipv4Frame frame{};
  frame.ethernet.type = ether_type::kIpv4;
  frame.ip.version_ihl = 0x45;
  frame.ip.total_length = Be16(kIpv4FrameBytes - sizeof(EthernetHeader));
  frame.ip.fragment = Ipv4Header::kDontFragment;
  frame.ip.ttl = 64;
  frame.ip.protocol = IpProtocol::kTcp;
  frame.ip.source = Be32(kClientsIpv4);
  frame.ip.destination = Be32(destinations);
  frame.ip.checksum = InternetChecksum(reinterpret_cast<const uint8_t*>(&frame.ip), 20);
  frame.tcp = TcpTemplate();
  return frame;
}

Ipv6Frame Ipv6Template() {
  Ipv6Frame frame{};
  frame.ethernet.type = ether_type::kIpv6;
  frame.ip.version_class_label = Be32(6u << 28);
  frame.ip.payload_length = Be16(kIpv6FrameBytes - sizeof(EthernetHeader) - sizeof(Ipv6Header));
  frame.ip.next_header = IpProtocol::kTcp;
  frame.ip.hop_limit = 64;
  const Be32 source[4] = {Be32(kClientsIpv6), Be32(0), Be32(0), Be32(0)};
  const Be32 destination[4] = {Be32(kVipsIpv6[0]), Be32(kVipsIpv6[1]), Be32(kVipsIpv6[2]), Be32(0)};
  std::memcpy(frame.ip.source, source, sizeof(source));
  std::memcpy(frame.ip.destination, destination, sizeof(destination));
  frame.tcp = TcpTemplate();
  return frame;
}

uint8_t* Resize(rte_mbuf* packet, uint32_t bytes) {
  packet->data_len = static_cast<uint16_t>(bytes);
  packet->pkt_len = bytes;
  return rte_pktmbuf_mtod(packet, uint8_t*);
}

// Spreads the flows of neighbouring clients over the ports.
Be16 SourcePort(uint32_t flow) {
  return Be16(static_cast<uint16_t>(1024 + (flow * 40503 >> 3 & 0x7fff)));
}

std::vector<uint32_t> ZipfDraws(uint32_t flows, uint32_t seed) {
  constexpr double kExponent = 1.1;
  constexpr size_t kDraws = 1 << 20;
  std::vector<double> sums(flows);
  double sum = 0;
  for (uint32_t i = 0; i < flows; ++i) sums[i] = sum += std::pow(i + 1.0, -kExponent);
  std::vector<uint32_t> by_rank(flows);  // so that popular flows are no neighbours
  for (uint32_t i = 0; i < flows; ++i) by_rank[i] = i;
  std::mt19937 random(seed);
  std::shuffle(by_rank.begin(), by_rank.end(), random);
  std::uniform_real_distribution<double> draw(0, sum);
  std::vector<uint32_t> draws(kDraws);
  for (uint32_t& flow : draws) {
    const auto at = std::lower_bound(sums.begin(), sums.end(), draw(random)) - sums.begin();
    flow = by_rank[std::min<size_t>(static_cast<size_t>(at), flows - 1)];
  }
  return draws;
}

// With both families.
IpFamily FamilyOf(uint32_t flow) { return flow % 10 < 6 ? IpFamily::kIpv4 : IpFamily::kIpv6; }

}  // namespace

TrafficSource::TrafficSource(const Options& options)
    : options_(options), random_(0x9e3779b97f4a7c15 * options.seed) {
  if (options.kind == Kind::kMixed) draws_ = ZipfDraws(options.flows, options.seed);
  if (options.kind == Kind::kMixed || options.kind == Kind::kSyns) next_flow_ = options.flows;
}

// Marsaglia's xorshift (J. Stat. Softw. 8(14)).
uint32_t TrafficSource::Random(uint32_t below) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<uint32_t>((random_ >> 32) * below >> 32);
}

void TrafficSource::Fill(rte_mbuf** packets, uint32_t count) {
  switch (options_.kind) {
    case Kind::kKnown:
    case Kind::kMiss:
      for (uint32_t i = 0; i < count; ++i) {
        WriteFlow(packets[i], Random(options_.flows), kTcpAck);
      }
      return;
    case Kind::kAll:
      for (uint32_t i = 0; i < count; ++i) {
        WriteFlow(packets[i], next_flow_, kTcpAck);
        if (++next_flow_ == options_.flows) next_flow_ = 0;
      }
      return;
    case Kind::kSyns:
      for (uint32_t i = 0; i < count; ++i) {
        WriteFlow(packets[i], next_flow_, kTcpSyn);
        if (++next_flow_ == kFlowIds) next_flow_ = options_.flows;
      }
      return;
    case Kind::kMixed:
      for (uint32_t i = 0; i < count; ++i) FillMixed(packets[i]);
      return;
  }
}

void TrafficSource::FillMixed(rte_mbuf* packet) {
  const uint32_t flow = draws_[next_draw_];
  if (++next_draw_ == draws_.size()) next_draw_ = 0;
  const uint32_t what = Random(1000);
  if (what < 50) {
    WriteFlow(packet, next_flow_, kTcpSyn);
    if (++next_flow_ == kFlowIds) next_flow_ = options_.flows;
  } else if (what < 55) {
    WriteFragment(packet);
  } else if (what < 60) {
    WriteIcmpError(packet, flow / 10 * 10);  // an IPv4 flow
  } else {
    WriteFlow(packet, flow, kTcpAck);
  }
}

void TrafficSource::WriteFlow(rte_mbuf* packet, uint32_t flow, uint8_t tcp_flags) const {
  const IpFamily family = options_.both_families ? FamilyOf(flow) : options_.family;
  family == IpFamily::kIpv4 ? WriteIpv4(packet, flow, tcp_flags)
                            : WriteIpv6(packet, flow, tcp_flags);
}

void TrafficSource::WriteIpv4(rte_mbuf* packet, uint32_t flow, uint8_t tcp_flags) const {
  static const Ipv4Frame kToVips = Ipv4Template(kVipsIpv4);
  static const Ipv4Frame kToOthers = Ipv4Template(kNoVipsIpv4);
  const Ipv4Frame& from = options_.kind == Kind::kMiss ? kToOthers : kToVips;
  auto* frame = reinterpret_cast<Ipv4Frame*>(Resize(packet, kIpv4FrameBytes));
  *frame = from;
  const Be32 source(kClientsIpv4 + flow);
  const Be32 destination(from.ip.destination.host() + (flow & (kBenchmarkVips - 1)));
  frame->ip.source = source;
  frame->ip.destination = destination;
  frame->ip.checksum = UpdateChecksum(
      from.ip.checksum, ChecksumDelta(from.ip.source.wire(), source.wire()) +
                            ChecksumDelta(from.ip.destination.wire(), destination.wire()));
  frame->tcp.source_port = SourcePort(flow);
  frame->tcp.flags = tcp_flags;
}

void TrafficSource::WriteIpv6(rte_mbuf* packet, uint32_t flow, uint8_t tcp_flags) const {
  static const Ipv6Frame kToVips = Ipv6Template();
  auto* frame = reinterpret_cast<Ipv6Frame*>(Resize(packet, kIpv6FrameBytes));
  *frame = kToVips;
  const Be32 source(flow), destination(flow & (kBenchmarkVips - 1));
  std::memcpy(frame->ip.source + 12, &source, sizeof(source));
  std::memcpy(frame->ip.destination + 12, &destination, sizeof(destination));
  frame->tcp.source_port = SourcePort(flow);
  frame->tcp.flags = tcp_flags;
}

// A datagram in two fragments, one after the other.
void TrafficSource::WriteFragment(rte_mbuf* packet) {
  const uint32_t datagram = next_fragment_ / 2;
  const bool first = next_fragment_++ % 2 == 0;
  WriteIpv4(packet, datagram % options_.flows / 10 * 10, kTcpAck);
  auto* ip = &rte_pktmbuf_mtod(packet, Ipv4Frame*)->ip;
  constexpr uint16_t kMoreFragments = 0x2000;
  // A multiple of 8 bytes in the first; the padding behind it is Ethernet's.
  ip->total_length = Be16(sizeof(Ipv4Header) + 24);
  ip->identification = Be16(static_cast<uint16_t>(datagram));
  ip->fragment = Be16(first ? kMoreFragments : uint16_t{3});
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(reinterpret_cast<const uint8_t*>(ip), sizeof(Ipv4Header));
}

// "Host unreachable" about a packet that the VIP sent.
void TrafficSource::WriteIcmpError(rte_mbuf* packet, uint32_t flow) const {
  WriteIpv4(packet, flow, kTcpAck);
  auto* frame = rte_pktmbuf_mtod(packet, Ipv4Frame*);
  struct Error {
    EthernetHeader ethernet;
    Ipv4Header ip;
    IcmpHeader icmp;
    Ipv4Header quoted;
    Be16 quoted_ports[2];
    Be32 quoted_sequence;
  } error{};
  error.ethernet = frame->ethernet;
  error.ip = frame->ip;
  error.ip.protocol = IpProtocol::kIcmp;
  error.ip.source = Be32(kClientsIpv4 + 1);  // a router
  error.ip.total_length = Be16(sizeof(error) - sizeof(EthernetHeader));
  error.ip.checksum = Be16(0);
  error.ip.checksum = InternetChecksum(reinterpret_cast<const uint8_t*>(&error.ip), 20);
  error.icmp.type = 3;
  error.icmp.code = 1;
  error.quoted = frame->ip;
  std::swap(error.quoted.source, error.quoted.destination);
  error.quoted_ports[0] = frame->tcp.destination_port;
  error.quoted_ports[1] = frame->tcp.source_port;
  const auto* message = reinterpret_cast<const uint8_t*>(&error.icmp);
  error.icmp.checksum =
      InternetChecksum(message, sizeof(error) - sizeof(EthernetHeader) - sizeof(Ipv4Header));
  std::memcpy(Resize(packet, sizeof(error)), &error, sizeof(error));
}

}  // namespace guideway
