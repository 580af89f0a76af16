// Nanoseconds a packet of ProcessBurst, full bursts of 32, IPIP 4in4, TCP; one thread, no I/O.
//
// "Known": every packet belongs to one of N flows that are in the flow table (four times as large
// as N). "Encapsulations": the same with 1000 flows by encapsulation. "New": every packet is the
// SYN of a flow that is not. Flows come in a shuffled order, so that large N miss the cache as they
// do in production. Restoring the frame (the outer header is written in place) is part of the loop;
// "HarnessOnly" measures it alone, to be subtracted. "Sweep" is what a worker does to its flow
// table meanwhile for schedulers that count flows.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "dataplane/path/path.h"
#include "dataplane/path/schedulers.h"
#include "dataplane/worker/traffic.h"
#include "lib/hash/maglev.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint32_t kFrameBytes = 64, kHeadroomBytes = 128, kBackends = 100, kSlots = 65537;
constexpr uint32_t kBuffers = 256;  // frames in use at a time, like a receive ring

struct World {
  explicit World(uint64_t flow_capacity, uint16_t backend_count = kBackends)
      : cells(VipTable::CellsFor(64)), backends(backend_count), slots(kSlots) {
    std::vector<MaglevBackend> members;
    for (uint16_t i = 0; i < backend_count; ++i) {
      Backend& backend = backends[i];
      backend.id = 1u << 16 | i;
      backend.exists = backend.keeps_known_flows = true;
      backend.encapsulation = channel::Encapsulation::kIpip;
      backend.outer_source = IpAddress::FromIpv4(Be32(0x0a000001));
      backend.outer_destination = IpAddress::FromIpv4(Be32(0x0a000100 + i));
      backend.next_hop = {
          .port = 1, .mtu_bytes = 1500, .destination_mac = {}, .source_mac = {}, .vlan = Be16(0)};
      backend.plain_outer = PlainOuterOf(backend);
      members.push_back({"backend-" + std::to_string(i), 1, i});
    }
    const auto table = BuildMaglevTable(members, kSlots, 1).value();
    for (uint32_t i = 0; i < kSlots; ++i) slots[i] = {.current = table[i], .previous = table[i]};
    pool = {.slots = slots.data(), .slot_count = kSlots};
    tables.generation = 1;
    tables.flow_hash_key = FlowHashKey::FromSecret("benchmark");
    tables.vips = VipTable(absl::MakeSpan(cells));
    for (uint16_t i = 0; i < 64; ++i) {
      tables.vips.Insert(IpAddress::FromIpv4(Be32(0xc6336400 + i)), Be16(80), IpProtocol::kTcp, i,
                         0);
    }
    tables.pools = absl::MakeConstSpan(&pool, 1);
    tables.backends = backends;
    const size_t bytes = FlowTable::BytesFor(flow_capacity);
    // Huge-page aligned, as the data plane's memory is.
    memory.reset(std::aligned_alloc(2 << 20, (bytes + (2 << 20) - 1) >> 21 << 21));
    *static_cast<uint64_t*>(memory.get()) = 0;
    bool kept;
    if (!flows.Attach(memory.get(), bytes, &kept).ok()) std::abort();
    state.flows = &flows;
    state.fragments = &fragments;
    state.now_s = 1000;
    while (!flows.counts_all()) SweepFlows(tables, state);  // as a worker does at first
  }
  void Use(channel::Scheduler scheduler) {
    candidates = CandidatesOf(slots);
    turns.resize(kSlots);
    FillTurns(candidates, absl::MakeSpan(turns));
    shares.resize(backends.size());
    for (const Candidate& candidate : candidates) shares[candidate.backend] = candidate.slots;
    pool.scheduler = scheduler;
    pool.keeps_state = channel::KeepsState(scheduler);
    pool.source_bits_ipv4 = scheduler == channel::Scheduler::kMaglevSource ? 32 : 0;
    pool.candidates = candidates;
    pool.turns = turns;
    tables.shares = shares;
  }
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::vector<VipCell> cells;
  std::vector<Backend> backends;
  std::vector<channel::MaglevSlot> slots;
  std::vector<Candidate> candidates;
  std::vector<uint16_t> turns;
  std::vector<uint32_t> shares;
  Pool pool;
  std::unique_ptr<void, Free> memory;
  FlowTable flows;
  FragmentTable fragments;
  Snapshot tables;
  PathState state;
};

struct alignas(64) PacketBuffer {
  uint8_t bytes[kHeadroomBytes + kFrameBytes];
};

void WriteFrame(uint8_t* frame, uint32_t flow, uint8_t tcp_flags) {
  auto* ethernet = reinterpret_cast<EthernetHeader*>(frame);
  *ethernet = EthernetHeader{{}, {}, ether_type::kIpv4};
  auto* ip = reinterpret_cast<Ipv4Header*>(frame + 14);
  *ip = Ipv4Header{};
  ip->version_ihl = 0x45;
  ip->total_length = Be16(kFrameBytes - 14);
  ip->fragment = Ipv4Header::kDontFragment;
  ip->ttl = 64;
  ip->protocol = IpProtocol::kTcp;
  ip->source = Be32(0x0b000000 + (flow >> 8));
  ip->destination = Be32(0xc6336400 + flow % 64);
  // The checksum of the parts that vary is all that is left to sum up.
  ip->checksum = InternetChecksum(frame + 14, 20);
  auto* tcp = reinterpret_cast<TcpHeader*>(frame + 34);
  *tcp = TcpHeader{};
  tcp->source_port = Be16(static_cast<uint16_t>(1024 + (flow & 0xff)));
  tcp->destination_port = Be16(80);
  tcp->data_offset = 5 << 4;
  tcp->flags = tcp_flags;
}

class Source {
 public:
  explicit Source(uint32_t flows) : buffers_(kBuffers), order_(flows) {
    for (uint32_t i = 0; i < flows; ++i) order_[i] = i;
    std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
  }
  void Fill(Burst& burst, uint8_t tcp_flags) {
    burst.count = kBurstCapacity;
    for (uint32_t i = 0; i < kBurstCapacity; ++i) {
      uint8_t* frame = buffers_[next_buffer_++ % kBuffers].bytes + kHeadroomBytes;
      WriteFrame(frame, order_[next_flow_], tcp_flags);
      if (++next_flow_ == order_.size()) next_flow_ = 0;
      burst.packets[i].frame = frame;
      burst.packets[i].length_bytes = kFrameBytes;
      burst.packets[i].headroom_bytes = kHeadroomBytes;
    }
  }

 private:
  std::vector<PacketBuffer> buffers_;
  std::vector<uint32_t> order_;
  uint64_t next_buffer_ = 0;
  size_t next_flow_ = 0;
};

void Report(benchmark::State& state) {
  state.counters["ns_per_packet"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kBurstCapacity * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void CheckAllForwarded(const Burst& burst) {
  for (const Packet& packet : burst.packets) {
    if (packet.verdict != Verdict::kForward) std::abort();
  }
}

void HarnessOnly(benchmark::State& state) {
  Source source(static_cast<uint32_t>(state.range(0)));
  Burst burst;
  for (auto _ : state) {
    source.Fill(burst, kTcpAck);
    benchmark::ClobberMemory();
  }
  Report(state);
}
BENCHMARK(HarnessOnly)->Arg(1)->Arg(1000)->Arg(100000)->Arg(1000000);

void KnownFlows(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  World world(4 * uint64_t{flows});  // so that all are known: hit_share is 1
  Source source(flows);
  Burst burst;
  for (uint32_t sent = 0; sent < flows; sent += kBurstCapacity) {
    source.Fill(burst, kTcpAck);
    ProcessBurst(burst, world.tables, world.state);
  }
  world.state.counted = CounterValues{};
  for (auto _ : state) {
    source.Fill(burst, kTcpAck);
    ProcessBurst(burst, world.tables, world.state);
    benchmark::ClobberMemory();
  }
  CheckAllForwarded(burst);
  const auto hits = static_cast<double>(world.state.counted[Counter::flow_hits]);
  state.counters["hit_share"] = hits / static_cast<double>(state.iterations() * kBurstCapacity);
  Report(state);
}
BENCHMARK(KnownFlows)->Arg(1)->Arg(1000)->Arg(100000)->Arg(1000000);

// KnownFlows with what the worker counts by VIP and backend.
void KnownFlowsCounted(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  World world(2 * uint64_t{flows});
  Source source(flows);
  Burst burst;
  const auto traffic = std::make_unique<Traffic>();
  for (auto _ : state) {
    source.Fill(burst, kTcpAck);
    ProcessBurst(burst, world.tables, world.state);
    for (const Packet& packet : burst.packets) traffic->CountForwarded(packet, kFrameBytes);
    benchmark::ClobberMemory();
  }
  CheckAllForwarded(burst);
  Report(state);
}
BENCHMARK(KnownFlowsCounted)->Arg(1000);

// 1000 known flows of 64-byte frames. Arguments: channel::Encapsulation, family of the backends,
// VLAN of the next hop (0: none). Over IPv6, GUE includes the UDP checksum.
void Encapsulations(benchmark::State& state) {
  constexpr uint32_t kFlows = 1000;
  World world(2 * kFlows);
  const auto encapsulation = static_cast<channel::Encapsulation>(state.range(0));
  for (Backend& backend : world.backends) {
    backend.encapsulation = encapsulation;
    backend.gue_port = Be16(6080);
    backend.next_hop.vlan = Be16(static_cast<uint16_t>(state.range(2)));
    if (state.range(1) == 6) {
      backend.outer_source = IpAddress::Parse("2001:db8::1").value();
      backend.outer_destination = IpAddress::Parse("2001:db8::2").value();
    }
    backend.plain_outer = PlainOuterOf(backend);
  }
  Source source(kFlows);
  Burst burst;
  for (auto _ : state) {
    source.Fill(burst, kTcpAck);
    ProcessBurst(burst, world.tables, world.state);
    benchmark::ClobberMemory();
  }
  CheckAllForwarded(burst);
  Report(state);
}
BENCHMARK(Encapsulations)
    ->ArgsProduct({{0, 1, 2, 3}, {4, 6}, {0}})
    ->Args({static_cast<int>(channel::Encapsulation::kL3dsr), 4, 0})
    ->ArgsProduct({{0, 1}, {4}, {300}});

// 1000 known flows of 64-byte UDP frames to a VIP with QUIC-LB. Argument: the nonce's length behind
// a server ID of 3 bytes, 0 for long headers, which go by the flow table. 4 is three passes, 13 one
// block; a harness of its own, whose cost is in the figure.
void Quic(benchmark::State& state) {
  constexpr uint32_t kFlows = 1000, kQuicAt = 42;
  const bool routed = state.range(0) != 0;
  World world(2 * kFlows);
  const Aes128::Block key = {1, 2, 3};
  const QuicLb config(3, static_cast<uint8_t>(routed ? state.range(0) : 4), &key);
  QuicVip vip{&config};
  std::vector<uint8_t> cid(1 + 19);
  std::vector<ServerCell> servers(QuicTable::CellsFor(1));
  world.tables.quic = QuicTable(absl::MakeConstSpan(&vip, 1), absl::MakeSpan(servers));
  if (!world.tables.quic.Insert(0, config.Decode(cid.data()), 7)) std::abort();
  for (uint16_t i = 0; i < 64; ++i) {
    const IpAddress address = IpAddress::FromIpv4(Be32(0xc6336400 + i));
    world.tables.vips.Insert(address, Be16(443), IpProtocol::kUdp, 64u + i, 0);
    world.tables.vips.SetQuicVip(address, Be16(443), IpProtocol::kUdp, 1);
  }
  Source source(kFlows);
  Burst burst;
  for (auto _ : state) {
    source.Fill(burst, 0);
    for (Packet& packet : burst.packets) {
      auto* ip = reinterpret_cast<Ipv4Header*>(packet.frame + 14);
      ip->protocol = IpProtocol::kUdp;
      ip->checksum = UpdateChecksum(ip->checksum, Be16(6), Be16(17));
      auto* udp = reinterpret_cast<UdpHeader*>(packet.frame + 34);
      udp->destination_port = Be16(443);
      udp->length = Be16(kFrameBytes - 34);
      packet.frame[kQuicAt] = routed ? 0x40 : 0xc0;
      std::copy(cid.begin(), cid.end(), packet.frame + kQuicAt + 1);
    }
    ProcessBurst(burst, world.tables, world.state);
    benchmark::ClobberMemory();
  }
  CheckAllForwarded(burst);
  const Counter outcome = routed ? Counter::quic_routed : Counter::quic_long_headers;
  state.counters["of_this_kind"] = static_cast<double>(world.state.counted[outcome]) /
                                   static_cast<double>(state.iterations() * kBurstCapacity);
  Report(state);
}
BENCHMARK(Quic)->Arg(0)->Arg(4)->Arg(13);

// Arguments: flows offered, capacity of the table. Half-open flows overwrite each other once it is
// full.
void NewFlows(benchmark::State& state) {
  World world(static_cast<uint64_t>(state.range(1)));
  Source source(static_cast<uint32_t>(state.range(0)));
  Burst burst;
  for (auto _ : state) {
    source.Fill(burst, kTcpSyn);
    ProcessBurst(burst, world.tables, world.state);
    benchmark::ClobberMemory();
  }
  CheckAllForwarded(burst);
  Report(state);
}
BENCHMARK(NewFlows)->Args({4000000, 8000000})->Args({4000000, 500000});

// Arguments: channel::Scheduler, number of backends.
void NewFlowsByScheduler(benchmark::State& state) {
  World world(500000, static_cast<uint16_t>(state.range(1)));  // full: every SYN starts a flow
  world.Use(static_cast<channel::Scheduler>(state.range(0)));
  Source source(4000000);
  Burst burst;
  for (auto _ : state) {
    source.Fill(burst, kTcpSyn);
    ProcessBurst(burst, world.tables, world.state);
    benchmark::ClobberMemory();
  }
  CheckAllForwarded(burst);
  Report(state);
}
BENCHMARK(NewFlowsByScheduler)->ArgsProduct({{0, 1, 2, 3, 4}, {10, 100, 10000}});

// One pass over a table of so many entries, all in use.
void Sweep(benchmark::State& state) {
  World world(static_cast<uint64_t>(state.range(0)));
  world.Use(channel::Scheduler::kTwoChoices);
  Source source(static_cast<uint32_t>(state.range(0)));
  Burst burst;
  for (uint32_t sent = 0; sent < state.range(0); sent += kBurstCapacity) {
    source.Fill(burst, kTcpAck);
    ProcessBurst(burst, world.tables, world.state);
  }
  const uint32_t rounds = static_cast<uint32_t>(world.flows.bucket_count()) / 64;
  for (auto _ : state) {
    for (uint32_t i = 0; i < rounds; ++i) {
      world.state.schedulers.swept_buckets = 0;
      SweepFlows(world.tables, world.state);
    }
  }
  state.counters["ns_per_bucket"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 64 * rounds * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(Sweep)->Arg(1000)->Arg(1 << 20);

}  // namespace
}  // namespace guideway

BENCHMARK_MAIN();
