// Comparing tables field by field (the message bodies have padding, so not by bytes).
#include "controlplane/compiler/tables.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace guideway {
namespace {

using channel::MessageType;

bool Same(const channel::GlobalsBody& a, const channel::GlobalsBody& b) {
  return std::equal(std::begin(a.flow_hash_key), std::end(a.flow_hash_key),
                    std::begin(b.flow_hash_key)) &&
         a.half_open_s == b.half_open_s && a.established_s == b.established_s &&
         a.closing_s == b.closing_s && a.udp_s == b.udp_s && a.half_closed_s == b.half_closed_s &&
         a.fragments == b.fragments;
}
bool Same(const channel::VipBody& a, const channel::VipBody& b) {
  return a.pool == b.pool && a.address == b.address && a.port == b.port &&
         a.protocol == b.protocol && a.max_segment_size == b.max_segment_size &&
         a.half_open_s == b.half_open_s && a.established_s == b.established_s &&
         a.closing_s == b.closing_s && a.udp_s == b.udp_s && a.half_closed_s == b.half_closed_s;
}
bool Same(const PoolSlots& a, const PoolSlots& b) {
  return a == b || (a->size() == b->size() &&
                    std::memcmp(a->data(), b->data(), a->size() * sizeof((*a)[0])) == 0);
}
bool Same(const channel::Breaker& a, const channel::Breaker& b) {
  return a.max_new_flows_per_second == b.max_new_flows_per_second && a.max_flows == b.max_flows &&
         a.when_full == b.when_full;
}
bool Same(const PoolEntry& a, const PoolEntry& b) {
  return Same(a.slots, b.slots) && a.scheduler == b.scheduler &&
         a.source_bits_ipv4 == b.source_bits_ipv4 && a.source_bits_ipv6 == b.source_bits_ipv6 &&
         Same(a.breaker, b.breaker);
}
bool Same(const channel::BackendBody& a, const channel::BackendBody& b) {
  return a.incarnation == b.incarnation && a.keeps_known_flows == b.keeps_known_flows &&
         a.encapsulation == b.encapsulation && a.outer_source == b.outer_source &&
         a.outer_destination == b.outer_destination && a.next_hop == b.next_hop &&
         a.gue_port == b.gue_port && a.gue_hop_list == b.gue_hop_list &&
         a.gue_zero_checksum6 == b.gue_zero_checksum6 && a.source_flow_bits == b.source_flow_bits &&
         a.dscp == b.dscp && a.server_id == b.server_id && a.server_id_pool == b.server_id_pool;
}
bool Same(const channel::NextHopBody& a, const channel::NextHopBody& b) {
  return a.port == b.port && a.mtu_bytes == b.mtu_bytes && a.destination_mac == b.destination_mac &&
         a.source_mac == b.source_mac && a.vlan == b.vlan;
}

bool Same(const channel::QuicLbBody& a, const channel::QuicLbBody& b) {
  return a.server_id_bytes == b.server_id_bytes && a.nonce_bytes == b.nonce_bytes &&
         a.encrypted == b.encrypted && a.key == b.key;
}

TableChange Set(uint32_t, const channel::VipBody& vip) {
  TableChange change;
  change.request.type = MessageType::kSetVip;
  change.request.body.vip = vip;
  return change;
}
TableChange Set(uint32_t index, const PoolEntry& pool) {
  TableChange change;
  change.request.type = MessageType::kSetPool;
  change.request.body.pool = {.index = index,
                              .slot_count = static_cast<uint32_t>(pool.slots->size()),
                              .arena_slot = 0,
                              .scheduler = pool.scheduler,
                              .source_bits_ipv4 = pool.source_bits_ipv4,
                              .source_bits_ipv6 = pool.source_bits_ipv6,
                              .reserved = 0,
                              .breaker = pool.breaker};
  change.slots = pool.slots;
  return change;
}
TableChange Set(uint32_t, const channel::BackendBody& backend) {
  TableChange change;
  change.request.type = MessageType::kSetBackend;
  change.request.body.backend = backend;
  return change;
}
TableChange Set(uint32_t, const channel::NextHopBody& next_hop) {
  TableChange change;
  change.request.type = MessageType::kSetNextHop;
  change.request.body.next_hop = next_hop;
  return change;
}

TableChange Set(uint32_t, const channel::QuicLbBody& quic_lb) {
  TableChange change;
  change.request.type = MessageType::kSetQuicLb;
  change.request.body.quic_lb = quic_lb;
  return change;
}

// What is in a map of `to` and was not, or not so, in that of `from` (may be null): of one part of
// the map; false: there is no such part.
template <typename Body>
bool AppendSets(size_t part, IndexMap<Body> Tables::*map, const Tables* from, const Tables& to,
                std::deque<TableChange>* changes) {
  if (part >= (to.*map).parts()) return false;
  const IndexMap<Body>* before = from != nullptr ? &(from->*map) : nullptr;
  (to.*map).ForEachNotSharedOf(part, before, [&](uint32_t index, const Body& body) {
    const Body* old = before != nullptr ? before->Find(index) : nullptr;
    if (old == nullptr || !Same(*old, body)) changes->push_back(Set(index, body));
  });
  return true;
}

// What is in the map of `from` only, likewise.
template <typename Body>
bool AppendDeletes(size_t part, MessageType type, IndexMap<Body> Tables::*map, const Tables* from,
                   const Tables& to, std::deque<TableChange>* changes) {
  if (from == nullptr || part >= (from->*map).parts()) return false;
  (from->*map).ForEachNotSharedOf(part, &(to.*map), [&](uint32_t index, const Body&) {
    if ((to.*map).contains(index)) return;
    TableChange change;
    change.request.type = type;
    change.request.body.index.index = index;
    changes->push_back(std::move(change));
  });
  return true;
}

bool AppendGlobals(size_t part, const Tables* from, const Tables& to,
                   std::deque<TableChange>* changes) {
  if (part > 0) return false;
  if (from == nullptr || !Same(from->globals, to.globals)) {
    changes->emplace_back();
    changes->back().request.type = MessageType::kSetGlobals;
    changes->back().request.body.globals = to.globals;
  }
  return true;
}

}  // namespace

bool TableDifference::Step(std::deque<TableChange>* changes) {
  while (part_ != Part::kDone) {
    if (Append(next_++, changes)) return true;
    part_ = static_cast<Part>(static_cast<int>(part_) + 1);
    next_ = 0;
  }
  return false;
}

bool TableDifference::Append(size_t next, std::deque<TableChange>* changes) const {
  switch (part_) {
    case Part::kGlobals:
      return AppendGlobals(next, from_, *to_, changes);
    case Part::kNextHops:
      return AppendSets(next, &Tables::next_hops, from_, *to_, changes);
    case Part::kBackends:
      return AppendSets(next, &Tables::backends, from_, *to_, changes);
    case Part::kPools:
      return AppendSets(next, &Tables::pools, from_, *to_, changes);
    case Part::kVips:
      return AppendSets(next, &Tables::vips, from_, *to_, changes);
    case Part::kQuicLbs:
      return AppendSets(next, &Tables::quic_lbs, from_, *to_, changes);
    case Part::kOldQuicLbs:
      return AppendDeletes(next, MessageType::kDeleteQuicLb, &Tables::quic_lbs, from_, *to_,
                           changes);
    case Part::kOldVips:
      return AppendDeletes(next, MessageType::kDeleteVip, &Tables::vips, from_, *to_, changes);
    case Part::kOldPools:
      return AppendDeletes(next, MessageType::kDeletePool, &Tables::pools, from_, *to_, changes);
    case Part::kOldBackends:
      return AppendDeletes(next, MessageType::kDeleteBackend, &Tables::backends, from_, *to_,
                           changes);
    case Part::kOldNextHops:
      return AppendDeletes(next, MessageType::kDeleteNextHop, &Tables::next_hops, from_, *to_,
                           changes);
    case Part::kDone:
      break;
  }
  return false;
}

std::vector<TableChange> Difference(const Tables* from, const Tables& to) {
  TableDifference difference(from, &to);
  std::deque<TableChange> changes;
  while (difference.Step(&changes)) {
  }
  return {std::make_move_iterator(changes.begin()), std::make_move_iterator(changes.end())};
}

}  // namespace guideway
