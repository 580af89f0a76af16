// The shared memory of the channel: one memfd of sealed size, made by the data plane for each
// connection and handed to the control plane over a Unix SOCK_SEQPACKET with SCM_RIGHTS, together
// with one doorbell (a datagram socket pair) for each direction.
//
//   header | request ring | response ring | vitals | counters region | arena slots
//
// Each end computes this geometry from the handshake's capacities and keeps it privately; after the
// handshake nothing in the memory is ever trusted as an index, a size or an offset.
#ifndef GUIDEWAY_LIB_CHANNEL_LAYOUT_H_
#define GUIDEWAY_LIB_CHANNEL_LAYOUT_H_

#include <cstdint>

#include "lib/channel/messages.h"
#include "lib/stats/stats.h"

namespace guideway::channel {

inline constexpr uint64_t kMagic = 0x4779617765646975;  // "uideway" + 'G'
inline constexpr uint32_t kProtocolVersion = 5;
inline constexpr uint32_t kMaxPorts = 16;
inline constexpr uint32_t kMaxWorkers = 64;

// One port as the data plane runs it. Sent with the handshake.
struct PortInfo {
  char name[64] = {};              // as given with --port: "eth0", "0000:3b:00.0", "net_pcap0"
  char kernel_interface[16] = {};  // the kernel twin; empty if there is none
  MacAddress mac;
  uint16_t mtu_bytes = 0;
};

// Sizes that both ends must agree on; a difference is refused by name.
struct Sizes {
  uint32_t request_bytes = sizeof(Request);
  uint32_t response_bytes = sizeof(Response);
  uint32_t slot_bytes = sizeof(MaglevSlot);
  uint32_t counters_bytes = 0;  // sizeof(CountersRegion)
  uint32_t vitals_bytes = 0;    // sizeof(Vitals)
  uint32_t counter_count = kCounterCount;
  uint32_t drop_reason_count = kDropReasonCount;
  uint32_t reserved = 0;  // no padding behind: a Welcome is compared byte by byte
};

// Control plane -> data plane, first packet on the socket.
struct Hello {
  uint64_t magic = kMagic;
  uint32_t version = kProtocolVersion;
  uint32_t process_id = 0;
  Sizes sizes;
};

// Data plane -> control plane. With accepted != 0 it carries three descriptors: the memfd, the
// request doorbell (the control plane rings), the response doorbell (the data plane rings).
struct Welcome {
  uint64_t magic = kMagic;
  uint32_t version = kProtocolVersion;
  uint32_t accepted = 0;
  char refusal[128] = {};  // why not, zero-terminated: names the field that differs
  Sizes sizes;
  uint64_t instance = 0;    // random, new for each start of a data plane
  uint64_t generation = 0;  // of the tables in force; 0 = none
  uint32_t worker_count = 0;
  uint32_t port_count = 0;
  uint32_t request_capacity = 0;   // ring entries, power of two
  uint32_t response_capacity = 0;  // ring entries, power of two
  uint32_t arena_slot_count = 0;
  uint32_t arena_slot_bytes = 0;
  PortInfo ports[kMaxPorts];
};

// Data plane -> control plane, the last packet on the socket: another control plane has taken the
// place of this one, which was not seen to move.
struct Farewell {
  uint64_t magic = kMagic;
  uint32_t successor_process_id = 0;
  uint32_t reserved = 0;
};

// Per-VIP and per-backend totals over all workers.
struct TrafficValues {
  uint64_t packets = 0;
  uint64_t bytes = 0;  // frame bytes as received
  uint64_t new_flows = 0;
};

// What becomes of a backend's flows, over all workers.
struct BackendFlowValues {
  uint64_t active_flows = 0;  // entries of the flow tables, see FlowTable::CountOf()
  uint64_t counters[kBackendCounterCount] = {};  // by BackendCounter
};

// The packets of a VIP, or of none, that were not forwarded, over all workers.
struct OtherVerdictValues {
  uint64_t to_kernel_packets = 0;
  uint64_t answered_packets = 0;
  uint64_t drops[kDropReasonCount] = {};
};

// What the workers' flow tables know of one flow. Written by the data plane on kLookupFlow before
// it answers; read by the control plane.
struct FlowLookup {
  uint64_t flow_hash = 0;     // by the key in force
  uint32_t worker_count = 0;  // entries that mean something
  struct Entry {
    uint32_t backend = 0;         // index in the low 16 bits, incarnation in the high 16
    uint32_t times_out_in_s = 0;  // if no packet comes
    uint8_t state = 0;            // FlowState; 0: the worker does not know the flow
  } workers[kMaxWorkers];
};

// Written by the data plane on kReadCounters before it answers; read by the control plane.
struct CountersRegion {
  uint64_t generation = 0;
  CounterValues total;
  CounterValues workers[kMaxWorkers];
  struct Port {
    uint64_t received_packets = 0;
    uint64_t sent_packets = 0;
    uint64_t receive_missed = 0;  // lost by the NIC before a worker could take them
    uint64_t receive_errors = 0;
    uint64_t from_kernel_packets = 0;       // sent by the kernel through its twin
    uint64_t kernel_twin_lost_packets = 0;  // on the way to or from the kernel twin
  } ports[kMaxPorts];
  uint64_t flow_capacity = 0;
  TrafficValues vips[kMaxVips];
  OtherVerdictValues vip_others[kMaxVips];
  // Packets for no VIP, and all that was counted for VIPs that are gone. Over this and all VIPs
  // each verdict and drop reason sums up to `total`, but for the bursts that came while reading.
  TrafficValues former_vips;
  OtherVerdictValues no_vip;
  TrafficValues backends[kMaxBackends];
  uint64_t worker_busy_ns[kMaxWorkers] = {};  // time of rounds in which there were packets
  BackendFlowValues backend_flows[kMaxBackends];
  FlowLookup flow_lookup;  // on kLookupFlow
};

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_LAYOUT_H_
