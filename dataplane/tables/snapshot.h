// The snapshot: everything a worker reads to forward a packet, immutable once published.
//
// Built by the manager from validated channel messages, published with one pointer store, freed
// after every worker has passed a quiescent point. Workers only read it. DPDK-free: memory comes
// from the builder's allocator (hugepages in the data plane, the heap in tests).
#ifndef GUIDEWAY_DATAPLANE_TABLES_SNAPSHOT_H_
#define GUIDEWAY_DATAPLANE_TABLES_SNAPSHOT_H_

#include <cstdint>

#include "absl/types/span.h"
#include "dataplane/tables/quic_table.h"
#include "dataplane/tables/shares.h"
#include "dataplane/tables/vip_table.h"
#include "lib/channel/messages.h"
#include "lib/flow/flow_table.h"
#include "lib/hash/flow_hash.h"
#include "lib/net/address.h"

namespace guideway {

// Where a packet to a backend leaves: by the kernel's routes and neighbours, or a static gateway.
struct NextHop {
  uint16_t port = 0;       // egress port index
  uint16_t mtu_bytes = 0;  // largest IP packet the port sends; 0 = next hop not resolved
  MacAddress destination_mac;
  MacAddress source_mac;
  Be16 vlan;  // tag of the frames, priority 0; 0 = no tag
};
static_assert(sizeof(NextHop) == 18);

// What Encapsulate can do without looking at a backend's other fields: L2, IPIP, GRE and GUE, with
// a fixed source; to a next hop that is there and takes no tag. kNone: it has to look.
enum class PlainOuter : uint8_t {
  kNone,
  kL2,
  kIpipIpv4,
  kIpipIpv6,
  kGreIpv4,
  kGreIpv6,
  kGueIpv4,
  kGueIpv6,
  kGueHopsIpv4,  // with a hop list
  kGueHopsIpv6,
};

struct alignas(kCacheLineBytes) Backend {
  BackendId id = 0;  // index and incarnation; a free index has exists == false
  bool exists = false;
  // False: does not exist, is unhealthy or disabled; its flows are selected anew.
  bool keeps_known_flows = false;
  channel::Encapsulation encapsulation = channel::Encapsulation::kL2;
  uint8_t source_flow_bits = 0;  // of tunnels: low bits of outer_source that the flow gives, or 0
  IpAddress outer_source;        // of tunnels; the family is the outer family
  IpAddress outer_destination;   // the backend's address
  NextHop next_hop;
  Be16 gue_port;                               // UDP destination port
  bool gue_hop_list = false;                   // second chance: see lib/net/gue.h
  bool gue_zero_checksum6 = false;             // no UDP checksum over IPv6
  uint8_t dscp = 0;                            // of L3DSR
  PlainOuter plain_outer = PlainOuter::kNone;  // PlainOuterOf(), or kNone, which is slower
};
static_assert(sizeof(Backend) == kCacheLineBytes);

inline PlainOuter PlainOuterOf(const Backend& backend) {
  const bool plain_hop = backend.next_hop.mtu_bytes != 0 && backend.next_hop.vlan == Be16(0);
  if (!plain_hop) return PlainOuter::kNone;
  if (backend.encapsulation == channel::Encapsulation::kL2) return PlainOuter::kL2;
  if (backend.source_flow_bits != 0) return PlainOuter::kNone;
  const bool ipv4 = backend.outer_destination.IsIpv4();
  switch (backend.encapsulation) {
    case channel::Encapsulation::kIpip:
      return ipv4 ? PlainOuter::kIpipIpv4 : PlainOuter::kIpipIpv6;
    case channel::Encapsulation::kGre:
      return ipv4 ? PlainOuter::kGreIpv4 : PlainOuter::kGreIpv6;
    case channel::Encapsulation::kGue:
      if (backend.gue_hop_list) return ipv4 ? PlainOuter::kGueHopsIpv4 : PlainOuter::kGueHopsIpv6;
      return ipv4 ? PlainOuter::kGueIpv4 : PlainOuter::kGueIpv6;
    case channel::Encapsulation::kL2:
    case channel::Encapsulation::kL3dsr:
      break;
  }
  return PlainOuter::kNone;
}

struct Pool {
  const channel::MaglevSlot* slots = nullptr;  // slot_count entries; current == kNoBackend: nobody
  uint32_t slot_count = 0;                     // 0: the pool does not exist
  channel::Scheduler scheduler = channel::Scheduler::kMaglev;
  uint8_t source_bits_ipv4 = 0;  // of kMaglevSource
  uint8_t source_bits_ipv6 = 0;
  bool keeps_state = false;                     // PoolTable::keeps_state()
  absl::Span<const Candidate> candidates = {};  // if keeps_state; may be empty
  absl::Span<const uint16_t> turns = {};        // of kWeightedRoundRobin: backend indices
  channel::Breaker breaker = {};
};

struct Vip {
  uint32_t index = 0;  // for the per-VIP counters
  uint16_t pool = 0;
};

struct Snapshot {
  uint64_t generation = 0;  // 0: nothing configured yet
  FlowHashKey flow_hash_key;
  uint64_t flow_key_digest = 0;
  FlowTimeouts timeouts;                        // of VIPs without their own
  absl::Span<const FlowTimeouts> vip_timeouts;  // by VIP index; beyond it: `timeouts`
  channel::FragmentPolicy fragments = channel::FragmentPolicy::kTrack;
  VipTable vips;
  absl::Span<const Pool> pools;        // by pool index
  absl::Span<const Backend> backends;  // by backend index
  // By backend index: how many slots of its pool are its own, if the pool keeps state.
  // 0: it gets no new flows.
  absl::Span<const uint32_t> shares;
  QuicTable quic;

  const FlowTimeouts& TimeoutsOf(uint32_t vip) const {
    return vip < vip_timeouts.size() ? vip_timeouts[vip] : timeouts;
  }
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_SNAPSHOT_H_
