// Who is told that a packet is too big, where fragments are concerned: the stages before have their
// own say about those, so this calls the function itself. All else is in the golden packets.
#include "dataplane/path/too_big.h"

#include <catch2/catch.hpp>

#include "dataplane/path/parse_headers.h"
#include "tests/unit/path/packet_builder.h"
#include "tests/unit/path/too_big_reply.h"

namespace guideway {
namespace {

// The packet after HandleTooBig, with 20 bytes in front and a backend whose MTU is 1500.
struct Handled {
  explicit Handled(const std::vector<uint8_t>& frame) : buffer(frame, 128) {
    Burst burst;
    burst.count = 1;
    buffer.Fill(burst.packets[0]);
    ParseHeaders(burst.packets[0]);
    packet = burst.packets[0];
    packet.backend =
        &world.AddBackend(1, channel::Encapsulation::kIpip, "203.0.113.100", "203.0.113.1");
    world.backends[1].next_hop.mtu_bytes = 1500;
    HandleTooBig(packet, 20, world.state);
  }
  World world;
  Buffer buffer;
  Packet packet;
};

std::vector<uint8_t> LongFrame(const std::string& source, const std::string& destination) {
  PacketSpec spec;
  spec.source = source;
  spec.destination = destination;
  spec.protocol = IpProtocol::kUdp;
  spec.payload_bytes = 1500;
  return Frame(spec);
}

void SetFragment(std::vector<uint8_t>& frame, uint16_t offset_words, bool more) {
  auto* ip = reinterpret_cast<Ipv4Header*>(&frame[14]);
  ip->fragment = Be16(static_cast<uint16_t>(0x4000 | (more ? 0x2000 : 0) | offset_words));
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(&frame[14], ip->header_bytes());
}

// With headers that stand in front of the fragment header, of 8 bytes each, of this kind.
std::vector<uint8_t> Fragment6(const std::vector<uint8_t>& headers, uint16_t offset_words,
                               bool more) {
  std::vector<uint8_t> frame = LongFrame("2001:db8::1", "2001:db8:a::1");
  const uint8_t first = headers.empty() ? 44 : headers[0];
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < headers.size(); ++i) {
    const uint8_t next = i + 1 < headers.size() ? headers[i + 1] : 44;
    for (const uint8_t byte : {next, uint8_t{0}, uint8_t{1}, uint8_t{4}}) bytes.push_back(byte);
    bytes.resize(bytes.size() + 4, 0);
  }
  const auto field = static_cast<uint16_t>(offset_words << 3 | (more ? 1 : 0));
  for (const int byte : {int{frame[20]}, 0, field >> 8, field & 0xff, 1, 2, 3, 4}) {
    bytes.push_back(static_cast<uint8_t>(byte));
  }
  frame.insert(frame.begin() + 54, bytes.begin(), bytes.end());
  frame[20] = first;
  auto* ip = reinterpret_cast<Ipv6Header*>(&frame[14]);
  ip->payload_length = Be16(static_cast<uint16_t>(ip->payload_length.host() + bytes.size()));
  return frame;
}

void CheckTold(const std::vector<uint8_t>& frame, bool told) {
  const Handled handled(frame);
  CounterValues counted = handled.world.state.counted;
  CHECK(counted[Counter::too_big_replies] == (told ? 1 : 0));
  if (told) {
    CHECK(handled.packet.verdict == Verdict::kAnswer);
    CHECK(TooBigReplyIsRight(frame, FrameOf(handled.packet)));
  } else {
    CHECK(handled.packet.verdict == Verdict::kDrop);
    CHECK(handled.packet.drop_reason == DropReason::too_big);
    CHECK(FrameOf(handled.packet) == frame);
  }
}

TEST_CASE("an IPv4 fragment with DF is told of if it is the first") {
  std::vector<uint8_t> frame = LongFrame("192.0.2.1", "198.51.100.1");
  SetFragment(frame, 0, true);
  CheckTold(frame, true);
  for (const uint16_t offset_words : std::initializer_list<uint16_t>{1, 185, 0x1000, 0x1fff}) {
    for (const bool more : {false, true}) {
      CAPTURE(offset_words, more);
      SetFragment(frame, offset_words, more);
      CheckTold(frame, false);
    }
  }
}

TEST_CASE("an IPv6 fragment is told of if it is the first, wherever its header is") {
  const std::vector<std::vector<uint8_t>> in_front = {{}, {0}, {0, 60}};
  for (const std::vector<uint8_t>& headers : in_front) {
    CAPTURE(headers.size());
    CheckTold(Fragment6(headers, 0, true), true);
    CheckTold(Fragment6(headers, 0, false), true);  // atomic: a whole packet
    for (const uint16_t offset_words : std::initializer_list<uint16_t>{1, 31, 32, 185, 0x1fff}) {
      CAPTURE(offset_words);
      CheckTold(Fragment6(headers, offset_words, true), false);
      CheckTold(Fragment6(headers, offset_words, false), false);
    }
  }
}

}  // namespace
}  // namespace guideway
