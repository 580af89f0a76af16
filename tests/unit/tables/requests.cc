#include "tests/unit/tables/requests.h"

#include "lib/hash/siphash.h"

namespace guideway {

using namespace channel;  // NOLINT(google-build-using-namespace): this file is about its messages

namespace {

Request OfType(MessageType type) {
  Request request;
  request.type = type;
  return request;
}

// Chains fields, each as an integer, so that padding does not count.
class Digest {
 public:
  void Add(uint64_t value) { state_ = SipHash24({state_, 1}, value); }
  template <size_t kBytes>
  void Add(const std::array<uint8_t, kBytes>& bytes) {
    state_ = SipHash24({state_, 2}, bytes.data(), kBytes);
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0;
};

// Any server ID of WithServerId's with a first byte of 0 in the first pools, and what each VIP of
// QUIC-LB makes of one connection ID.
void AddQuic(const Snapshot& snapshot, Digest* digest) {
  constexpr uint8_t kCid[1 + kMaxServerIdAndNonceBytes] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (const QuicVip& vip : snapshot.quic.vips()) {
    for (const QuicLb* config : vip) {
      digest->Add(config != nullptr);
      if (config == nullptr) continue;
      digest->Add(config->min_cid_bytes());
      digest->Add(config->Decode(kCid).bytes);
    }
  }
  for (uint16_t pool = 0; pool < snapshot.pools.size(); ++pool) {
    for (int last = 0; last < 256; ++last) {
      const ServerId id{.bytes = {0, static_cast<uint8_t>(last)}, .length_bytes = 2};
      const ServerCell* cell = snapshot.quic.Find(pool, id);
      if (cell != nullptr) digest->Add(uint64_t{cell->backend} << 16 | uint64_t{pool} << 8 | last);
    }
  }
}

}  // namespace

Request Begin(bool full, uint64_t base_generation) {
  Request request = OfType(MessageType::kBegin);
  request.body.begin = {.base_generation = base_generation, .full = full};
  return request;
}

Request Commit(uint64_t generation) {
  Request request = OfType(MessageType::kCommit);
  request.body.commit = {.generation = generation};
  return request;
}

Request Abort() { return OfType(MessageType::kAbort); }

Request SetGlobals() {
  Request request = OfType(MessageType::kSetGlobals);
  request.body.globals = {.flow_hash_key = {1, 2, 3, 4, 5, 6},
                          .half_open_s = 30,
                          .established_s = 3600,
                          .closing_s = 31,
                          .udp_s = 120,
                          .half_closed_s = 121,
                          .fragments = FragmentPolicy::kTrack};
  return request;
}

Request SetVip(uint32_t index, uint32_t pool) {
  Request request = OfType(MessageType::kSetVip);
  request.body.vip = {.index = index,
                      .pool = pool,
                      .address = IpAddress::FromIpv4(Be32(0xc6336400 + index)),
                      .port = Be16(80),
                      .protocol = static_cast<uint8_t>(IpProtocol::kTcp),
                      .max_segment_size = 0,
                      .half_open_s = 0,
                      .established_s = 0,
                      .closing_s = 0,
                      .udp_s = 0,
                      .half_closed_s = 0};
  return request;
}

Request SetPool(uint32_t index, uint32_t slot_count, uint32_t arena_slot) {
  Request request = OfType(MessageType::kSetPool);
  request.body.pool = {.index = index,
                       .slot_count = slot_count,
                       .arena_slot = arena_slot,
                       .scheduler = Scheduler::kMaglev,
                       .source_bits_ipv4 = 0,
                       .source_bits_ipv6 = 0,
                       .reserved = 0,
                       .breaker = {}};
  return request;
}

Request SetBackend(uint32_t index, uint32_t next_hop) {
  Request request = OfType(MessageType::kSetBackend);
  request.body.backend = {.index = index,
                          .incarnation = 1,
                          .keeps_known_flows = 1,
                          .encapsulation = Encapsulation::kL2,
                          .outer_source = IpAddress::FromIpv4(Be32(0x0a000001)),
                          .outer_destination = IpAddress::FromIpv4(Be32(0x0a010000 + index)),
                          .next_hop = next_hop,
                          .gue_port = Be16(0),
                          .gue_hop_list = 0,
                          .gue_zero_checksum6 = 0,
                          .source_flow_bits = 0,
                          .dscp = 0,
                          .server_id = {},
                          .server_id_pool = 0};
  return request;
}

Request SetNextHop(uint32_t index) {
  Request request = OfType(MessageType::kSetNextHop);
  request.body.next_hop = {.index = index,
                           .port = 0,
                           .mtu_bytes = 1500,
                           .destination_mac = {{2, 0, 0, 0, 1, static_cast<uint8_t>(index)}},
                           .source_mac = {{2, 0, 0, 0, 0, 1}},
                           .vlan = 5};
  return request;
}

Request SetQuicLb(uint32_t index) {
  Request request = OfType(MessageType::kSetQuicLb);
  request.body.quic_lb = {.index = index,
                          .server_id_bytes = 2,
                          .nonce_bytes = 6,
                          .encrypted = 1,
                          .key = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
  return request;
}

Request WithServerId(Request backend, uint32_t pool, uint8_t first, uint8_t second) {
  backend.body.backend.server_id = {.bytes = {first, second}, .length_bytes = 2};
  backend.body.backend.server_id_pool = pool;
  return backend;
}

Request Delete(MessageType type, uint32_t index) {
  Request request = OfType(type);
  request.body.index = {.index = index};
  return request;
}

uint64_t DigestOf(const Snapshot& snapshot) {
  Digest digest;
  for (const uint64_t word : snapshot.flow_hash_key.words) digest.Add(word);
  digest.Add(snapshot.flow_key_digest);
  digest.Add(uint64_t{snapshot.timeouts.half_open_s} << 32 | snapshot.timeouts.established_s);
  digest.Add(uint64_t{snapshot.timeouts.closing_s} << 32 | snapshot.timeouts.udp_s);
  digest.Add(snapshot.timeouts.half_closed_s);
  for (const Pool& pool : snapshot.pools) {
    digest.Add(uint64_t{pool.slot_count} << 32 | static_cast<uint64_t>(pool.scheduler) << 16 |
               uint64_t{pool.source_bits_ipv4} << 8 | pool.source_bits_ipv6);
    digest.Add(uint64_t{pool.breaker.max_new_flows_per_second} << 32 | pool.breaker.max_flows);
    digest.Add(uint64_t{pool.keeps_state} << 1 | static_cast<uint64_t>(pool.breaker.when_full));
    for (const Candidate& candidate : pool.candidates) {
      digest.Add(uint64_t{candidate.slots} << 16 | candidate.backend);
    }
    for (const uint16_t backend : pool.turns) digest.Add(backend);
    for (uint32_t i = 0; i < pool.slot_count; ++i) {
      digest.Add(uint64_t{pool.slots[i].current} << 16 | pool.slots[i].previous);
    }
  }
  for (const Backend& backend : snapshot.backends) {
    digest.Add(uint64_t{backend.id} << 5 | uint64_t{backend.exists} << 4 |
               uint64_t{backend.keeps_known_flows} << 3 |
               static_cast<uint64_t>(backend.encapsulation));
    digest.Add(uint64_t{backend.gue_port.host()} << 32 | uint64_t{backend.gue_hop_list} << 25 |
               uint64_t{backend.gue_zero_checksum6} << 24 |
               uint64_t{backend.source_flow_bits} << 8 | backend.dscp);
    digest.Add(backend.outer_source.bytes);
    digest.Add(backend.outer_destination.bytes);
    digest.Add(uint64_t{backend.next_hop.port} << 16 | backend.next_hop.mtu_bytes);
    digest.Add(backend.next_hop.destination_mac.bytes);
    digest.Add(backend.next_hop.source_mac.bytes);
  }
  for (const uint32_t share : snapshot.shares) digest.Add(share);
  // Any address of SetVip's that is a VIP, with its pool.
  for (uint32_t i = 0; i < kMaxVips; ++i) {
    const VipCell* cell =
        snapshot.vips.Find(IpAddress::FromIpv4(Be32(0xc6336400 + i)), Be16(80), IpProtocol::kTcp);
    if (cell == nullptr) continue;
    digest.Add(uint64_t{cell->vip} << 32 | uint64_t{cell->pool} << 16 | i);
    const FlowTimeouts& timeouts = snapshot.TimeoutsOf(cell->vip);
    digest.Add(uint64_t{timeouts.half_open_s} << 32 | timeouts.established_s);
    digest.Add(timeouts.half_closed_s);
  }
  AddQuic(snapshot, &digest);
  return digest.value();
}

}  // namespace guideway
