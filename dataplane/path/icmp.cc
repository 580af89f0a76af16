// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/icmp.h"

#include <utility>

#include "dataplane/path/backend_of.h"
#include "dataplane/path/header_chain.h"
#include "dataplane/path/peers.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint8_t kAnswerTtl = 64;
constexpr uint8_t kV4EchoReply = 0, kV4Unreachable = 3, kV4Echo = 8, kV4TimeExceeded = 11,
                  kV4ParameterProblem = 12;
constexpr uint8_t kV6FirstError = 1, kV6LastError = 4, kV6Echo = 128, kV6EchoReply = 129;
constexpr uint32_t kQuotedTransportBytes = 8;  // all that RFC 792 promises
constexpr uint32_t kFragmentHeaderBytes = 8;

struct Message {
  uint8_t* at;  // the ICMP header
  uint32_t length_bytes;

  IcmpHeader& header() const { return *reinterpret_cast<IcmpHeader*>(at); }
};

bool IsEcho(IpFamily family, uint8_t type) {
  return type == (family == IpFamily::kIpv4 ? kV4Echo : kV6Echo);
}

bool IsError(IpFamily family, uint8_t type) {
  if (family == IpFamily::kIpv6) return type >= kV6FirstError && type <= kV6LastError;
  return type == kV4Unreachable || type == kV4TimeExceeded || type == kV4ParameterProblem;
}

// Over all that the checksum covers, its own field included.
Be16 SumOf(const Packet& packet, const Message& message) {
  uint64_t sum = OnesComplementSum(message.at, message.length_bytes).wire();
  if (packet.family == IpFamily::kIpv6) {
    const FlowKey& key = packet.key;
    sum += OnesComplementSum(key.source.bytes.data(), sizeof(key.source)).wire();
    sum += OnesComplementSum(key.destination.bytes.data(), sizeof(key.destination)).wire();
    sum += Be32(message.length_bytes).wire();
    sum += Be32(static_cast<uint32_t>(IpProtocol::kIcmpv6)).wire();
  }
  return Be16::FromWire(FoldSum(sum));
}

bool IsGroup(const MacAddress& address) { return (address.bytes[0] & 1) != 0; }

void AnswerEcho(Packet& packet, const Message& message, PathState& state) {
  auto* ethernet = reinterpret_cast<EthernetHeader*>(packet.frame);
  // RFC 1122, section 3.2.2.6 allows not to answer broadcasts; the answer's source would be one.
  if (IsGroup(ethernet->destination) || IsGroup(ethernet->source)) {
    return packet.Drop(DropReason::icmp_bad);
  }
  if (!state.echo_answers.Take(state.now_ms)) return packet.Drop(DropReason::echo_rate_limited);
  std::swap(ethernet->destination, ethernet->source);
  uint8_t* ip_header = packet.frame + packet.l3_offset;
  IcmpHeader& icmp = message.header();
  if (packet.family == IpFamily::kIpv4) {
    auto* ip = reinterpret_cast<Ipv4Header*>(ip_header);
    std::swap(ip->source, ip->destination);
    // The TTL is the high byte of its word; what swaps changes no sum.
    ip->checksum = UpdateChecksum(ip->checksum, Be16(static_cast<uint16_t>(ip->ttl << 8)),
                                  Be16(uint16_t{kAnswerTtl} << 8));
    ip->ttl = kAnswerTtl;
    icmp.type = kV4EchoReply;
  } else {
    auto* ip = reinterpret_cast<Ipv6Header*>(ip_header);
    std::swap(ip->source, ip->destination);
    ip->hop_limit = kAnswerTtl;
    icmp.type = kV6EchoReply;
  }
  // Anew: of an answer that is all zero an incremental update makes the wrong zero (RFC 1624).
  icmp.checksum = Be16(0);
  icmp.checksum = Be16::FromWire(static_cast<uint16_t>(~SumOf(packet, message).wire()));
  packet.verdict = Verdict::kAnswer;
}

// What an error says of the packet it is about.
struct Quote {
  bool bad = true;  // truncated, or without ports although it must have some
  IpAddress source;
  IpAddress destination;
  IpProtocol protocol = IpProtocol::kTcp;
  const uint8_t* transport = nullptr;  // kQuotedTransportBytes
};

Quote WithTransport(Quote quote, const uint8_t* transport, uint32_t length_bytes) {
  quote.transport = transport;
  quote.bad = length_bytes < kQuotedTransportBytes;
  return quote;
}

// Routers change what they quote (TTL, checksum, even lengths): only what is needed is looked at.
Quote QuoteOfIpv4(const uint8_t* at, uint32_t length_bytes) {
  Quote quote;
  if (length_bytes < sizeof(Ipv4Header)) return quote;
  const auto& ip = *reinterpret_cast<const Ipv4Header*>(at);
  const uint32_t header_bytes = ip.header_bytes();
  const bool later_fragment = (ip.fragment.host() & 0x1fff) != 0;
  if (ip.version() != 4 || header_bytes < sizeof(Ipv4Header) || header_bytes > length_bytes ||
      later_fragment) {
    return quote;
  }
  quote.source = IpAddress::FromIpv4(ip.source);
  quote.destination = IpAddress::FromIpv4(ip.destination);
  quote.protocol = ip.protocol;
  return WithTransport(quote, at + header_bytes, length_bytes - header_bytes);
}

Quote QuoteOfIpv6(const uint8_t* at, uint32_t length_bytes) {
  Quote quote;
  if (length_bytes < sizeof(Ipv6Header)) return quote;
  const auto& ip = *reinterpret_cast<const Ipv6Header*>(at);
  if (ip.version() != 6) return quote;
  quote.source = IpAddress::FromIpv6(ip.source);
  quote.destination = IpAddress::FromIpv6(ip.destination);
  at += sizeof(Ipv6Header);
  length_bytes -= static_cast<uint32_t>(sizeof(Ipv6Header));
  ExtensionHeaders headers =
      WalkExtensionHeaders(static_cast<uint8_t>(ip.next_header), at, length_bytes);
  if (!headers.bad && headers.fragment) {
    const uint8_t* fragment = at + headers.length_bytes;
    const bool later_fragment = fragment[2] != 0 || (fragment[3] & 0xf8) != 0;
    if (later_fragment) return quote;
    at = fragment + kFragmentHeaderBytes;
    length_bytes -= headers.length_bytes + kFragmentHeaderBytes;
    headers = WalkExtensionHeaders(static_cast<uint8_t>(headers.protocol), at, length_bytes);
  }
  if (headers.bad || headers.fragment) return quote;
  quote.protocol = headers.protocol;
  return WithTransport(quote, at + headers.length_bytes, length_bytes - headers.length_bytes);
}

// The flow's packets may come to another worker than errors about it do.
const Backend* OwnerOf(const Packet& packet, const Snapshot& tables, const PathState& state) {
  const auto own = state.flows->Inspect(packet.flow_hash, state.now_s);
  const Backend* known = own.has_value() && own->state != FlowState::kTakenOver
                             ? KnownBackend(tables, own->backend)
                             : nullptr;
  if (known == nullptr) known = KnownToPeers(packet, tables, state).backend;
  if (known != nullptr) return known;
  const channel::MaglevSlot* slot = SlotFor(packet, tables);
  return slot != nullptr ? BackendOf(*slot, tables) : nullptr;
}

void ForwardError(Packet& packet, const Message& message, const Snapshot& tables,
                  PathState& state) {
  const uint8_t* at = message.at + sizeof(IcmpHeader);
  const uint32_t length_bytes = message.length_bytes - uint32_t{sizeof(IcmpHeader)};
  const Quote quote = packet.family == IpFamily::kIpv4 ? QuoteOfIpv4(at, length_bytes)
                                                       : QuoteOfIpv6(at, length_bytes);
  if (quote.bad) return packet.Drop(DropReason::icmp_bad);
  if (quote.source != packet.key.destination) return;
  if (quote.protocol != IpProtocol::kTcp && quote.protocol != IpProtocol::kUdp) return;
  // TCP and UDP begin alike. The quoted packet went the other way: from the VIP to the client.
  const auto& ports = *reinterpret_cast<const UdpHeader*>(quote.transport);
  const VipCell* cell = tables.vips.Find(quote.source, ports.source_port, quote.protocol);
  if (cell == nullptr) return;
  packet.key = {.source = quote.destination,
                .destination = quote.source,
                .source_port = ports.destination_port,
                .destination_port = ports.source_port,
                .protocol = quote.protocol};
  packet.vip = cell->vip;
  packet.pool = cell->pool;
  if (packet.defective) return packet.Drop(packet.defect);
  packet.flow_hash = FlowHash(tables.flow_hash_key, packet.key);
  packet.backend = OwnerOf(packet, tables, state);
  if (packet.backend == nullptr) return packet.Drop(DropReason::no_backend);
  packet.verdict = Verdict::kPending;
  Encapsulate(packet, state);
}

}  // namespace

void HandleIcmp(Packet& packet, const Snapshot& tables, PathState& state) {
  packet.verdict = Verdict::kToKernel;
  // A TTL that is used up matters only to what goes on.
  if (packet.defective && packet.defect != DropReason::ttl_expired) {
    return packet.Drop(packet.defect);
  }
  const Message message{packet.frame + packet.l3_offset + packet.transport_offset,
                        uint32_t{packet.ip_length_bytes} - packet.transport_offset};
  if (message.length_bytes < sizeof(IcmpHeader)) return packet.Drop(DropReason::icmp_bad);
  const uint8_t type = message.header().type;
  const bool echo = IsEcho(packet.family, type);
  if (!echo && !IsError(packet.family, type)) return;
  if (SumOf(packet, message) != Be16(0xffff)) return packet.Drop(DropReason::icmp_bad);
  echo ? AnswerEcho(packet, message, state) : ForwardError(packet, message, tables, state);
}

}  // namespace guideway
