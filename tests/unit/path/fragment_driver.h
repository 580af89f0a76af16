// Fragments for tests, and what a worker does around the stages for them: keeps those that wait,
// sends released ones through the stages again, drops those that waited too long, counts.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_FRAGMENT_DRIVER_H_
#define GUIDEWAY_TESTS_UNIT_PATH_FRAGMENT_DRIVER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/path/packet_builder.h"

namespace guideway {

struct FragmentSpec {
  PacketSpec whole = {.protocol = IpProtocol::kUdp, .payload_bytes = 3000};
  uint32_t identification = 1;
  uint32_t offset_bytes = 0;  // in the transport packet that is cut up
  uint32_t payload_bytes = 1400;
  bool more = true;
  bool hop_by_hop = false;  // IPv6: such a header in front of the fragment header
};

// A piece of the packet that Frame(spec.whole) would be; zeros beyond its end.
inline std::vector<uint8_t> FragmentFrame(const FragmentSpec& spec) {
  PacketSpec head = spec.whole;
  std::vector<uint8_t> piece = Transport(head);
  piece.resize(spec.offset_bytes + spec.payload_bytes);
  piece.erase(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(spec.offset_bytes));
  head.payload_bytes = 0;
  std::vector<uint8_t> frame = Frame(head);
  const uint16_t units = static_cast<uint16_t>(spec.offset_bytes / 8);
  if (frame[12] == 0x08) {
    frame.resize(34);
    auto* ip = reinterpret_cast<Ipv4Header*>(&frame[14]);
    ip->total_length = Be16(static_cast<uint16_t>(20 + piece.size()));
    ip->identification = Be16(static_cast<uint16_t>(spec.identification));
    ip->fragment = Be16(static_cast<uint16_t>(units | (spec.more ? 0x2000 : 0)));
    ip->checksum = Be16(0);
    ip->checksum = InternetChecksum(&frame[14], 20);
  } else {
    frame.resize(54);
    const uint8_t protocol = frame[20];
    frame[20] = spec.hop_by_hop ? 0 : 44;
    if (spec.hop_by_hop) Append(frame, std::array<uint8_t, 8>{44, 0, 1, 4, 0, 0, 0, 0});
    Append(frame, std::array<uint8_t, 2>{protocol, 0});
    Append(frame, Be16(static_cast<uint16_t>(units << 3 | (spec.more ? 1 : 0))));
    Append(frame, Be32(spec.identification));
    reinterpret_cast<Ipv6Header*>(&frame[14])->payload_length =
        Be16(static_cast<uint16_t>(frame.size() - 54 + piece.size()));
  }
  frame.insert(frame.end(), piece.begin(), piece.end());
  return frame;
}

class FragmentDriver {
 public:
  // What has become of a frame.
  struct Frame {
    Frame(std::vector<uint8_t> bytes, uint16_t receive_port)
        : came(std::move(bytes)), buffer(came, 128), port(receive_port) {}
    std::vector<uint8_t> came;
    Buffer buffer;
    uint16_t port;
    Packet packet;
    bool waits = false;
    uint32_t ends = 0;  // how often its fate was decided: 1 in the end
  };

  explicit FragmentDriver(World* world) : world_(*world) {}
  ~FragmentDriver() { world_.fragments.Clear(); }

  // One burst. The frames stay valid as long as this object.
  std::vector<Frame*> Send(const std::vector<std::vector<uint8_t>>& frames, uint16_t port = 0) {
    std::vector<Frame*> sent;
    for (const auto& bytes : frames) {
      frames_.push_back(std::make_unique<Frame>(bytes, port));
      sent.push_back(frames_.back().get());
    }
    Process(sent);
    WaitingFragment released[kBurstCapacity];
    while (const uint32_t count = world_.fragments.TakeReleased(absl::MakeSpan(released))) {
      std::vector<Frame*> again;
      for (uint32_t i = 0; i < count; ++i) {
        again.push_back(static_cast<Frame*>(released[i].buffer));
      }
      Process(again);
    }
    return sent;
  }
  Frame* Send(const FragmentSpec& spec) { return Send({FragmentFrame(spec)})[0]; }

  void Pass(uint64_t ms) {
    world_.state.now_ms += ms;
    world_.state.now_s = static_cast<uint32_t>(world_.state.now_ms / 1000);
    for (auto next = world_.fragments.TakeExpired(world_.state.now_ms); next.buffer != nullptr;
         next = world_.fragments.TakeExpired(world_.state.now_ms)) {
      DropWaiting(next, DropReason::fragment_timeout);
    }
  }
  void Stop() {
    for (auto next = world_.fragments.TakeAny(); next.buffer != nullptr;
         next = world_.fragments.TakeAny()) {
      DropWaiting(next, DropReason::fragment_timeout);
    }
  }

  const CounterValues& counters() const { return counters_; }
  const std::vector<std::unique_ptr<Frame>>& frames() const { return frames_; }

 private:
  void Process(const std::vector<Frame*>& frames) {
    auto burst = std::make_unique<Burst>();
    for (Frame* frame : frames) {
      frame->waits = false;
      frame->buffer.Fill(burst->packets[burst->count]);
      burst->packets[burst->count++].receive_port = frame->port;
    }
    world_.state.counted = CounterValues{};
    ProcessBurst(*burst, world_.tables, world_.state);
    counters_ += world_.state.counted;
    for (uint32_t i = 0; i < burst->count; ++i) {
      Frame* frame = frames[i];
      frame->packet = burst->packets[i];
      CountVerdict(frame->packet, frame->buffer.length, counters_);
      frame->waits = frame->packet.verdict == Verdict::kHold;
      if (!frame->waits) {
        ++frame->ends;
        continue;
      }
      ++counters_[Counter::fragments_waited];
      const WaitingFragment pushed_out = world_.fragments.Wait(
          {.buffer = frame, .tag = frame->packet.flow_hash, .receive_port = frame->port},
          world_.state.now_ms);
      if (pushed_out.buffer != nullptr) DropWaiting(pushed_out, DropReason::fragment_overflow);
    }
  }

  void DropWaiting(const WaitingFragment& fragment, DropReason reason) {
    auto* frame = static_cast<Frame*>(fragment.buffer);
    frame->waits = false;
    ++frame->ends;
    frame->packet.Drop(reason);
    ++counters_[Counter::fragments_received];
    CountVerdict(frame->packet, frame->buffer.length, counters_);
  }

  World& world_;
  CounterValues counters_;
  std::vector<std::unique_ptr<Frame>> frames_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_FRAGMENT_DRIVER_H_
