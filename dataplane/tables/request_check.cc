#include "dataplane/tables/request_check.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/flow/flow_table.h"
#include "lib/hash/maglev.h"
#include "lib/net/encapsulation.h"
#include "lib/net/flow_key.h"
#include "lib/net/l3dsr.h"
#include "lib/net/mss.h"

namespace guideway {

using namespace channel;  // NOLINT(google-build-using-namespace): this file is about its messages

namespace {

constexpr uint16_t kMinMtuBytes = 68;  // RFC 791, section 3.2

// Collects the first refusal over the fields of one message.
class FieldCheck {
 public:
  explicit FieldCheck(std::string prefix) : prefix_(std::move(prefix)) {}
  FieldCheck& Require(bool good, const char* field, uint64_t value) {
    if (!good && refusal_.ok()) {
      refusal_ = {ResponseCode::kOutOfRange, absl::StrCat(prefix_, ".", field), value};
    }
    return *this;
  }
  Refusal result() const { return refusal_; }

 private:
  const std::string prefix_;
  Refusal refusal_;
};

std::string Indexed(const char* table, uint32_t index) {
  return absl::StrCat(table, "[", index, "]");
}

// For responses: an IPv4 address as an integer, or the first 8 bytes of an IPv6 address.
uint64_t ValueOf(const IpAddress& address) {
  if (address.IsIpv4()) return address.ipv4().host();
  Be64 high;
  std::memcpy(&high, address.bytes.data(), sizeof(high));
  return high.host();
}

uint64_t ValueOf(const MacAddress& address) {
  uint64_t value = 0;
  for (const uint8_t byte : address.bytes) value = value << 8 | byte;
  return value;
}

bool IsHost(const IpAddress& address) {
  static const IpAddress kBroadcast = IpAddress::FromIpv4(Be32(0xffffffff));
  return !address.IsUnspecified() && !address.IsMulticast() && !address.IsLoopback() &&
         address != kBroadcast;
}

// The last 32 bits of an address of either family.
uint32_t LowBits(const IpAddress& address) {
  return std::bit_cast<IpAddressWords>(address).ipv4.host();
}

// Of any number of bits, also one that is refused.
uint32_t MaskOf(uint8_t bits) {
  return bits >= 32 ? 0xffffffff : static_cast<uint32_t>((uint64_t{1} << bits) - 1);
}

bool FlowBitsAreRight(const BackendBody& body) {
  const uint8_t bits = body.source_flow_bits;
  if (bits == 0) return true;
  const uint8_t most = body.outer_destination.IsIpv4() ? kMaxFlowBitsIpv4 : kMaxFlowBits;
  return IsTunnel(body.encapsulation) && bits >= kMinFlowBits && bits <= most;
}

bool IsStation(const MacAddress& address) {
  return !address.IsZero() && (address.bytes[0] & 1) == 0;  // not a group address
}

Refusal CheckVips(const TableState& tables) {
  using Key = std::tuple<IpAddress, uint16_t, uint8_t>;
  absl::flat_hash_set<Key> seen;
  seen.reserve(tables.vips.size());
  for (uint32_t i = 0; i < tables.vips.size(); ++i) {
    const auto& vip = tables.vips[i];
    if (!vip.exists) continue;
    if (vip.body.pool >= tables.pools.size() || tables.pools[vip.body.pool] == nullptr) {
      return {ResponseCode::kUnresolvedReference, absl::StrCat(Indexed("vip", i), ".pool"),
              vip.body.pool};
    }
    if (!seen.insert({vip.body.address, vip.body.port.wire(), vip.body.protocol}).second) {
      return {ResponseCode::kDuplicate, absl::StrCat(Indexed("vip", i), ".address"),
              ValueOf(vip.body.address)};
    }
  }
  return {};
}

Refusal CheckNextHopReferences(const TableState& tables) {
  for (uint32_t i = 0; i < tables.backends.size(); ++i) {
    const auto& backend = tables.backends[i];
    if (!backend.exists || backend.body.next_hop == kNoNextHop) continue;
    const uint32_t next_hop = backend.body.next_hop;
    if (next_hop < tables.next_hops.size() && tables.next_hops[next_hop].exists) continue;
    return {ResponseCode::kUnresolvedReference, absl::StrCat(Indexed("backend", i), ".next_hop"),
            next_hop};
  }
  return {};
}

// For responses: the first 8 bytes.
uint64_t ValueOf(const ServerId& id) {
  Be64 high;
  std::memcpy(&high, id.bytes.data(), sizeof(high));
  return high.host();
}

bool IsZero(const uint8_t* first, const uint8_t* last) {
  return std::all_of(first, last, [](uint8_t byte) { return byte == 0; });
}

bool ServerIdIsRight(const ServerId& id) {
  if (id.length_bytes > kMaxServerIdBytes) return false;
  return IsZero(id.bytes.data() + id.length_bytes, id.bytes.data() + id.bytes.size());
}

Refusal CheckQuicLbs(const TableState& tables) {
  for (uint32_t i = 0; i < tables.quic_lbs.size(); ++i) {
    if (!tables.quic_lbs[i].exists) continue;
    const uint32_t vip = i / kQuicLbConfigs;
    const bool udp = vip < tables.vips.size() && tables.vips[vip].exists &&
                     tables.vips[vip].body.protocol == static_cast<uint8_t>(IpProtocol::kUdp);
    if (udp) continue;
    return {ResponseCode::kUnresolvedReference, absl::StrCat(Indexed("quic_lb", i), ".vip"), vip};
  }
  return {};
}

Refusal CheckServerIds(const TableState& tables) {
  absl::flat_hash_set<std::pair<uint32_t, std::string>> seen;
  for (uint32_t i = 0; i < tables.backends.size(); ++i) {
    const auto& backend = tables.backends[i];
    if (!backend.exists || backend.body.server_id.length_bytes == 0) continue;
    const ServerId& id = backend.body.server_id;
    const uint32_t pool = backend.body.server_id_pool;
    if (pool >= tables.pools.size() || tables.pools[pool] == nullptr) {
      return {ResponseCode::kUnresolvedReference,
              absl::StrCat(Indexed("backend", i), ".server_id_pool"), pool};
    }
    std::string bytes(id.bytes.begin(), id.bytes.begin() + id.length_bytes);
    if (!seen.emplace(pool, std::move(bytes)).second) {
      return {ResponseCode::kDuplicate, absl::StrCat(Indexed("backend", i), ".server_id"),
              ValueOf(id)};
    }
  }
  return {};
}

}  // namespace

Refusal CheckGlobals(const GlobalsBody& body) {
  const auto in_range = [](uint32_t seconds) {
    return seconds >= 1 && seconds <= FlowTimeouts::kMaxSeconds;
  };
  return FieldCheck("globals")
      .Require(in_range(body.half_open_s), "half_open_s", body.half_open_s)
      .Require(in_range(body.established_s), "established_s", body.established_s)
      .Require(in_range(body.closing_s), "closing_s", body.closing_s)
      .Require(in_range(body.udp_s), "udp_s", body.udp_s)
      .Require(in_range(body.half_closed_s), "half_closed_s", body.half_closed_s)
      .Require(body.fragments <= FragmentPolicy::kDrop, "fragments",
               static_cast<uint8_t>(body.fragments))
      .result();
}

Refusal CheckVip(const VipBody& body) {
  const bool known_protocol = body.protocol == static_cast<uint8_t>(IpProtocol::kTcp) ||
                              body.protocol == static_cast<uint8_t>(IpProtocol::kUdp);
  const uint16_t mss = body.max_segment_size;
  const auto in_range = [](uint32_t seconds) { return seconds <= FlowTimeouts::kMaxSeconds; };
  return FieldCheck(Indexed("vip", body.index))
      .Require(body.index < kMaxVips, "index", body.index)
      .Require(body.pool < kMaxPools, "pool", body.pool)
      .Require(IsHost(body.address), "address", ValueOf(body.address))
      .Require(known_protocol, "protocol", body.protocol)
      .Require(mss == 0 || (mss >= kMinMssLimit && mss <= kMaxMssLimit), "max_segment_size", mss)
      .Require(in_range(body.half_open_s), "half_open_s", body.half_open_s)
      .Require(in_range(body.established_s), "established_s", body.established_s)
      .Require(in_range(body.closing_s), "closing_s", body.closing_s)
      .Require(in_range(body.udp_s), "udp_s", body.udp_s)
      .Require(in_range(body.half_closed_s), "half_closed_s", body.half_closed_s)
      .result();
}

Refusal CheckPool(const PoolBody& body, const ArenaView& arena) {
  const bool by_source = body.scheduler == Scheduler::kMaglevSource;
  return FieldCheck(Indexed("pool", body.index))
      .Require(body.index < kMaxPools, "index", body.index)
      .Require(body.slot_count >= kMinSlots && body.slot_count <= kMaxSlots, "slot_count",
               body.slot_count)
      .Require(body.slot_count <= arena.EntriesPerSlot(), "slot_count", body.slot_count)
      .Require(body.arena_slot < arena.slot_count, "arena_slot", body.arena_slot)
      .Require(body.scheduler <= Scheduler::kTwoChoices, "scheduler",
               static_cast<uint8_t>(body.scheduler))
      .Require(body.source_bits_ipv4 <= (by_source ? 32 : 0), "source_bits_ipv4",
               body.source_bits_ipv4)
      .Require(body.source_bits_ipv6 <= (by_source ? 128 : 0), "source_bits_ipv6",
               body.source_bits_ipv6)
      .Require(body.reserved == 0, "reserved", body.reserved)
      .Require(body.breaker.when_full <=
                   (body.breaker.limits() ? WhenFull::kDrop : WhenFull::kFirstChoice),
               "breaker.when_full", static_cast<uint8_t>(body.breaker.when_full))
      .Require(IsZero(body.breaker.reserved, std::end(body.breaker.reserved)), "breaker.reserved",
               body.breaker.reserved[0])
      .result();
}

Refusal CheckBackend(const BackendBody& body) {
  FieldCheck check(Indexed("backend", body.index));
  check.Require(body.index < kMaxBackends, "index", body.index)
      .Require(body.keeps_known_flows <= 1, "keeps_known_flows", body.keeps_known_flows)
      .Require(body.encapsulation <= Encapsulation::kL3dsr, "encapsulation",
               static_cast<uint8_t>(body.encapsulation))
      .Require(body.next_hop < kMaxNextHops || body.next_hop == kNoNextHop, "next_hop",
               body.next_hop);
  const bool gue = body.encapsulation == Encapsulation::kGue;
  const uint8_t max_dscp = body.encapsulation == Encapsulation::kL3dsr ? kMaxDscp : 0;
  check.Require((body.gue_port == Be16(0)) != gue, "gue_port", body.gue_port.host())
      .Require(body.gue_hop_list <= (gue ? 1 : 0), "gue_hop_list", body.gue_hop_list)
      .Require(body.gue_zero_checksum6 <= (gue ? 1 : 0), "gue_zero_checksum6",
               body.gue_zero_checksum6)
      .Require(body.dscp <= max_dscp, "dscp", body.dscp)
      .Require(FlowBitsAreRight(body), "source_flow_bits", body.source_flow_bits);
  const uint32_t pools = body.server_id.length_bytes == 0 ? 1 : kMaxPools;
  check.Require(ServerIdIsRight(body.server_id), "server_id", body.server_id.length_bytes)
      .Require(body.server_id_pool < pools, "server_id_pool", body.server_id_pool);
  if (body.encapsulation != Encapsulation::kL2) {
    check.Require(IsHost(body.outer_destination), "outer_destination",
                  ValueOf(body.outer_destination));
  }
  if (IsTunnel(body.encapsulation)) {
    check.Require(IsHost(body.outer_source), "outer_source", ValueOf(body.outer_source))
        .Require(body.outer_source.family() == body.outer_destination.family(), "outer_source",
                 ValueOf(body.outer_source))
        .Require((LowBits(body.outer_source) & MaskOf(body.source_flow_bits)) == 0, "outer_source",
                 ValueOf(body.outer_source));
  }
  return check.result();
}

Refusal CheckQuicLb(const QuicLbBody& body) {
  const bool key_is_right =
      body.encrypted != 0 || IsZero(body.key.data(), body.key.data() + body.key.size());
  return FieldCheck(Indexed("quic_lb", body.index))
      .Require(body.index < kMaxQuicLbs, "index", body.index)
      .Require(QuicLbLengthsAreRight(body.server_id_bytes, kMinNonceBytes), "server_id_bytes",
               body.server_id_bytes)
      .Require(QuicLbLengthsAreRight(body.server_id_bytes, body.nonce_bytes), "nonce_bytes",
               body.nonce_bytes)
      .Require(body.encrypted <= 1, "encrypted", body.encrypted)
      .Require(key_is_right, "key", 0)  // the value is nobody's business
      .result();
}

Refusal CheckNextHop(const NextHopBody& body, uint32_t port_count) {
  return FieldCheck(Indexed("next_hop", body.index))
      .Require(body.index < kMaxNextHops, "index", body.index)
      .Require(body.port < port_count, "port", body.port)
      .Require(body.mtu_bytes >= kMinMtuBytes, "mtu_bytes", body.mtu_bytes)
      .Require(IsStation(body.destination_mac), "destination_mac", ValueOf(body.destination_mac))
      .Require(IsStation(body.source_mac), "source_mac", ValueOf(body.source_mac))
      .Require(body.vlan <= kMaxVlan, "vlan", body.vlan)
      .result();
}

Refusal CheckLookupFlow(const LookupFlowBody& body) {
  const bool known_protocol = body.protocol == static_cast<uint8_t>(IpProtocol::kTcp) ||
                              body.protocol == static_cast<uint8_t>(IpProtocol::kUdp);
  return FieldCheck("lookup_flow").Require(known_protocol, "protocol", body.protocol).result();
}

Refusal CheckDelete(MessageType type, uint32_t index) {
  switch (type) {
    case MessageType::kDeleteVip:
      return FieldCheck(Indexed("vip", index)).Require(index < kMaxVips, "index", index).result();
    case MessageType::kDeletePool:
      return FieldCheck(Indexed("pool", index)).Require(index < kMaxPools, "index", index).result();
    case MessageType::kDeleteBackend:
      return FieldCheck(Indexed("backend", index))
          .Require(index < kMaxBackends, "index", index)
          .result();
    case MessageType::kDeleteNextHop:
      return FieldCheck(Indexed("next_hop", index))
          .Require(index < kMaxNextHops, "index", index)
          .result();
    case MessageType::kDeleteQuicLb:
      return FieldCheck(Indexed("quic_lb", index))
          .Require(index < kMaxQuicLbs, "index", index)
          .result();
    default:
      return {ResponseCode::kUnknownType, "type", static_cast<uint64_t>(type)};
  }
}

Refusal CheckTables(const TableState& tables, const PoolSet& unchecked_pools) {
  if (!tables.globals.exists) return {ResponseCode::kUnresolvedReference, "globals", 0};
  if (Refusal refusal = CheckVips(tables); !refusal.ok()) return refusal;
  if (Refusal refusal = CheckQuicLbs(tables); !refusal.ok()) return refusal;
  if (Refusal refusal = CheckServerIds(tables); !refusal.ok()) return refusal;
  if (Refusal refusal = CheckNextHopReferences(tables); !refusal.ok()) return refusal;
  BackendSet existing;
  for (size_t i = 0; i < tables.backends.size(); ++i) existing[i] = tables.backends[i].exists;
  for (uint32_t pool = 0; pool < tables.pools.size(); ++pool) {
    if (tables.pools[pool] == nullptr || !unchecked_pools[pool]) continue;
    const BackendSet missing = tables.pools[pool]->backends() & ~existing;
    if (missing.none()) continue;
    return {ResponseCode::kUnresolvedReference, absl::StrCat(Indexed("pool", pool), ".slots"),
            missing._Find_first()};
  }
  return {};
}

}  // namespace guideway
