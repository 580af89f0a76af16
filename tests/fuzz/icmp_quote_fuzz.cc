// Any bytes as what an ICMP error to a VIP's address quotes: a plain reading of them agrees about
// the flow, and the error goes to the backend that has it, as it came; or to the kernel, or is
// dropped.
//
// Input: control (1 byte: bit 0 IPv6; bit 1 this worker knows the flow, bit 2 another one does,
// bit 3 the backend of bit 1 is gone; bit 4 the quoted source is made the VIP's address; bits 5-6
// the type of the error), code (1), the quote (at most 1200 bytes).
#include <optional>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/path/icmp_builder.h"
#include "tests/unit/path/plain_header_chain.h"

namespace guideway {
namespace {

constexpr size_t kMostQuotedBytes = 1200;  // fits the MTU
constexpr uint16_t kTcpPort = 443;         // UDP: any
constexpr const char* kVips[] = {"198.51.100.1", "2001:db8:a::1"};
constexpr const char* kRouters[] = {"192.0.2.99", "2001:db8::99"};
constexpr uint8_t kErrors[2][4] = {{3, 11, 12, 3}, {1, 2, 3, 4}};
constexpr uint16_t kOfSlot = 0, kOwn = 1, kPeers = 2;  // backends, and the ports they are behind

struct Worlds {
  World own, peer{64};
  const FlowTable* const peers[1] = {&peer.flows};

  Worlds() : own(64) {
    for (const uint16_t backend : {kOfSlot, kOwn, kPeers}) {
      own.AddBackend(backend, channel::Encapsulation::kL2, "", "203.0.113.1").next_hop.port =
          backend;
    }
    own.SetPool(0, kOfSlot);
    uint32_t vip = 0;
    for (const char* address : kVips) {
      FUZZ_CHECK(own.AddVip(vip++, address, kTcpPort, IpProtocol::kTcp, 0));
      FUZZ_CHECK(own.AddVip(vip++, address, 0, IpProtocol::kUdp, 0));
    }
    own.state.peers = peers;
  }
};

// The part of a quoted packet behind its headers, and what those say; none: it cannot be read.
struct Quoted {
  IpAddress source, destination;
  uint8_t protocol = 0;
  absl::Span<const uint8_t> transport;
};

IpAddress AddressAt(absl::Span<const uint8_t> bytes, size_t at, bool v6) {
  IpAddress address = Address(v6 ? "::" : "0.0.0.0");
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), v6 ? 16 : 4,
              address.bytes.begin() + (v6 ? 0 : 12));
  return address;
}

std::optional<Quoted> ReadIpv4(absl::Span<const uint8_t> quote) {
  if (quote.size() < 20 || quote[0] >> 4 != 4 || (quote[0] & 15) < 5) return std::nullopt;
  const size_t header_bytes = (quote[0] & 15u) * 4;
  if (header_bytes + 8 > quote.size()) return std::nullopt;
  if (((quote[6] << 8 | quote[7]) & 0x1fff) != 0) return std::nullopt;
  return Quoted{AddressAt(quote, 12, false), AddressAt(quote, 16, false), quote[9],
                quote.subspan(header_bytes)};
}

std::optional<Quoted> ReadIpv6(absl::Span<const uint8_t> quote) {
  if (quote.size() < 40 || quote[0] >> 4 != 6) return std::nullopt;
  Quoted quoted{AddressAt(quote, 8, true), AddressAt(quote, 24, true), 0, quote.subspan(40)};
  std::optional<PlainChain> chain = PlainWalk(quote[6], quoted.transport);
  if (chain.has_value() && chain->fragment) {
    quoted.transport.remove_prefix(chain->length_bytes);
    const int offset_bytes = (quoted.transport[2] << 8 | quoted.transport[3]) & 0xfff8;
    if (offset_bytes != 0) return std::nullopt;
    quoted.transport.remove_prefix(8);
    chain = PlainWalk(chain->protocol, quoted.transport);
  }
  if (!chain.has_value() || chain->fragment) return std::nullopt;
  quoted.transport.remove_prefix(chain->length_bytes);
  quoted.protocol = chain->protocol;
  if (quoted.transport.size() < 8) return std::nullopt;
  return quoted;
}

// The flow that a quoted packet is of, if it left a VIP.
std::optional<FlowKey> FlowOf(const Quoted& quoted, const IpAddress& vip) {
  const auto port = [&](size_t at) {
    return static_cast<uint16_t>(quoted.transport[at] << 8 | quoted.transport[at + 1]);
  };
  const bool tcp = quoted.protocol == 6 && port(0) == kTcpPort, udp = quoted.protocol == 17;
  if (quoted.source != vip || !(tcp || udp)) return std::nullopt;
  return FlowKey{.source = quoted.destination,
                 .destination = vip,
                 .source_port = Be16(port(2)),
                 .destination_port = Be16(port(0)),
                 .protocol = tcp ? IpProtocol::kTcp : IpProtocol::kUdp};
}

// Makes the flow known as `control` says; the port that its backend is behind.
uint16_t Enter(const FlowKey& flow, uint8_t control, Worlds& worlds) {
  const uint64_t hash = FlowHash(worlds.own.tables.flow_hash_key, flow);
  const auto enter = [&](FlowTable& flows, uint16_t backend) {
    flows.Insert(hash, worlds.own.backends[backend].id, FlowState::kPickedUp,
                 worlds.own.state.now_s, FlowTimeouts{});
  };
  if ((control & 2) != 0) enter(worlds.own.flows, kOwn);
  if ((control & 4) != 0) enter(worlds.peer.flows, kPeers);
  if ((control & 2) != 0 && (control & 8) == 0) return kOwn;
  return (control & 4) != 0 ? kPeers : kOfSlot;
}

void CheckForwarded(const Packet& packet, const FlowKey& flow, uint16_t port,
                    const std::vector<uint8_t>& came) {
  FUZZ_CHECK(packet.verdict == Verdict::kForward && packet.transmit_port == port);
  FUZZ_CHECK(packet.key == flow);
  const std::vector<uint8_t> left = FrameOf(packet);
  const ptrdiff_t icmp_at = came[12] == 0x86 ? 54 : 34;
  FUZZ_CHECK(left.size() == came.size());
  FUZZ_CHECK(std::equal(left.begin() + icmp_at, left.end(), came.begin() + icmp_at));
}

void Run(fuzz::Input input, Worlds& worlds) {
  const uint8_t control = input.U8();
  const bool v6 = (control & 1) != 0;
  std::vector<uint8_t> message = {kErrors[v6][control >> 5 & 3], input.U8(), 0, 0, 0, 0, 0, 0};
  std::vector<uint8_t> quote = input.Bytes(kMostQuotedBytes);
  const IpAddress vip = Address(kVips[v6]);
  if ((control & 16) != 0 && quote.size() >= 40) {
    std::copy(vip.bytes.begin() + (v6 ? 0 : 12), vip.bytes.end(), quote.begin() + (v6 ? 8 : 12));
  }
  message.insert(message.end(), quote.begin(), quote.end());
  const std::vector<uint8_t> frame = IcmpFrame(kRouters[v6], kVips[v6], message);

  worlds.own.flows.Clear(1);
  worlds.peer.flows.Clear(1);
  worlds.own.state.counted = CounterValues{};
  worlds.own.backends[kOwn].keeps_known_flows = (control & 8) == 0;
  const std::optional<Quoted> quoted = v6 ? ReadIpv6(quote) : ReadIpv4(quote);
  const std::optional<FlowKey> flow = quoted.has_value() ? FlowOf(*quoted, vip) : std::nullopt;
  const uint16_t port = flow.has_value() ? Enter(*flow, control, worlds) : kOfSlot;

  Buffer buffer(frame, 64);
  Burst burst;
  burst.count = 1;
  buffer.Fill(burst.packets[0]);
  ProcessBurst(burst, worlds.own.tables, worlds.own.state);
  const Packet& packet = burst.packets[0];
  for (const Counter counter : {Counter::flow_hits, Counter::flow_misses, Counter::flow_inserts}) {
    FUZZ_CHECK(worlds.own.state.counted[counter] == 0);
  }
  if (flow.has_value()) return CheckForwarded(packet, *flow, port, frame);
  FUZZ_CHECK(FrameOf(packet) == frame);
  FUZZ_CHECK(packet.verdict == (quoted.has_value() ? Verdict::kToKernel : Verdict::kDrop));
  FUZZ_CHECK(quoted.has_value() || packet.drop_reason == DropReason::icmp_bad);
}

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  static Worlds* const worlds = std::make_unique<Worlds>().release();
  Run(fuzz::Input(data, size), *worlds);
  return 0;
}
