// A burst of packets on their way through the stages: bytes plus metadata, no mbuf, no EAL.
//
// The worker fills `frame`, `length_bytes`, `headroom_bytes` and `receive_port`; ParseHeaders sets
// all else afresh, and the later stages leave alone a packet whose verdict is made. A stage never
// frees. Owned by one worker; no other thread sees it.
#ifndef GUIDEWAY_DATAPLANE_PATH_PACKET_H_
#define GUIDEWAY_DATAPLANE_PATH_PACKET_H_

#include <array>
#include <cstdint>

#include "dataplane/tables/snapshot.h"
#include "lib/net/flow_key.h"
#include "lib/stats/stats.h"

namespace guideway {

inline constexpr uint32_t kBurstCapacity = 48;

enum class Verdict : uint8_t {
  kPending,   // the next stage decides
  kForward,   // send out of transmit_port
  kToKernel,  // not ours: hand to the kernel twin
  kAnswer,    // ours to answer: send the frame, which is the answer now, out of receive_port
  kDrop,      // count drop_reason and free
  kFragment,  // the worker cuts it so that fragment_mtu_bytes fit, Encapsulate()s and sends the
              // parts
  kHold,      // a fragment: Wait() in the fragment table, by flow_hash; not received yet
};

// What a packet is, as far as the plain path cares. Everything but kPlain leaves the hot loop in
// LookupVip: to the kernel if its destination is no VIP's address; else icmp.h and fragments.h
// decide about those two, and kOtherProtocol, which no VIP takes, is the kernel's.
enum class PacketKind : uint8_t {
  kPlain,     // a whole TCP or UDP packet
  kNotIp,     // ARP, LLDP ..., and IPv6 to an IPv4-mapped address: always the kernel's
  kFragment,  // fragments.h decides about those for a VIP's address
  kIcmp,      // ICMP in IPv4, ICMPv6 in IPv6; a fragment of it has the defect icmp_bad
  kOtherProtocol,
};

inline constexpr uint32_t kNoVip = 0xffffffff;
inline constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpAck = 0x10;

// Bit f: flags f (FIN to URG; the rest is congestion control) are no contradiction: there are some,
// and no SYN with a FIN or RST.
inline constexpr uint64_t kGoodTcpFlags = [] {
  uint64_t good = 0;
  for (uint32_t flags = 1; flags < 64; ++flags) {
    const bool syn_with_end = (flags & kTcpSyn) != 0 && (flags & (kTcpFin | kTcpRst)) != 0;
    if (!syn_with_end) good |= uint64_t{1} << flags;
  }
  return good;
}();
constexpr bool TcpFlagsAreGood(uint8_t flags) { return (kGoodTcpFlags >> (flags & 63) & 1) != 0; }

constexpr bool IsSynWithoutAck(uint8_t tcp_flags) {
  return (tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
}

// The packets that take the short cuts through parsing and encapsulation: untagged, whole, TCP or
// UDP, no options or extension headers, nothing wrong, room for every plain outer header. The
// value, added to a backend's PlainOuter, names the code of forward_plain.h.
enum class ShortCut : uint8_t { kNone = 0, kIpv4 = 16, kIpv6 = 32 };
inline constexpr uint32_t kShortCutHeadroomBytes = 72;  // the longest: IPv6 and GUE with a hop

// Of a packet, what ParseHeaders sets to the same for nearly all of them: one word, one store.
struct PacketFacts {
  Verdict verdict = Verdict::kPending;
  PacketKind kind = PacketKind::kPlain;
  IpFamily family = IpFamily::kIpv4;
  uint8_t l3_offset = 0;  // from frame to the IP header: 14, and 4 for each VLAN tag
  bool new_flow = false;  // SelectBackend entered its flow into the flow table
  // What ParseHeaders found wrong above the IP header. It matters only if the packet is for a VIP:
  // LookupVip drops it then; else the kernel is to judge it.
  bool defective = false;
  DropReason defect = DropReason::l4_truncated;
  // kPlain, and not truncated before the end of the ports; a first fragment with all headers.
  bool ports_known = false;
};
static_assert(sizeof(PacketFacts) == sizeof(uint64_t));

struct alignas(kCacheLineBytes) Packet : PacketFacts {
  uint8_t* frame = nullptr;   // first byte of the Ethernet header; moves when a stage encapsulates
  uint32_t length_bytes = 0;  // of the frame, contiguous
  uint16_t headroom_bytes = 0;  // writable bytes before `frame`
  uint16_t receive_port = 0;

  ShortCut short_cut = ShortCut::kNone;
  uint8_t tcp_flags = 0;          // 0 for UDP
  uint16_t transport_offset = 0;  // from the IP header to TCP, UDP, ICMP; or a fragment's payload
  uint16_t ip_length_bytes = 0;   // of the IP packet; what follows in the frame is padding
  uint16_t transmit_port = 0;

  uint64_t flow_hash = 0;
  FlowBucket* bucket = nullptr;  // of what goes on after LookupVip: the flow's first; borrowed
  // Addresses: every IP packet; ports: if ports_known. Of an ICMP error that is forwarded: the key
  // of the flow that it is about.
  FlowKey key;

  // After LookupVip, as in VipCell:
  uint16_t pool = 0;                 // pool index
  uint16_t max_segment_size = 0;     // of the VIP: SYNs announce at most this; 0: whatever they do
  uint32_t vip = kNoVip;             // VIP index
  const Backend* backend = nullptr;  // after LookupFlow or SelectBackend; QUIC-LB: LookupVip
  // Second chance: who else may have the socket of this packet; only a backend with a hop list has
  // one, and they are of one family. After SelectBackend.
  const Backend* alternate = nullptr;
  // kFragment: the longest IP packet that fits without outer header
  uint16_t fragment_mtu_bytes = 0;
  DropReason drop_reason = DropReason::frame_truncated;  // kDrop

  bool pending() const { return verdict == Verdict::kPending; }
  void Drop(DropReason reason) {
    verdict = Verdict::kDrop;
    drop_reason = reason;
  }
  // The first thing found counts.
  void SetDefect(DropReason reason) {
    if (!defective) defect = reason;
    defective = true;
  }
};

static_assert(sizeof(Packet) == 2 * kCacheLineBytes);

// Some packets of a burst, by their places in it.
class BurstPlaces {
 public:
  void clear() { count_ = 0; }
  void Add(uint8_t place) { places_[count_++] = place; }
  uint32_t size() const { return count_; }
  const uint8_t* begin() const { return places_; }
  const uint8_t* end() const { return places_ + count_; }

 private:
  uint32_t count_ = 0;
  uint8_t places_[kBurstCapacity];
};

struct Burst {
  uint32_t count = 0;
  uint32_t without_vip = 0;  // after LookupVip: plain packets that are the kernel's
  // After LookupFlow:
  BurstPlaces unknown;     // for which it found no flow
  uint32_t not_found = 0;  // those of `unknown` whose flow may be known elsewhere: all but SYNs
  BurstPlaces left;        // pending, but not forwarded yet, nor unknown; and fragments
  Packet packets[kBurstCapacity];

  uint8_t PlaceOf(const Packet& packet) const { return static_cast<uint8_t>(&packet - packets); }

  // For loops over the burst's packets.
  Packet* begin() { return packets; }
  Packet* end() { return packets + count; }
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_PACKET_H_
