// The generator's frames: real packets with right checksums, and stamps that come through.
#include "perf/generator/frames.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <set>
#include <vector>

namespace guideway {
namespace {

using Frame = std::array<uint8_t, Frames::kFrameBytes>;
constexpr uint8_t kAck = 0x10;
constexpr uint32_t kIpAt = sizeof(EthernetHeader);
constexpr uint32_t kTcpAt = kIpAt + sizeof(Ipv4Header);

Frames MakeFrames() {
  return Frames({.source = {.bytes = {2, 0, 0, 0, 0, 2}},
                 .destination = {.bytes = {2, 0, 0, 0, 0, 1}},
                 .first_vip = Be32{0xcb007101},
                 .vips = 16});
}

Frame Make(uint32_t flow, const Stamp& stamp) {
  Frame frame;
  frame.fill(0xee);
  MakeFrames().Write(frame.data(), flow, kAck, stamp);
  return frame;
}

const Ipv4Header& IpOf(const Frame& frame) {
  return *reinterpret_cast<const Ipv4Header*>(frame.data() + kIpAt);
}
const TcpHeader& TcpOf(const Frame& frame) {
  return *reinterpret_cast<const TcpHeader*>(frame.data() + kTcpAt);
}

TEST_CASE("A frame is IPv4 and TCP to a VIP, from its flow's address") {
  const Frame frame = Make(0x012345, {.sequence = 7, .ticks = 9});
  const auto& ethernet = *reinterpret_cast<const EthernetHeader*>(frame.data());
  CHECK(ethernet.destination.ToString() == "02:00:00:00:00:01");
  CHECK(ethernet.source.ToString() == "02:00:00:00:00:02");
  CHECK(ethernet.type == ether_type::kIpv4);
  CHECK(IpOf(frame).total_length.host() == 50);
  CHECK(IpAddress::FromIpv4(IpOf(frame).source).ToString() == "10.1.35.69");
  CHECK(IpAddress::FromIpv4(IpOf(frame).destination).ToString() == "203.0.113.6");
  CHECK(IpOf(frame).protocol == IpProtocol::kTcp);
  CHECK(TcpOf(frame).destination_port.host() == 80);
  CHECK(TcpOf(frame).flags == kAck);
  CHECK(TcpOf(frame).sequence.host() == 7);
  CHECK(TcpOf(frame).header_bytes() == sizeof(TcpHeader));
}

TEST_CASE("Both checksums are right, whatever the flow and the stamp") {
  for (uint32_t i = 0; i < 20'000; ++i) {
    const uint32_t flow = i * 2654435761u % Frames::kMostFlows;
    const Frame frame = Make(flow, {.sequence = i * 40503u, .ticks = uint64_t{i} * 0x12345679abu});
    REQUIRE(Ipv4ChecksumIsRight(IpOf(frame)));
    // RFC 9293: addresses, protocol and length stand before the segment.
    std::vector<uint8_t> summed(frame.data() + kIpAt + 12, frame.data() + kTcpAt);
    summed.insert(summed.end(), {0, 6, 0, Frames::kFrameBytes - kTcpAt});
    summed.insert(summed.end(), frame.data() + kTcpAt, frame.data() + Frames::kFrameBytes);
    REQUIRE(OnesComplementSum(summed.data(), summed.size()).wire() == 0xffff);
  }
}

TEST_CASE("Each flow has an address and port of its own, and VIPs take turns") {
  std::set<std::pair<uint32_t, uint32_t>> sources;
  std::set<uint32_t> vips;
  for (uint32_t flow = 0; flow < 1000; ++flow) {
    const Frame frame = Make(flow, {});
    sources.emplace(IpOf(frame).source.wire(), TcpOf(frame).source_port.wire());
    vips.insert(IpOf(frame).destination.host());
  }
  CHECK(sources.size() == 1000);
  CHECK(vips.size() == 16);
  CHECK(*vips.rbegin() - *vips.begin() == 15);
}

TEST_CASE("The stamp is read from the frame, with and without an outer header") {
  const Stamp stamp{.sequence = 0xfedcba98, .ticks = 0x7654'3210'9876};
  const Frame frame = Make(5, stamp);
  Stamp read;
  REQUIRE(Frames::ReadStamp(frame.data(), frame.size(), 0, &read));
  CHECK(read.sequence == stamp.sequence);
  CHECK(read.ticks == stamp.ticks);

  std::vector<uint8_t> tunnelled(frame.begin(), frame.begin() + kIpAt);
  tunnelled.insert(tunnelled.end(), 20, 0);
  tunnelled.insert(tunnelled.end(), frame.begin() + kIpAt, frame.end());
  read = {};
  REQUIRE(Frames::ReadStamp(tunnelled.data(), 84, 20, &read));
  CHECK(read.sequence == stamp.sequence);
  CHECK(read.ticks == stamp.ticks);
}

TEST_CASE("The sender's clock is kept modulo 2^48") {
  const Frame frame = Make(5, {.sequence = 1, .ticks = ~uint64_t{0}});
  Stamp read;
  REQUIRE(Frames::ReadStamp(frame.data(), frame.size(), 0, &read));
  CHECK(read.ticks == Frames::kTicksMask);
}

TEST_CASE("Other frames have no stamp") {
  Frame frame = Make(5, {.sequence = 1, .ticks = 2});
  Stamp read;
  CHECK_FALSE(Frames::ReadStamp(frame.data(), frame.size() - 1, 0, &read));
  CHECK_FALSE(Frames::ReadStamp(frame.data(), frame.size(), 20, &read));
  SECTION("another port") { frame[kTcpAt + 3] = 81; }
  SECTION("a sequence number that is not the stamp's") { frame[kTcpAt + 4] ^= 1; }
  CHECK_FALSE(Frames::ReadStamp(frame.data(), frame.size(), 0, &read));
}

TEST_CASE("A frame of another length has no stamp, whatever it ends with") {
  const Frame frame = Make(5, {});
  std::vector<uint8_t> longer(frame.begin(), frame.end());
  longer.push_back(0);
  Stamp read;
  REQUIRE(Frames::ReadStamp(frame.data(), frame.size(), 0, &read));
  CHECK_FALSE(Frames::ReadStamp(longer.data(), 65, 0, &read));
}

}  // namespace
}  // namespace guideway
