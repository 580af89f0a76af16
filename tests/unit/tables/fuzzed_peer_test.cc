// A hostile control plane: a million random and mutated messages, corrupted ring words, header and
// arena, garbage on the socket, hang-ups at any moment. The data plane's end, the draft and the
// snapshots must come through with the last good tables, and with no more memory or descriptors.
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/tables/snapshot_builder.h"
#include "dataplane/tables/table_draft.h"
#include "lib/channel/dataplane_end.h"
#include "lib/channel/handshake.h"
#include "lib/channel/unix_socket.h"
#include "lib/hash/maglev.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/tables/requests.h"

namespace guideway {
namespace {

using namespace channel;  // NOLINT(google-build-using-namespace)

constexpr uint32_t kRing = 64;
constexpr uint32_t kArenaSlots = 4;
constexpr uint32_t kEntries = 101;
constexpr uint32_t kPorts = 2;
constexpr Capacities kCapacities = {.request_capacity = kRing,
                                    .response_capacity = kRing,
                                    .arena_slot_count = kArenaSlots,
                                    .arena_slot_bytes = kEntries * sizeof(MaglevSlot)};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t Word() { return engine_(); }
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(engine_() % limit); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

// The honest side: as the manager uses it, plus checks of what comes into force.
class Dataplane {
 public:
  explicit Dataplane(const std::string& path)
      : draft_(&memory_, kPorts, [this](const TableState& tables) {
          auto built = OwnedSnapshot::Build(tables, &memory_);
          if (!built.ok()) return built.status();
          snapshot_ = *std::move(built);
          ++commits_;
          return absl::OkStatus();
        }) {
    DataplaneEnd::Options options;
    options.socket_path = path;
    options.capacities = kCapacities;
    end_ = DataplaneEnd::Listen(options).value();
  }

  // Handles all there is; bounded even if the peer never stops.
  void Run(Random* random) {
    for (int round = 0; round < 20; ++round) {
      pollfd wait = {end_->fd(), POLLIN, 0};
      if (poll(&wait, 1, 0) == 0) return;
      const DataplaneEnd::Events events = end_->HandleEvents();
      if (events.disconnected) draft_.Abort();
      if (!end_->connected()) continue;
      Request requests[32];
      const auto count =
          end_->ReadRequests(absl::MakeSpan(requests, 1 + random->Below(std::size(requests))));
      if (!count.ok()) {
        if (absl::IsDataLoss(count.status())) ++corruptions_;
        draft_.Abort();
        continue;
      }
      Answer(absl::MakeSpan(requests, *count));
    }
  }

  // What must hold of any tables in force.
  bool SnapshotIsSound() const {
    if (snapshot_ == nullptr) return true;
    const Snapshot& s = *snapshot_->get();
    const auto exists = [&](uint16_t backend) {
      return backend == kNoBackend || (backend < s.backends.size() && s.backends[backend].exists);
    };
    for (const Pool& pool : s.pools) {
      if (pool.slot_count > kEntries) return false;
      for (uint32_t i = 0; i < pool.slot_count; ++i) {
        if (!exists(pool.slots[i].current) || !exists(pool.slots[i].previous)) return false;
      }
    }
    for (const Backend& backend : s.backends) {
      if (backend.next_hop.port >= kPorts || backend.encapsulation > Encapsulation::kL3dsr) {
        return false;
      }
    }
    for (uint32_t i = 0; i < kMaxVips; ++i) {
      const VipCell* cell =
          s.vips.Find(IpAddress::FromIpv4(Be32(0xc6336400 + i)), Be16(80), IpProtocol::kTcp);
      if (cell != nullptr && (cell->vip >= kMaxVips || cell->pool >= s.pools.size() ||
                              s.pools[cell->pool].slot_count == 0)) {
        return false;
      }
    }
    return s.timeouts.udp_s >= 1 && s.timeouts.udp_s <= 1 << 20;
  }

  uint64_t Digest() const { return snapshot_ == nullptr ? 0 : DigestOf(*snapshot_->get()); }
  uint64_t generation() const { return draft_.committed().generation; }
  uint64_t commits() const { return commits_; }
  uint64_t answered() const { return answered_; }
  // Connections ended because of an impossible ring index.
  uint64_t corruptions() const { return corruptions_; }
  bool consistent() const { return consistent_; }
  size_t used_bytes() const { return memory_.used_bytes(); }
  // Puts empty tables in force; returns what they take.
  size_t EmptyBytes() {
    draft_.Abort();
    for (const Request& request : {Begin(true), SetGlobals(), Commit(generation() + 1)}) {
      if (draft_.Apply(request, {}).code != ResponseCode::kOk) return 0;
    }
    return memory_.used_bytes();
  }

 private:
  void Answer(absl::Span<const Request> requests) {
    std::vector<Response> responses;
    for (const Request& request : requests) {
      const OwnedSnapshot* const before = snapshot_.get();
      responses.push_back(draft_.Apply(request, end_->arena()));
      const bool committed =
          request.type == MessageType::kCommit && responses.back().code == ResponseCode::kOk;
      if ((snapshot_.get() != before) != committed) consistent_ = false;
      if (snapshot_ && snapshot_->get()->generation != generation()) consistent_ = false;
      if (request.type == MessageType::kReadCounters) end_->counters()->generation = generation();
      ++answered_;
    }
    if (!end_->SendResponses(responses).ok()) draft_.Abort();
  }

  HeapTableMemory memory_{64 << 20};
  std::unique_ptr<OwnedSnapshot> snapshot_;
  uint64_t commits_ = 0;
  uint64_t answered_ = 0;
  uint64_t corruptions_ = 0;
  bool consistent_ = true;
  TableDraft draft_;
  std::unique_ptr<DataplaneEnd> end_;
};

// The hostile side: has the memory and writes what it likes.
class Peer {
 public:
  Peer(std::string path, Dataplane* dataplane, uint64_t seed)
      : path_(std::move(path)), dataplane_(dataplane), random_(seed) {}

  // Sends a batch of messages, or does something worse, and lets the data plane run.
  void Round() {
    if (!socket_.valid() || HungUp()) Reconnect();
    if (memory_.counters() == nullptr) return;
    const uint32_t mischief = random_.Below(600);
    if (mischief == 1) send(socket_.get(), "garbage", 7, MSG_NOSIGNAL);
    if (mischief < 20) Scribble(64);
    switch (random_.Below(4)) {
      case 0:
        SendScript(/*mutate=*/false);
        break;
      case 1:
      case 2:
        SendScript(/*mutate=*/true);
        break;
      default:
        for (uint32_t i = 1 + random_.Below(40); i > 0; --i) Send(Garbage());
    }
    if (mischief == 0 || mischief >= 597) CorruptIndex();
    RingDoorbell(bell_.get());
    if (mischief == 2) socket_.reset();  // hangs up with everything still in the ring
    dataplane_->Run(&random_);
    TakeResponses();
  }

  // Overwrites `words` words anywhere in the memory but the indices. Any thread.
  void Scribble(uint32_t words) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (memory_.counters() == nullptr) return;
    const Geometry& g = memory_.geometry();
    for (; words > 0; --words) {
      const size_t at = scribble_random_.Word() % (g.total_bytes / 8) * 8;
      if (at >= g.request_ring && at < g.request_ring + sizeof(RingIndices)) continue;
      if (at >= g.response_ring && at < g.response_ring + sizeof(RingIndices)) continue;
      const uint64_t word = scribble_random_.Word();
      std::memcpy(memory_.header() + at, &word, sizeof(word));
    }
  }

  uint64_t sent() const { return sent_; }
  uint64_t connections() const { return connections_; }
  Random* random() { return &random_; }

 private:
  RingIndices* requests() { return reinterpret_cast<RingIndices*>(memory_.request_ring()); }
  RingIndices* responses() { return reinterpret_cast<RingIndices*>(memory_.response_ring()); }

  bool HungUp() {
    char byte;
    return recv(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || errno == ECONNRESET;
  }

  void Reconnect() {
    const std::lock_guard<std::mutex> lock(mutex_);
    memory_ = SharedMemory();
    socket_.reset();
    dataplane_->Run(&random_);  // notices that we are gone
    UniqueFd silent = random_.OneIn(4) ? ConnectTo(path_).value() : UniqueFd();
    socket_ = ConnectTo(path_).value();
    Hello hello;
    hello.sizes = OwnSizes();
    if (random_.OneIn(4)) Mutate(BytesOf(&hello));
    SendPacket(socket_.get(), BytesOf(hello), {}).IgnoreError();
    dataplane_->Run(&random_);
    Welcome welcome;
    auto packet = ReceivePacket(socket_.get(), BytesOf(&welcome));
    if (!packet.ok() || packet->descriptors.size() != 3) return socket_.reset();
    memory_ = *SharedMemory::Attach(std::move(packet->descriptors[0]), kCapacities);
    bell_ = std::move(packet->descriptors[1]);
    written_ = 0;
    ++connections_;
  }

  void Send(const Request& request) {
    if (written_ - requests()->read.load() >= kRing) return;
    std::memcpy(memory_.request_ring() + sizeof(RingIndices) + written_ % kRing * sizeof(request),
                &request, sizeof(request));
    requests()->written.store(++written_);
    ++sent_;
  }

  void TakeResponses() {
    if (memory_.counters() == nullptr) return;
    if (random_.OneIn(500)) return;  // lets the ring run full
    responses()->read.store(responses()->written.load());
  }

  void CorruptIndex() {
    std::atomic<uint64_t>* words[] = {&requests()->written, &requests()->read,
                                      &responses()->written, &responses()->read};
    const uint64_t values[] = {random_.Word(), written_ + random_.Below(200), ~uint64_t{0}, 0};
    words[random_.Below(4)]->store(values[random_.Below(4)]);
  }

  void Mutate(absl::Span<uint8_t> bytes) {
    for (uint32_t i = 1 + random_.Below(3); i > 0; --i) {
      uint8_t& byte = bytes[random_.Below(static_cast<uint32_t>(bytes.size()))];
      byte = random_.OneIn(2) ? static_cast<uint8_t>(byte ^ 1u << random_.Below(8))
                              : static_cast<uint8_t>(random_.Word());
    }
  }

  Request Garbage() {
    Request request;
    for (uint32_t i = 0; i < sizeof(request); i += 8) {
      const uint64_t word = random_.Word();
      std::memcpy(reinterpret_cast<uint8_t*>(&request) + i, &word, sizeof(word));
    }
    if (!random_.OneIn(8)) request.type = static_cast<MessageType>(random_.Below(15));
    return request;
  }

  // A transaction as a control plane would send it; with `mutate`, bytes of it are changed and
  // messages dropped.
  void SendScript(bool mutate) {
    const uint32_t arena_slot = random_.Below(kArenaSlots);
    for (MaglevSlot& slot : memory_.arena_slot(arena_slot)) {
      slot = {static_cast<uint16_t>(random_.Below(3)), static_cast<uint16_t>(random_.Below(3))};
    }
    if (mutate && random_.OneIn(8)) {
      memory_.arena_slot(arena_slot)[random_.Below(kEntries)] = {
          static_cast<uint16_t>(random_.Word()), static_cast<uint16_t>(random_.Word())};
    }
    const uint64_t generation = dataplane_->generation();
    std::vector<Request> script = {Begin(random_.OneIn(8) || generation == 0, generation),
                                   SetGlobals(), SetNextHop(random_.Below(4))};
    script[2].body.next_hop.index = 0;
    for (uint32_t i = 0; i < 3; ++i) script.push_back(SetBackend(i, i == 2 ? kNoNextHop : 0));
    if (!random_.OneIn(4)) script.push_back(SetPool(0, kEntries, arena_slot));
    if (random_.OneIn(4)) script.push_back(Delete(MessageType::kDeleteBackend, random_.Below(3)));
    for (uint32_t i = random_.Below(10); i > 0; --i) script.push_back(SetVip(random_.Below(50), 0));
    // Deletes, most of what mutations have added at high indices included.
    for (uint32_t i = random_.Below(4); i > 0; --i) {
      script.push_back(Delete(MessageType::kDeleteVip, random_.Below(kMaxVips)));
    }
    script.push_back(Commit(generation + 1));
    for (Request& request : script) {
      if (mutate && random_.OneIn(16)) continue;
      if (mutate && random_.OneIn(12)) Mutate(BytesOf(&request).subspan(0, 48));
      Send(request);
    }
  }

  const std::string path_;
  Dataplane* const dataplane_;
  Random random_;
  Random scribble_random_{99};
  std::mutex mutex_;  // guards memory_ against the scribbling thread, not against the data plane
  UniqueFd socket_;
  UniqueFd bell_;
  SharedMemory memory_;
  uint64_t written_ = 0;
  uint64_t sent_ = 0;
  uint64_t connections_ = 0;
};

size_t ResidentBytes() {
  size_t total, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * 4096;
}

ptrdiff_t OpenDescriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

// Rounds until `messages` were sent; every 50th with a full comparison.
void Torture(Dataplane* dataplane, Peer* peer, uint64_t messages) {
  for (uint64_t round = 0; peer->sent() < messages; ++round) {
    const bool compare = round % 50 == 0;
    const uint64_t commits = dataplane->commits();
    const uint64_t digest = compare ? dataplane->Digest() : 0;
    peer->Round();
    REQUIRE(dataplane->consistent());
    if (!compare) continue;
    REQUIRE(dataplane->SnapshotIsSound());
    if (dataplane->commits() == commits) REQUIRE(dataplane->Digest() == digest);
  }
}

TEST_CASE("a million messages from a hostile peer") {
  TemporaryDirectory directory;
  const std::string path = directory.File("channel");
  size_t empty_bytes = 0;
  const ptrdiff_t descriptors = OpenDescriptors();
  {
    Dataplane dataplane(path);
    empty_bytes = dataplane.EmptyBytes();
    Peer peer(path, &dataplane, 1);
    Torture(&dataplane, &peer, 100'000);
    const size_t resident = ResidentBytes();
    Torture(&dataplane, &peer, 1'000'000);
#ifndef __SANITIZE_ADDRESS__  // which keeps freed memory
    CHECK(ResidentBytes() < resident + (16 << 20));
#endif
    (void)resident;
    INFO(dataplane.answered() << " answered, " << dataplane.commits() << " commits, "
                              << peer.connections() << " connections");
    // The test is only worth something if good and bad messages both got through.
    CHECK(dataplane.answered() > 900'000);
    CHECK(dataplane.commits() > 5'000);
    CHECK(peer.connections() > 50);
    CHECK(dataplane.corruptions() > 10);
    CHECK(dataplane.EmptyBytes() == empty_bytes);
  }
  CHECK(empty_bytes > 0);
  CHECK(OpenDescriptors() == descriptors);
}

TEST_CASE("a hostile peer that overwrites the memory while the data plane reads it") {
  TemporaryDirectory directory;
  const std::string path = directory.File("channel");
  Dataplane dataplane(path);
  const size_t empty_bytes = dataplane.EmptyBytes();
  Peer peer(path, &dataplane, 2);
  // Joins by itself, so that a failing check is reported as such.
  std::jthread scribbler([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      peer.Scribble(32);
      std::this_thread::yield();
    }
  });
  Torture(&dataplane, &peer, 200'000);
  scribbler.request_stop();
  scribbler.join();
  CHECK(dataplane.commits() > 100);
  CHECK(dataplane.EmptyBytes() == empty_bytes);
}

}  // namespace
}  // namespace guideway
