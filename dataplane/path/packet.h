// A burst of packets on their way through the stages: bytes plus metadata, no mbuf, no EAL.
//
// The worker fills `frame`, `length_bytes`, `headroom_bytes` and `receive_port`; the stages fill
// the rest, one stage after the other, and decide a verdict. A stage never frees and never touches
// a packet whose verdict is already made. Owned by one worker; no other thread sees it.
#ifndef GUIDEWAY_DATAPLANE_PATH_PACKET_H_
#define GUIDEWAY_DATAPLANE_PATH_PACKET_H_

#include <cstdint>

#include "dataplane/tables/snapshot.h"
#include "lib/net/flow_key.h"
#include "lib/stats/stats.h"

namespace guideway {

inline constexpr uint32_t kBurstCapacity = 32;

enum class Verdict : uint8_t {
  kPending,   // the next stage decides
  kForward,   // send out of transmit_port
  kToKernel,  // not ours: hand to the kernel twin
  kDrop,      // count drop_reason and free
};

// What a packet is, as far as the plain path cares. Everything but kPlain leaves the hot loop in
// LookupVip: to the kernel if its destination is no VIP's address, else with a named drop reason.
enum class PacketKind : uint8_t {
  kPlain,  // a whole TCP or UDP packet, untagged, without IP options or extension headers
  kNotIp,  // ARP, LLDP ...: always the kernel's
  kVlan,
  kIpOptions,
  kIpv6Extension,
  kFragment,
  kIcmp,
  kOtherProtocol,
};

inline constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpAck = 0x10;

struct alignas(kCacheLineBytes) Packet {
  uint8_t* frame = nullptr;   // first byte of the Ethernet header; moves when a stage encapsulates
  uint32_t length_bytes = 0;  // of the frame, contiguous
  uint16_t headroom_bytes = 0;  // writable bytes before `frame`
  uint16_t receive_port = 0;
  uint16_t transmit_port = 0;
  Verdict verdict = Verdict::kPending;
  DropReason drop_reason = DropReason::frame_truncated;
  PacketKind kind = PacketKind::kPlain;
  IpFamily family = IpFamily::kIpv4;
  uint8_t l3_offset = 0;  // from frame to the IP header
  uint8_t tcp_flags = 0;  // 0 for UDP
  bool new_flow = false;  // SelectBackend chose its backend: counted as a new flow
  uint64_t flow_hash = 0;
  FlowKey key;                       // addresses are valid for every IP packet, ports for kPlain
  uint32_t vip = 0;                  // VIP index, after LookupVip
  uint16_t pool = 0;                 // pool index, after LookupVip
  const Backend* backend = nullptr;  // after LookupFlow or SelectBackend

  void Drop(DropReason reason) {
    verdict = Verdict::kDrop;
    drop_reason = reason;
  }
};

struct Burst {
  uint32_t count = 0;
  Packet packets[kBurstCapacity];
};

// What the stages of one worker keep from burst to burst. Owned and used by that worker only.
struct PathState {
  FlowTable* flows = nullptr;  // borrowed
  uint32_t now_s = 0;          // set by the worker before each burst (CLOCK_BOOTTIME seconds)
  uint16_t next_ipv4_id = 0;   // identification of outer IPv4 headers that may be fragmented
  CounterValues counted;       // what this burst adds to the counters (flow_* counters by stages)
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_PACKET_H_
