// Fragments in any order, with time and table changes in between, as a worker handles them: each
// frame's fate is decided once, what waits is bounded, those of a datagram follow its first one,
// the counters balance, what does not leave is as it came.
//
// Input: policy (1 byte, modulo 3), then steps, each a byte: bits 0-2 what, bit 3 the burst ends
// behind it. What: 0-3 a fragment: flags (1 byte: bit 0 IPv6, 1 TCP, 2 more, 3 hop-by-hop, 4 a port
// without VIP, 5 offset 0), identification (1), offset / 8 (2, modulo 2^13), payload bytes (1,
// times 8, plus bits 6-7 of the flags); 4 a frame (2 length, bytes); 5 milliseconds (2); 6 the
// slots' backend (1); 7 backend that goes or comes back (1).
#include <map>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/path/fragment_driver.h"

namespace guideway {
namespace {

constexpr uint32_t kMaxFrames = 1500;  // of an input
constexpr uint16_t kBackends = 4;
constexpr const char* kVip[] = {"198.51.100.1", "2001:db8:a::1"};
constexpr const char* kClient[] = {"192.0.2.1", "2001:db8:c::1"};

struct Tables : World {
  Tables() {
    constexpr channel::Encapsulation kKinds[] = {
        channel::Encapsulation::kL2, channel::Encapsulation::kIpip, channel::Encapsulation::kGue,
        channel::Encapsulation::kL3dsr};
    for (uint16_t i = 0; i < kBackends; ++i) {
      Backend& backend = AddBackend(i, kKinds[i], i == 1 || i == 2 ? "203.0.113.1" : "",
                                    "203.0.113.1" + std::to_string(i));
      backend.next_hop.port = i;
      backend.next_hop.mtu_bytes = 2200;
    }
    backends[2].gue_port = Be16(6080);
    backends[2].gue_hop_list = true;
    uint32_t index = 0;
    for (const char* vip : kVip) {
      for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
        FUZZ_CHECK(AddVip(index, vip, 80, protocol, 0));
        FUZZ_CHECK(tables.vips.InsertForFragments(Address(vip), protocol, index++, 0));
      }
    }
  }
  void Reset() {
    flows.Clear(1);
    fragments.Clear();
    for (Backend& backend : backends) backend.keeps_known_flows = true;
    SetPool(0, 0, 2);
    state.now_ms = 100000000;
    state.now_s = 100000;
  }
};

// What the frames of an input say of themselves, as far as they were made from fields.
struct Known {
  bool made = false;
  bool first = false;
  uint32_t datagram = 0;  // whose: family, protocol, identification
};

class Run {
 public:
  explicit Run(Tables* world) : world_(*world), driver_(world) {}

  void Take(fuzz::Input input) {
    world_.tables.fragments = static_cast<channel::FragmentPolicy>(input.U8() % 3);
    while (!input.empty() && known_.size() < kMaxFrames) Step(input);
    SendBurst();
    Pass(FragmentTable::kWaitMs);
    FUZZ_CHECK(world_.fragments.waiting() == 0);
    FUZZ_CHECK(driver_.counters().Balanced());
    FUZZ_CHECK(driver_.counters()[Counter::received_packets] == driver_.frames().size());
    for (const auto& frame : driver_.frames()) FUZZ_CHECK(frame->ends == 1 && !frame->waits);
  }

 private:
  void Step(fuzz::Input& input) {
    const uint8_t step = input.U8();
    switch (step & 7) {
      case 4:
        burst_.push_back(input.Bytes(input.U16()));
        known_.emplace_back();
        break;
      case 5:
        SendBurst();
        Pass(input.U16());
        break;
      case 6:
        SendBurst();
        world_.SetPool(0, input.U8() % kBackends, 2);
        decided_.clear();
        break;
      case 7: {
        SendBurst();
        Backend& backend = world_.backends[input.U8() % kBackends];
        backend.keeps_known_flows = !backend.keeps_known_flows;
        decided_.clear();
        break;
      }
      default:
        AddFragment(input);
    }
    if ((step & 8) != 0 || burst_.size() == kBurstCapacity) SendBurst();
  }

  void AddFragment(fuzz::Input& input) {
    const uint8_t flags = input.U8();
    const size_t family = flags & 1;
    FragmentSpec spec;
    spec.whole = {.source = kClient[family],
                  .source_port = 7,
                  .destination = kVip[family],
                  .destination_port = static_cast<uint16_t>((flags & 16) != 0 ? 81 : 80),
                  .protocol = (flags & 2) != 0 ? IpProtocol::kTcp : IpProtocol::kUdp,
                  .tcp_flags = kTcpAck,
                  .payload_bytes = 0};
    spec.more = (flags & 4) != 0;
    spec.hop_by_hop = family == 1 && (flags & 8) != 0;
    spec.identification = input.U8();
    spec.offset_bytes = (input.U16() & 0x1fff) * 8u;
    if ((flags & 32) != 0) spec.offset_bytes = 0;
    spec.payload_bytes = input.U8() * 8u + (flags >> 6);
    // The fragment that is none: a whole packet, whose protocol must not be mistaken.
    const bool whole = spec.offset_bytes == 0 && !spec.more;
    burst_.push_back(FragmentFrame(spec));
    known_.push_back(
        {.made = !whole,
         .first = spec.offset_bytes == 0,
         .datagram = static_cast<uint32_t>(family == 1 ? 0x10000u | spec.identification
                                                       : (flags & 2u) << 8 | spec.identification)});
  }

  void Pass(uint64_t ms) {
    driver_.Pass(ms);
    uint32_t waiting = 0;
    for (const size_t i : open_) waiting += driver_.frames()[i]->waits;
    FUZZ_CHECK(waiting == world_.fragments.waiting());
  }

  void SendBurst() {
    if (burst_.empty()) return;
    driver_.Send(burst_);
    burst_.clear();
    FUZZ_CHECK(world_.fragments.waiting() <= FragmentTable::kWaiting);
    FUZZ_CHECK(world_.fragments.released() == 0);
    FUZZ_CHECK(driver_.counters().Balanced());
    const auto& frames = driver_.frames();
    for (size_t i = checked_; i < frames.size(); ++i) {
      NoteFirst(*frames[i], known_[i]);
      open_.push_back(i);
    }
    for (const size_t i : open_) {
      if (!frames[i]->waits) Check(*frames[i], known_[i]);
    }
    std::erase_if(open_, [&](size_t i) { return !frames[i]->waits; });
    checked_ = frames.size();
  }

  void NoteFirst(const FragmentDriver::Frame& frame, const Known& known) {
    const Packet& packet = frame.packet;
    if (!known.made) decided_.clear();  // it may be of any datagram
    if (!known.made || !known.first || !packet.ports_known) return;
    if (packet.backend == nullptr) {
      decided_.erase(known.datagram);
    } else {
      decided_[known.datagram] = {packet.backend->id, world_.state.now_ms};
    }
  }

  void Check(const FragmentDriver::Frame& frame, const Known& known) {
    const Packet& packet = frame.packet;
    FUZZ_CHECK(packet.verdict != Verdict::kPending && packet.verdict != Verdict::kHold);
    if (packet.verdict != Verdict::kForward) {
      FUZZ_CHECK(packet.verdict == Verdict::kAnswer || FrameOf(packet) == frame.came);
      return;
    }
    FUZZ_CHECK(packet.backend != nullptr && packet.backend->exists);
    FUZZ_CHECK(packet.transmit_port == packet.backend->next_hop.port);
    FUZZ_CHECK(packet.kind != PacketKind::kFragment || packet.alternate == nullptr);
    if (!known.made) return;
    FUZZ_CHECK(world_.tables.fragments != channel::FragmentPolicy::kDrop);
    FUZZ_CHECK(packet.kind == PacketKind::kFragment);
    CheckPayload(packet, frame.came);
    const auto decided = decided_.find(known.datagram);
    if (world_.tables.fragments != channel::FragmentPolicy::kTrack || known.first) return;
    if (decided == decided_.end()) return;
    FUZZ_CHECK(world_.state.now_ms - decided->second.at_ms < FragmentTable::kLifetimeMs);
    FUZZ_CHECK(packet.backend->id == decided->second.backend);
  }

  // What leaves ends as what came: all of a later fragment, all but the checksum of a first one.
  static void CheckPayload(const Packet& packet, const std::vector<uint8_t>& came) {
    const std::vector<uint8_t> left = FrameOf(packet);
    const size_t ip_bytes = packet.ip_length_bytes;
    const size_t from = packet.transport_offset + (IsLaterFragment(packet) ? 0 : 20);
    FUZZ_CHECK(left.size() >= ip_bytes && came.size() >= 14 + ip_bytes);
    for (size_t i = from; i < ip_bytes; ++i) {
      FUZZ_CHECK(left[left.size() - ip_bytes + i] == came[14 + i]);
    }
  }

  struct Decided {
    BackendId backend;
    uint64_t at_ms;
  };

  Tables& world_;
  FragmentDriver driver_;
  std::vector<std::vector<uint8_t>> burst_;
  std::vector<Known> known_;             // by frame
  std::vector<size_t> open_;             // frames whose fate is not checked yet: those that wait
  std::map<uint32_t, Decided> decided_;  // since the last change of tables
  size_t checked_ = 0;
};

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  static Tables* const world = std::make_unique<Tables>().release();
  world->Reset();
  Run(world).Take(fuzz::Input(data, size));
  return 0;
}
