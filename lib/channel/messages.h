// The messages of the channel: fixed size, plain data, offsets and indices only.
//
// Requests flow from the control plane to the data plane's manager, one response comes back for
// each request, in order. Integers are host order (both ends run on one machine); network-order
// fields say so. Every field is checked by the receiver; an error response names the field.
//
// A transaction is kBegin, any number of kSet*/kDelete*, then kCommit (or kAbort). It is applied
// whole at kCommit or not at all. kBegin with `full` starts from empty tables, else from the tables
// of generation `base_generation`, which must be the current one.
#ifndef GUIDEWAY_LIB_CHANNEL_MESSAGES_H_
#define GUIDEWAY_LIB_CHANNEL_MESSAGES_H_

#include <cstdint>
#include <type_traits>

#include "lib/net/address.h"
#include "lib/net/big_endian.h"
#include "lib/net/quic_lb.h"

namespace guideway::channel {

// Capacities: indices run from 0 to capacity - 1.
inline constexpr uint32_t kMaxVips = 4096;
inline constexpr uint32_t kMaxPools = 2048;
inline constexpr uint32_t kMaxBackends = 16384;
inline constexpr uint32_t kMaxNextHops = 16384;
inline constexpr uint32_t kMaxQuicLbs = kMaxVips * kQuicLbConfigs;
inline constexpr uint32_t kMinSlots = 3;
inline constexpr uint32_t kMaxSlots = 1048573;  // the largest prime below 2^20

// An entry of a pool's table in the arena: backend indices, 0xffff = nobody.
struct MaglevSlot {
  uint16_t current = 0xffff;
  uint16_t previous = 0xffff;  // owner before the slot's last change; equals current if none
};
static_assert(sizeof(MaglevSlot) == 4);

// How packets get to a backend.
enum class Encapsulation : uint8_t {
  kL2 = 0,     // Ethernet addresses rewritten
  kIpip = 1,   // tunnels: an outer IP header with
  kGre = 2,    //   GRE
  kGue = 3,    //   GUE variant 0 behind it
  kL3dsr = 4,  // destination address and DSCP rewritten
};
constexpr bool IsTunnel(Encapsulation encapsulation) {
  return encapsulation == Encapsulation::kIpip || encapsulation == Encapsulation::kGre ||
         encapsulation == Encapsulation::kGue;
}

// Which backend of a pool a new flow gets; see dataplane/path/schedulers.h.
enum class Scheduler : uint8_t {
  kMaglev = 0,                    // by the flow's hash
  kMaglevSource = 1,              // by the hash of the client's address
  kWeightedRoundRobin = 2,        // in turn
  kWeightedLeastConnections = 3,  // the one with the fewest flows for its weight
  kTwoChoices = 4,                // the better one of two by hash
};
// Whether a choice depends on more than the packet and the tables.
constexpr bool KeepsState(Scheduler scheduler) {
  return scheduler >= Scheduler::kWeightedRoundRobin;
}
// What one backend of a pool gets at most, over all workers.
enum class WhenFull : uint8_t { kFirstChoice = 0, kDrop = 1 };
struct Breaker {
  uint32_t max_new_flows_per_second;  // 0: any number
  uint32_t max_flows;                 // 0: any number
  WhenFull when_full;                 // what becomes of a new flow that nobody may have
  uint8_t reserved[3];                // 0

  constexpr bool limits() const { return max_new_flows_per_second != 0 || max_flows != 0; }
};
// What becomes of IP fragments for VIPs.
enum class FragmentPolicy : uint8_t {
  kTrack = 0,  // all of a datagram go to the backend of its flow
  kHash3 = 1,  // each goes by its addresses and protocol
  kDrop = 2,
};

enum class MessageType : uint32_t {
  kNone = 0,
  kBegin = 1,
  kSetGlobals = 2,
  kSetVip = 3,
  kDeleteVip = 4,
  kSetPool = 5,
  kDeletePool = 6,
  kSetBackend = 7,
  kDeleteBackend = 8,
  kSetNextHop = 9,
  kDeleteNextHop = 10,
  kCommit = 11,
  kAbort = 12,
  kReadCounters = 13,  // outside transactions: copy the counters into the counters region
  kSetQuicLb = 14,
  kDeleteQuicLb = 15,
  kLookupFlow = 16,   // outside transactions: write what the flow tables know of it into the region
  kAwaitCommit = 17,  // outside transactions: have all workers taken the tables of the last commit?
};

struct BeginBody {
  uint64_t base_generation;
  uint8_t full;  // 0 or 1
};
struct GlobalsBody {
  uint64_t flow_hash_key[6];
  uint32_t half_open_s;  // timeouts, 1..2^20
  uint32_t established_s;
  uint32_t closing_s;
  uint32_t udp_s;
  uint32_t half_closed_s;
  FragmentPolicy fragments;
};
struct VipBody {
  uint32_t index;
  uint32_t pool;
  IpAddress address;
  Be16 port;                  // 0 = any
  uint8_t protocol;           // IpProtocol: kTcp or kUdp
  uint16_t max_segment_size;  // SYNs announce at most this: 536..9000; 0 = whatever they do
  // Timeouts of its flows, up to 2^20; 0 = as in GlobalsBody.
  uint32_t half_open_s;
  uint32_t established_s;
  uint32_t closing_s;
  uint32_t udp_s;
  uint32_t half_closed_s;
};
struct PoolBody {
  uint32_t index;
  uint32_t slot_count;  // kMinSlots..kMaxSlots
  uint32_t arena_slot;  // which arena slot holds slot_count MaglevSlots
  Scheduler scheduler;
  // kMaglevSource: so many leading bits of the client's address count, 0..32 and 0..128; else 0.
  uint8_t source_bits_ipv4;
  uint8_t source_bits_ipv6;
  uint8_t reserved;  // 0
  Breaker breaker;
};
struct BackendBody {
  uint32_t index;
  uint16_t incarnation;
  uint8_t keeps_known_flows;  // 0 or 1
  Encapsulation encapsulation;
  IpAddress outer_source;       // tunnels only; same family as outer_destination
  IpAddress outer_destination;  // the backend's address
  uint32_t next_hop;            // next-hop index; kNoNextHop = not resolved
  Be16 gue_port;                // kGue: UDP destination port, not 0; else 0
  uint8_t gue_hop_list;         // kGue: 1 = every packet has a hop list (second chance); else 0
  uint8_t gue_zero_checksum6;   // kGue: 1 = no UDP checksum over IPv6 (RFC 6935); else 0
  // Tunnels: so many low bits of outer_source, which are 0 there, come from the flow hash: 2..32,
  // or 0 = none, and then at most 24 of an IPv4 address.
  uint8_t source_flow_bits;
  uint8_t dscp;  // kL3dsr: 0..63; else 0
  // QUIC-LB: who has this server ID in a connection ID to a VIP of this pool. Length 0, the other
  // fields 0 as well: nobody. No two backends have the same of both.
  ServerId server_id;
  uint32_t server_id_pool;
};
inline constexpr uint32_t kNoNextHop = 0xffffffff;
inline constexpr uint16_t kMaxVlan = 4094;
struct NextHopBody {
  uint32_t index;
  uint16_t port;       // port index, below the data plane's port count
  uint16_t mtu_bytes;  // 68..65535
  MacAddress destination_mac;
  MacAddress source_mac;
  uint16_t vlan;  // IEEE 802.1Q identifier that frames are tagged with, 1..4094; 0 = no tag
};
// A configuration of QUIC-LB for a VIP, which must be of UDP.
struct QuicLbBody {
  uint32_t index;           // VIP index * kQuicLbConfigs + the configuration's ID
  uint8_t server_id_bytes;  // with nonce_bytes as QuicLbLengthsAreRight() says
  uint8_t nonce_bytes;
  uint8_t encrypted;  // 0 or 1
  Aes128::Block key;  // 0 unless encrypted
};
struct IndexBody {
  uint32_t index;
};
// A flow, as in FlowKey.
struct LookupFlowBody {
  IpAddress source;
  IpAddress destination;
  Be16 source_port;
  Be16 destination_port;
  uint8_t protocol;  // IpProtocol: kTcp or kUdp
};
struct CommitBody {
  uint64_t generation;  // of the new tables; above the current one, by at most kMaxGenerationStep
};
// So that no message, however wrong, can use up the generations.
inline constexpr uint64_t kMaxGenerationStep = uint64_t{1} << 32;

struct Request {
  MessageType type = MessageType::kNone;
  uint32_t sequence = 0;  // echoed in the response
  union Body {
    BeginBody begin;
    GlobalsBody globals;
    VipBody vip;
    PoolBody pool;
    BackendBody backend;
    NextHopBody next_hop;
    QuicLbBody quic_lb;
    IndexBody index;
    CommitBody commit;
    LookupFlowBody lookup_flow;
    uint8_t bytes[120];
  } body = {.bytes = {}};
};
static_assert(sizeof(Request) == 128 && std::is_trivially_copyable_v<Request>);

enum class ResponseCode : uint32_t {
  kOk = 0,
  kUnknownType = 1,
  kOutsideTransaction = 2,   // kSet*/kCommit without kBegin
  kInsideTransaction = 3,    // a question or kBegin within a transaction
  kStaleBase = 4,            // base_generation is not the current generation
  kStaleGeneration = 5,      // kCommit's generation is not above the current one
  kOutOfRange = 6,           // a field is outside its range
  kUnresolvedReference = 7,  // at commit: something refers to an index that does not exist
  kDuplicate = 8,            // at commit: two VIPs with the same address, port and protocol
  kNoMemory = 9,
  kTransactionBroken = 10,  // an earlier message of this transaction was refused
  kNotTaken = 11,           // a worker, whose number is the value, still uses the tables before
};

struct Response {
  uint32_t sequence = 0;
  ResponseCode code = ResponseCode::kOk;
  uint64_t generation = 0;  // the data plane's current generation
  char field[40] = {};      // the refused field's name, zero-terminated
  // And its value. Of a commit that is in force: when the last worker came to use the tables, ns of
  // CLOCK_MONOTONIC.
  uint64_t value = 0;
};
static_assert(sizeof(Response) == 64 && std::is_trivially_copyable_v<Response>);

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_MESSAGES_H_
