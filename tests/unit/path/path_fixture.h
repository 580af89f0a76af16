// Tables, a flow table and packets in exactly sized buffers, for tests that run the stages.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_PATH_FIXTURE_H_
#define GUIDEWAY_TESTS_UNIT_PATH_PATH_FIXTURE_H_

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/path/path.h"
#include "dataplane/path/state.h"
#include "lib/hash/maglev.h"

namespace guideway {

inline IpAddress Address(const std::string& text) { return IpAddress::Parse(text).value(); }
inline MacAddress Mac(const std::string& text) { return MacAddress::Parse(text).value(); }

// The snapshot that a worker would get, made by hand.
struct World {
  static constexpr uint32_t kNoLimit = 0xffffffff;  // of replies, as far as tests go
  static constexpr size_t kMaxVips = 256, kMaxPools = 64, kMaxBackends = 32;

  explicit World(uint64_t flow_capacity = 4096)
      : cells(VipTable::CellsFor(kMaxVips)),
        pools(kMaxPools),
        slots(kMaxPools),
        backends(kMaxBackends),
        flow_bytes(FlowTable::BytesFor(flow_capacity)),
        flow_memory(std::aligned_alloc(kCacheLineBytes, flow_bytes), &std::free) {
    bool kept;
    *static_cast<uint64_t*>(flow_memory.get()) = 0;
    if (!flows.Attach(flow_memory.get(), flow_bytes, &kept).ok() || kept) std::abort();
    tables.generation = 1;
    tables.vips = VipTable(absl::MakeSpan(cells));
    tables.pools = pools;
    tables.backends = backends;
    tables.flow_hash_key = FlowHashKey::FromSecret("test");
    state.flows = &flows;
    state.fragments = &fragments;
    state.now_s = 100000;
    state.now_ms = 100000000;
    state.too_big_replies = state.echo_answers = TokenBucket(kNoLimit);
  }

  Backend& AddBackend(uint16_t index, channel::Encapsulation encapsulation,
                      const std::string& outer_source, const std::string& address) {
    Backend& backend = backends[index];
    backend.id = 1u << 16 | index;
    backend.exists = backend.keeps_known_flows = true;
    backend.encapsulation = encapsulation;
    if (!outer_source.empty()) backend.outer_source = Address(outer_source);
    backend.outer_destination = Address(address);
    backend.next_hop = {.port = 1,
                        .mtu_bytes = 1500,
                        .destination_mac = Mac("02:00:00:00:02:00"),
                        .source_mac = Mac("02:00:00:00:01:00"),
                        .vlan = Be16(0)};
    return backend;
  }
  // All slots of the pool are this backend's (kNoBackend: nobody's).
  void SetPool(uint16_t index, uint16_t backend) { SetPool(index, backend, backend); }
  void SetPool(uint16_t index, uint16_t backend, uint16_t previous) {
    slots[index].assign(7, {.current = backend, .previous = previous});
    pools[index] = {.slots = slots[index].data(), .slot_count = 7};
  }
  bool AddVip(uint32_t index, const std::string& address, uint16_t port, IpProtocol protocol,
              uint16_t pool, uint16_t max_segment_size = 0) {
    return tables.vips.Insert(Address(address), Be16(port), protocol, index, pool,
                              max_segment_size);
  }

  // Gives a UDP VIP that is there a configuration of QUIC-LB; `key` null: plain.
  void AddQuicLb(const std::string& address, uint16_t port, uint8_t config_id,
                 uint8_t server_id_bytes, uint8_t nonce_bytes, const Aes128::Block* key) {
    const VipCell* cell = tables.vips.Find(Address(address), Be16(port), IpProtocol::kUdp);
    if (cell->quic_vip == 0) {
      quic_vips.emplace_back();
      tables.vips.SetQuicVip(Address(address), cell->port(), IpProtocol::kUdp,
                             static_cast<uint16_t>(quic_vips.size()));
      MakeQuicTable();
    }
    quic_lbs.push_back(std::make_unique<QuicLb>(server_id_bytes, nonce_bytes, key));
    quic_vips[cell->quic_vip - size_t{1}][config_id] = quic_lbs.back().get();
  }
  void AddServerId(uint16_t pool, const std::vector<uint8_t>& bytes, uint16_t backend) {
    ServerId id;
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
    id.length_bytes = static_cast<uint8_t>(bytes.size());
    servers.push_back({.id = id, .pool = pool, .backend = backend});
    MakeQuicTable();
  }
  void MakeQuicTable() {
    server_cells.assign(QuicTable::CellsFor(servers.size()), ServerCell{});
    tables.quic = QuicTable(quic_vips, absl::MakeSpan(server_cells));
    for (const ServerCell& cell : servers) {
      if (!tables.quic.Insert(cell.pool, cell.id, cell.backend)) std::abort();
    }
  }

  std::vector<QuicVip> quic_vips;
  std::vector<std::unique_ptr<QuicLb>> quic_lbs;
  std::vector<ServerCell> servers, server_cells;
  std::vector<VipCell> cells;
  std::vector<Pool> pools;
  std::vector<std::vector<channel::MaglevSlot>> slots;
  std::vector<Backend> backends;
  size_t flow_bytes;
  std::unique_ptr<void, decltype(&std::free)> flow_memory;
  FlowTable flows;
  FragmentTable fragments;
  Snapshot tables;
  PathState state;
};

// A frame at the very end of its allocation, headroom at the very beginning, so that a sanitizer
// sees any access outside of both.
struct Buffer {
  Buffer(const std::vector<uint8_t>& frame, uint16_t headroom_bytes)
      : headroom(headroom_bytes),
        length(static_cast<uint32_t>(frame.size())),
        bytes(new uint8_t[headroom_bytes + frame.size()]) {
    std::copy(frame.begin(), frame.end(), bytes.get() + headroom);
  }
  void Fill(Packet& packet) {
    packet.frame = bytes.get() + headroom;
    packet.length_bytes = length;
    packet.headroom_bytes = headroom;
    packet.receive_port = 0;
  }
  uint16_t headroom;
  uint32_t length;
  std::unique_ptr<uint8_t[]> bytes;
};

inline std::vector<uint8_t> FrameOf(const Packet& packet) {
  return {packet.frame, packet.frame + packet.length_bytes};
}

// The frame without its VLAN tags: at most the two that are parsed.
inline std::vector<uint8_t> Untagged(std::vector<uint8_t> frame) {
  for (int tags = 0; tags < 2 && frame.size() >= 18; ++tags) {
    const int type = frame[12] << 8 | frame[13];
    if (type != 0x8100 && type != 0x88a8) break;
    frame.erase(frame.begin() + 12, frame.begin() + 16);
  }
  return frame;
}

// Identifier of the frame's first VLAN tag; 0: it has none.
inline uint16_t VlanOf(const std::vector<uint8_t>& frame) {
  if (frame.size() < 18 || frame[12] != 0x81 || frame[13] != 0) return 0;
  return static_cast<uint16_t>((frame[14] & 15) << 8 | frame[15]);
}

// What the worker adds to the counters for a packet that the stages are done with.
inline void CountVerdict(const Packet& packet, uint32_t received_bytes, CounterValues& counters) {
  ++counters[Counter::received_packets];
  counters[Counter::received_bytes] += received_bytes;
  switch (packet.verdict) {
    case Verdict::kForward:
      ++counters[Counter::forwarded_packets];
      counters[Counter::forwarded_bytes] += packet.length_bytes;
      return;
    case Verdict::kFragment:
      ++counters[Counter::forwarded_packets];  // its bytes are those of the fragments
      return;
    case Verdict::kToKernel:
      ++counters[Counter::to_kernel_packets];
      return;
    case Verdict::kAnswer:
      ++counters[Counter::answered_packets];
      return;
    case Verdict::kDrop:
      ++counters[packet.drop_reason];
      return;
    case Verdict::kHold:
      --counters[Counter::received_packets];
      counters[Counter::received_bytes] -= received_bytes;
      --counters[Counter::fragments_received];
      return;
    case Verdict::kPending:
      return;  // leaves the counters unbalanced, which the tests look at
  }
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_PATH_FIXTURE_H_
