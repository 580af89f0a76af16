// Any requests into TableDraft and the snapshot builder, beside a model that believes only the
// answers: what is in force is always what the last accepted commit said, and in the end all memory
// is given back.
//
// Input: memory limit (2 bytes, in units of 64), then steps. A step is its type (1 byte) and
//   0..31   a request of that type; length of its body (1), body; 0 beyond
//   32..63  a request of any type (4 bytes); length, body
//   64..95  one entry of the arena: place (1), current (2), previous (2)
//   96..127 a whole arena slot: slot (1), current (2), previous (2)
//   else    the control plane goes away
#include <map>
#include <memory>

#include "dataplane/tables/snapshot_builder.h"
#include "dataplane/tables/table_draft.h"
#include "lib/hash/maglev.h"
#include "tests/fuzz/fuzz.h"

namespace guideway {
namespace {

using namespace channel;  // NOLINT(google-build-using-namespace): this file is about its messages

constexpr uint32_t kEntries = 23, kArenaSlots = 2, kPorts = 2;
constexpr int kMaxSteps = 200;

// What the tables must be, by the answers.
struct Model {
  uint64_t generation = 0;
  GlobalsBody globals = {};
  std::map<uint32_t, VipBody> vips;
  std::map<uint32_t, std::vector<MaglevSlot>> pools;
  std::map<uint32_t, PoolBody> pool_bodies;  // of those
  std::map<uint32_t, BackendBody> backends;
  std::map<uint32_t, NextHopBody> next_hops;
  std::map<uint32_t, QuicLbBody> quic_lbs;
};

template <typename Span, typename Map>
void CheckLength(const Span& table, const Map& model) {
  FUZZ_CHECK(table.size() == (model.empty() ? 0 : model.rbegin()->first + size_t{1}));
}

// What a worker uses without looking: backends that exist, with as many turns as they have slots.
void CheckScheduler(const Snapshot& snapshot, uint32_t index, const PoolBody& body) {
  const Pool& pool = snapshot.pools[index];
  FUZZ_CHECK(pool.scheduler == body.scheduler && pool.scheduler <= Scheduler::kTwoChoices);
  FUZZ_CHECK(pool.source_bits_ipv4 == body.source_bits_ipv4 && pool.source_bits_ipv4 <= 32);
  FUZZ_CHECK(pool.source_bits_ipv6 == body.source_bits_ipv6 && pool.source_bits_ipv6 <= 128);
  std::map<uint16_t, uint32_t> slots, turns;
  for (uint32_t i = 0; i < pool.slot_count; ++i) ++slots[pool.slots[i].current];
  slots.erase(kNoBackend);
  for (const uint16_t backend : pool.turns) ++turns[backend];
  FUZZ_CHECK(turns ==
             (pool.scheduler == Scheduler::kWeightedRoundRobin ? slots : decltype(slots){}));
  FUZZ_CHECK(pool.breaker.when_full <= WhenFull::kDrop);
  FUZZ_CHECK(pool.keeps_state == (KeepsState(pool.scheduler) || body.breaker.limits()));
  FUZZ_CHECK(pool.candidates.size() == (pool.keeps_state ? slots.size() : 0));
  for (const Candidate& candidate : pool.candidates) {
    FUZZ_CHECK(candidate.backend < snapshot.backends.size());
    FUZZ_CHECK(candidate.slots == slots.at(candidate.backend));
  }
}

void CheckPools(const Snapshot& snapshot, const Model& model) {
  CheckLength(snapshot.pools, model.pools);
  for (uint32_t i = 0; i < snapshot.pools.size(); ++i) {
    const auto found = model.pools.find(i);
    const size_t expected = found == model.pools.end() ? 0 : found->second.size();
    FUZZ_CHECK(snapshot.pools[i].slot_count == expected);
    if (expected != 0) CheckScheduler(snapshot, i, model.pool_bodies.at(i));
    for (size_t slot = 0; slot < expected; ++slot) {
      const MaglevSlot& entry = snapshot.pools[i].slots[slot];
      FUZZ_CHECK(entry.current == found->second[slot].current);
      FUZZ_CHECK(entry.previous == found->second[slot].previous);
      // A worker uses them as indices without looking.
      FUZZ_CHECK(entry.current == kNoBackend || model.backends.count(entry.current) == 1);
      FUZZ_CHECK(entry.previous == kNoBackend || model.backends.count(entry.previous) == 1);
    }
  }
}

void CheckBackends(const Snapshot& snapshot, const Model& model) {
  CheckLength(snapshot.backends, model.backends);
  size_t existing = 0;
  for (const Backend& backend : snapshot.backends) existing += backend.exists;
  FUZZ_CHECK(existing == model.backends.size());
  for (const auto& [index, body] : model.backends) {
    const Backend& backend = snapshot.backends[index];
    FUZZ_CHECK(backend.exists && backend.id == (uint32_t{body.incarnation} << 16 | index));
    FUZZ_CHECK(backend.keeps_known_flows == (body.keeps_known_flows == 1));
    FUZZ_CHECK(backend.encapsulation == body.encapsulation);
    FUZZ_CHECK(backend.outer_destination == body.outer_destination);
    FUZZ_CHECK(backend.gue_port == body.gue_port && backend.dscp == body.dscp);
    FUZZ_CHECK((backend.gue_port != Be16(0)) == (body.encapsulation == Encapsulation::kGue));
    FUZZ_CHECK(backend.dscp <= 63 && backend.source_flow_bits <= 32);
    FUZZ_CHECK(backend.source_flow_bits == body.source_flow_bits);
    FUZZ_CHECK(backend.gue_hop_list == (body.gue_hop_list == 1));
    FUZZ_CHECK(backend.gue_zero_checksum6 == (body.gue_zero_checksum6 == 1));
    if (IsTunnel(body.encapsulation)) {
      FUZZ_CHECK(backend.outer_source == body.outer_source);
      FUZZ_CHECK(backend.outer_source.family() == backend.outer_destination.family());
    }
    if (body.next_hop == kNoNextHop) {
      FUZZ_CHECK(backend.next_hop.mtu_bytes == 0);
      continue;
    }
    const NextHopBody& hop = model.next_hops.at(body.next_hop);
    FUZZ_CHECK(backend.next_hop.port == hop.port && hop.port < kPorts);
    FUZZ_CHECK(backend.next_hop.mtu_bytes == hop.mtu_bytes);
    FUZZ_CHECK(backend.next_hop.destination_mac == hop.destination_mac);
    FUZZ_CHECK(backend.next_hop.source_mac == hop.source_mac);
  }
}

void CheckQuic(const Snapshot& snapshot, const Model& model) {
  for (const auto& [index, body] : model.quic_lbs) {
    FUZZ_CHECK(QuicLbLengthsAreRight(body.server_id_bytes, body.nonce_bytes));
    const VipBody& vip = model.vips.at(index / kQuicLbConfigs);
    FUZZ_CHECK(vip.protocol == static_cast<uint8_t>(IpProtocol::kUdp));
    const VipCell* cell = snapshot.vips.Find(vip.address, vip.port, IpProtocol::kUdp);
    FUZZ_CHECK(cell->quic_vip >= 1 && cell->quic_vip <= snapshot.quic.vips().size());
    const QuicLb* config = snapshot.quic.vips()[cell->quic_vip - size_t{1}][index % kQuicLbConfigs];
    FUZZ_CHECK(config != nullptr);
    FUZZ_CHECK(config->min_cid_bytes() == 1u + body.server_id_bytes + body.nonce_bytes);
  }
  size_t configs = 0;
  for (const QuicVip& vip : snapshot.quic.vips()) {
    configs +=
        std::count_if(vip.begin(), vip.end(), [](auto* config) { return config != nullptr; });
  }
  FUZZ_CHECK(configs == model.quic_lbs.size());
  for (const auto& [index, body] : model.backends) {
    if (body.server_id.length_bytes == 0) continue;
    FUZZ_CHECK(body.server_id.length_bytes <= kMaxServerIdBytes);
    FUZZ_CHECK(model.pools.count(body.server_id_pool) == 1);
    const ServerCell* cell =
        snapshot.quic.Find(static_cast<uint16_t>(body.server_id_pool), body.server_id);
    FUZZ_CHECK(cell != nullptr && cell->backend == index);
  }
}

void CheckSnapshot(const Snapshot& snapshot, const Model& model) {
  FUZZ_CHECK(snapshot.generation == model.generation);
  FUZZ_CHECK(snapshot.timeouts.udp_s == model.globals.udp_s);
  FUZZ_CHECK(snapshot.fragments == model.globals.fragments);
  FUZZ_CHECK(snapshot.fragments <= FragmentPolicy::kDrop);
  FUZZ_CHECK(std::equal(std::begin(model.globals.flow_hash_key),
                        std::end(model.globals.flow_hash_key),
                        snapshot.flow_hash_key.words.begin()));
  CheckPools(snapshot, model);
  CheckBackends(snapshot, model);
  CheckQuic(snapshot, model);
  for (const auto& [index, body] : model.vips) {
    const VipCell* cell =
        snapshot.vips.Find(body.address, body.port, static_cast<IpProtocol>(body.protocol));
    FUZZ_CHECK(cell != nullptr && cell->vip == index && cell->pool == body.pool &&
               cell->max_segment_size == body.max_segment_size);
    const FlowTimeouts& timeouts = snapshot.TimeoutsOf(index);
    FUZZ_CHECK(timeouts.udp_s == (body.udp_s != 0 ? body.udp_s : model.globals.udp_s));
    FUZZ_CHECK(timeouts.established_s ==
               (body.established_s != 0 ? body.established_s : model.globals.established_s));
    FUZZ_CHECK(model.pools.count(body.pool) == 1);
    FUZZ_CHECK(snapshot.vips.HasAddress(body.address));
    const VipCell* of_fragments =
        snapshot.vips.FindForFragments(body.address, static_cast<IpProtocol>(body.protocol));
    FUZZ_CHECK((of_fragments != nullptr) == (snapshot.fragments == FragmentPolicy::kHash3));
  }
}

class Manager {
 public:
  explicit Manager(HeapTableMemory* memory)
      : memory_(memory),
        arena_(new MaglevSlot[kArenaSlots * kEntries]),
        draft_(memory, kPorts, [this](const TableState& tables) { return Publish(tables); }) {}

  void Run(fuzz::Input input) {
    for (int i = 0; i < kMaxSteps && !input.empty(); ++i) Step(input);
    Check();
    draft_.Abort();
    Check();
  }

 private:
  void Step(fuzz::Input& input) {
    const uint8_t step = input.U8();
    if (step < 64) {
      Request request;
      request.type = static_cast<MessageType>(step);
      if (step >= 32) input.Overwrite(&request.type, sizeof(request.type));
      request.sequence = ++sequence_;
      input.Overwrite(&request.body, input.U8());
      Send(request);
    } else if (step < 128) {
      const uint32_t at = input.U8() % (step < 96 ? kArenaSlots * kEntries : kArenaSlots);
      const MaglevSlot entry{.current = input.U16(), .previous = input.U16()};
      if (step < 96) arena_[at] = entry;
      if (step >= 96) std::fill_n(&arena_[at * kEntries], kEntries, entry);
    } else {
      draft_.Abort();
      FUZZ_CHECK(!draft_.in_transaction());
    }
  }

  void Send(const Request& request) {
    const ArenaView view{.base = reinterpret_cast<const uint8_t*>(arena_.get()),
                         .slot_count = kArenaSlots,
                         .slot_bytes = kEntries * sizeof(MaglevSlot),
                         .stride = kEntries * sizeof(MaglevSlot)};
    const int published = published_;
    const Response response = draft_.Apply(request, view);
    const bool ok = response.code == ResponseCode::kOk;
    FUZZ_CHECK(response.sequence == request.sequence);
    FUZZ_CHECK(response.code <= ResponseCode::kTransactionBroken);
    FUZZ_CHECK(std::memchr(response.field, 0, sizeof(response.field)) != nullptr);
    FUZZ_CHECK(ok == (response.field[0] == 0));  // a refusal names the field
    const bool commit = ok && request.type == MessageType::kCommit;
    FUZZ_CHECK(published_ == published + (commit ? 1 : 0));
    if (ok) Believe(request);
    FUZZ_CHECK(response.generation == committed_.generation);
    FUZZ_CHECK(draft_.committed().generation == committed_.generation);
    if (commit) Check();
  }

  void Believe(const Request& request) {
    const auto& body = request.body;
    switch (request.type) {
      case MessageType::kBegin:
        model_ = body.begin.full != 0 ? Model{} : committed_;
        break;
      case MessageType::kSetGlobals:
        model_.globals = body.globals;
        break;
      case MessageType::kSetVip:
        model_.vips[body.vip.index] = body.vip;
        break;
      case MessageType::kSetPool: {
        FUZZ_CHECK(body.pool.arena_slot < kArenaSlots && body.pool.slot_count <= kEntries);
        const MaglevSlot* first = &arena_[body.pool.arena_slot * kEntries];
        model_.pools[body.pool.index].assign(first, first + body.pool.slot_count);
        model_.pool_bodies[body.pool.index] = body.pool;
        break;
      }
      case MessageType::kSetBackend:
        model_.backends[body.backend.index] = body.backend;
        break;
      case MessageType::kSetNextHop:
        model_.next_hops[body.next_hop.index] = body.next_hop;
        break;
      case MessageType::kSetQuicLb:
        model_.quic_lbs[body.quic_lb.index] = body.quic_lb;
        break;
      case MessageType::kCommit:
        committed_ = model_;
        committed_.generation = body.commit.generation;
        break;
      default:
        BelieveDelete(request.type, body.index.index);
    }
  }

  void BelieveDelete(MessageType type, uint32_t index) {
    if (type == MessageType::kDeleteVip) model_.vips.erase(index);
    if (type == MessageType::kDeletePool) model_.pools.erase(index);
    if (type == MessageType::kDeleteBackend) model_.backends.erase(index);
    if (type == MessageType::kDeleteNextHop) model_.next_hops.erase(index);
    if (type == MessageType::kDeleteQuicLb) model_.quic_lbs.erase(index);
  }

  absl::Status Publish(const TableState& tables) {
    auto built = OwnedSnapshot::Build(tables, memory_);
    if (!built.ok()) return built.status();
    snapshot_ = *std::move(built);
    ++published_;
    return absl::OkStatus();
  }

  void Check() const {
    FUZZ_CHECK((snapshot_ == nullptr) == (committed_.generation == 0));
    if (snapshot_ != nullptr) CheckSnapshot(*snapshot_->get(), committed_);
  }

  HeapTableMemory* const memory_;
  std::unique_ptr<MaglevSlot[]> arena_;
  std::unique_ptr<OwnedSnapshot> snapshot_;
  TableDraft draft_;
  Model model_, committed_;
  uint32_t sequence_ = 0;
  int published_ = 0;
};

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  fuzz::Input input(data, size);
  HeapTableMemory memory(size_t{input.U16()} * 64);
  Manager(&memory).Run(input);
  FUZZ_CHECK(memory.used_bytes() == 0);
  return 0;
}
