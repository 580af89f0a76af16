// The generator's packets: Ethernet frames of 64 bytes (without FCS) with IPv4, TCP and a stamp,
// all checksums right, of any of N flows.
//
// Flow i comes from 10.0.0.0 + i and goes to VIP i modulo the number of VIPs, port 80. The last ten
// bytes are the stamp: a sequence number, which is TCP's as well, and the low 48 bits of the
// sender's clock, both in this machine's byte order. Encapsulation puts bytes before the inner
// packet; the stamp stays at the end of the frame. Thread safety: constant after construction.
#ifndef GUIDEWAY_PERF_GENERATOR_FRAMES_H_
#define GUIDEWAY_PERF_GENERATOR_FRAMES_H_

#include <cstdint>
#include <cstring>

#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {

struct Stamp {
  uint32_t sequence = 0;
  uint64_t ticks = 0;  // the sender's clock modulo 2^48
};

class Frames {
 public:
  static constexpr uint32_t kFrameBytes = 64;
  static constexpr uint32_t kStampBytes = 10;
  static constexpr uint64_t kTicksMask = (uint64_t{1} << 48) - 1;
  static constexpr uint32_t kMostFlows = uint32_t{1} << 24;  // 10.0.0.0/8
  static constexpr uint16_t kPort = 80;

  struct Options {
    MacAddress source;
    MacAddress destination;
    Be32 first_vip;
    uint32_t vips = 1;
  };

  explicit Frames(const Options& options);

  // Writes a frame of `flow` (below kMostFlows) with TCP flags `flags` to `frame`, which has room
  // for kFrameBytes.
  void Write(uint8_t* frame, uint32_t flow, uint8_t flags, const Stamp& stamp) const;

  // The stamp of a frame of `length_bytes` that carries, from `outer_bytes` on behind the Ethernet
  // header, one of these packets. False if it is none.
  static bool ReadStamp(const uint8_t* frame, uint32_t length_bytes, uint32_t outer_bytes,
                        Stamp* stamp);

 private:
  struct Layout {
    EthernetHeader ethernet;
    Ipv4Header ip;
    TcpHeader tcp;
    uint8_t stamp[kStampBytes];
  };
  static_assert(sizeof(Layout) == kFrameBytes);
  static uint32_t SourcePort(uint32_t flow) { return 1024 + flow % 60000; }

  Layout pattern_{};  // what all frames have in common; the rest is zero
  uint32_t first_vip_;
  uint32_t vips_;
  uint64_t ip_sum_ = 0;   // of the pattern, in wire order
  uint64_t tcp_sum_ = 0;  // likewise, with the pseudo header
};

inline void Frames::Write(uint8_t* frame, uint32_t flow, uint8_t flags, const Stamp& stamp) const {
  auto* out = reinterpret_cast<Layout*>(frame);
  std::memcpy(frame, &pattern_, sizeof(pattern_));
  const Be32 source{(10u << 24) + flow};
  const Be32 destination{first_vip_ + flow % vips_};
  const Be16 source_port{static_cast<uint16_t>(SourcePort(flow))};
  const uint64_t addresses = uint64_t{source.wire()} + destination.wire();
  out->ip.source = source;
  out->ip.destination = destination;
  out->ip.checksum = Be16::FromWire(static_cast<uint16_t>(~FoldSum(ip_sum_ + addresses)));

  const auto ticks_low = static_cast<uint32_t>(stamp.ticks);
  const auto ticks_high = static_cast<uint16_t>(stamp.ticks >> 32);
  std::memcpy(out->stamp, &stamp.sequence, sizeof(stamp.sequence));
  std::memcpy(out->stamp + 4, &ticks_low, sizeof(ticks_low));
  std::memcpy(out->stamp + 8, &ticks_high, sizeof(ticks_high));

  const Be32 sequence{stamp.sequence};
  out->tcp.source_port = source_port;
  out->tcp.sequence = sequence;
  out->tcp.flags = flags;
  const uint64_t sum = tcp_sum_ + addresses + source_port.wire() + sequence.wire() +
                       Be16{flags}.wire() + stamp.sequence + ticks_low + ticks_high;
  out->tcp.checksum = Be16::FromWire(static_cast<uint16_t>(~FoldSum(sum)));
}

inline bool Frames::ReadStamp(const uint8_t* frame, uint32_t length_bytes, uint32_t outer_bytes,
                              Stamp* stamp) {
  if (length_bytes != kFrameBytes + outer_bytes) return false;
  const auto* tcp = reinterpret_cast<const TcpHeader*>(frame + outer_bytes +
                                                       sizeof(EthernetHeader) + sizeof(Ipv4Header));
  const uint8_t* bytes = frame + length_bytes - kStampBytes;
  uint32_t ticks_low;
  uint16_t ticks_high;
  std::memcpy(&stamp->sequence, bytes, sizeof(stamp->sequence));
  std::memcpy(&ticks_low, bytes + 4, sizeof(ticks_low));
  std::memcpy(&ticks_high, bytes + 8, sizeof(ticks_high));
  stamp->ticks = uint64_t{ticks_high} << 32 | ticks_low;
  return tcp->destination_port == Be16{kPort} && tcp->sequence.host() == stamp->sequence;
}

}  // namespace guideway

#endif  // GUIDEWAY_PERF_GENERATOR_FRAMES_H_
