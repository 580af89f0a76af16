// Which fragments belong together, which are for a VIP, which are broken; the policies.
#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/path/fragment_fixture.h"

namespace guideway {
namespace {

using Fixture = FragmentFixture;

TEST_CASE("what is for no VIP of the address is the kernel's, all of it") {
  for (const char* vip : {kVip4, kVip6}) {
    Fixture f;
    auto* early = f.driver.Send(Later(vip));
    FragmentSpec first = First(vip);
    first.whole.destination_port = 81;
    CHECK(f.driver.Send(first)->packet.verdict == Verdict::kToKernel);
    CHECK(early->packet.verdict == Verdict::kToKernel);
    CHECK(FrameOf(early->packet) == early->came);
    CHECK(f.driver.Send(Later(vip))->packet.verdict == Verdict::kToKernel);
  }
  Fixture f;
  FragmentSpec sctp = First(kVip4);
  sctp.whole.protocol = static_cast<IpProtocol>(132);
  CHECK(f.driver.Send(sctp)->packet.verdict == Verdict::kToKernel);
  FragmentSpec nobody = Later("198.51.100.200");
  CHECK(f.driver.Send(nobody)->packet.verdict == Verdict::kToKernel);
  CHECK(f.Counted(Counter::fragments_received) == 0);
}

TEST_CASE("datagrams are told apart by addresses, protocol, identification and family") {
  Fixture f;
  f.driver.Send(First(kVip4));
  FragmentSpec later = Later(kVip4);
  later.whole.source = "192.0.2.2";
  CHECK(f.driver.Send(later)->waits);
  later = Later(kVip4, 2);
  CHECK(f.driver.Send(later)->waits);
  later = Later(kVip4);
  later.whole.protocol = IpProtocol::kTcp;
  CHECK(f.driver.Send(later)->waits);
  f.driver.Send(First(kVip6, 1));
  CHECK(f.driver.Send(Later(kVip6, 1u << 16 | 1))->waits);  // 32 bits of identification
  FragmentSpec behind = Later(kVip6, 1);
  behind.hop_by_hop = true;
  CHECK(PortOf(f.driver.Send(behind)) == 0);
}

TEST_CASE("fragments that no datagram has") {
  for (const char* vip : {kVip4, kVip6}) {
    Fixture f;
    uint32_t identification = 0;
    const auto bad = [&](FragmentSpec spec) {
      spec.identification = ++identification;
      return DroppedAs(f.driver.Send(spec), DropReason::fragment_bad);
    };
    FragmentSpec tcp = First(vip);
    tcp.whole.protocol = IpProtocol::kTcp;
    for (const uint32_t bytes : {8, 16}) {  // a TCP header in two pieces
      tcp.payload_bytes = bytes;
      CHECK(bad(tcp));
      tcp.offset_bytes = bytes;
      CHECK(bad(tcp));
      tcp.offset_bytes = 0;
    }
    tcp.payload_bytes = 24;
    CHECK_FALSE(bad(tcp));
    tcp.offset_bytes = 24;
    CHECK_FALSE(bad(tcp));
    FragmentSpec udp = First(vip);
    udp.payload_bytes = 8;
    CHECK_FALSE(bad(udp));
    udp.payload_bytes = 12;  // not the last, and not in units of 8
    CHECK(bad(udp));
    udp.payload_bytes = 0;
    CHECK(bad(udp));
    FragmentSpec end = Later(vip);
    end.payload_bytes = 0;
    CHECK(bad(end));
    // The end of the longest datagram: IPv4 counts its header of 20 bytes.
    end.offset_bytes = vip == kVip4 ? 65512 : 65528;
    end.payload_bytes = vip == kVip4 ? 3u : 7u;
    CHECK_FALSE(bad(end));
    ++end.payload_bytes;
    CHECK(bad(end));
  }
}

TEST_CASE("a TCP header that announces more than the first fragment holds") {
  Fixture f;
  FragmentSpec tcp = First(kVip4);
  tcp.whole.protocol = IpProtocol::kTcp;
  tcp.payload_bytes = 24;
  std::vector<uint8_t> frame = FragmentFrame(tcp);
  frame[34 + 12] = 7 << 4;
  CHECK(DroppedAs(f.driver.Send({frame})[0], DropReason::fragment_bad));
  frame[34 + 12] = 4 << 4;
  CHECK(DroppedAs(f.driver.Send({frame})[0], DropReason::tcp_header_bad));
  frame[34 + 12] = 6 << 4;
  CHECK(PortOf(f.driver.Send({frame})[0]) == 0);
}

TEST_CASE("a fragment over the first one is dropped: it could change the ports behind our back") {
  Fixture f;
  auto* early = f.driver.Send(Later(kVip4, 1, 1392));
  f.driver.Send(First(kVip4));
  CHECK(DroppedAs(early, DropReason::fragment_bad));
  CHECK(DroppedAs(f.driver.Send(Later(kVip4, 1, 8)), DropReason::fragment_bad));
  CHECK(PortOf(f.driver.Send(Later(kVip4))) == 0);
}

TEST_CASE("second chance is for whole packets") {
  Fixture f;
  for (const uint16_t index : {uint16_t{1}, uint16_t{2}}) {
    Backend& backend = f.AddBackend(index, channel::Encapsulation::kGue, "10.0.0.1",
                                    "10.0.0." + std::to_string(index));
    backend.gue_port = Be16(6080);
    backend.gue_hop_list = true;
  }
  f.SetPool(0, 1, 2);
  FragmentSpec tcp = First(kVip4);
  tcp.whole.protocol = IpProtocol::kTcp;
  tcp.whole.tcp_flags = kTcpAck;
  const auto* first = f.driver.Send(tcp);
  CHECK(PortOf(first) == 1);
  CHECK(first->packet.alternate == nullptr);
}

TEST_CASE("hash3: all fragments of an address pair go one way, without any state") {
  for (const char* vip : {kVip4, kVip6}) {
    Fixture f;
    f.tables.fragments = channel::FragmentPolicy::kHash3;
    REQUIRE(f.tables.vips.InsertForFragments(Address(vip), IpProtocol::kUdp, 1, 0));
    for (uint16_t slot = 0; slot < 7; ++slot) f.slots[0][slot].current = slot & 3;
    const auto* first = f.driver.Send(First(vip));
    const int port = PortOf(first);
    CHECK(port >= 0);
    for (uint32_t identification = 1; identification < 30; ++identification) {
      FragmentSpec other = First(vip, identification);
      other.whole.source_port = static_cast<uint16_t>(identification);
      CHECK(PortOf(f.driver.Send(other)) == port);
      CHECK(PortOf(f.driver.Send(Later(vip, identification))) == port);
    }
    std::set<int> ports;
    for (int host = 1; host < 60; ++host) {
      FragmentSpec later = Later(vip);
      later.whole.source = (vip == kVip4 ? "192.0.2." : "2001:db8:c::") + std::to_string(host);
      ports.insert(PortOf(f.driver.Send(later)));
    }
    CHECK(ports == std::set<int>{0, 1, 2, 3});
    CHECK(f.Counted(Counter::fragments_waited) == 0);
    CHECK(f.Counted(Counter::flow_inserts) == 0);
    FragmentSpec tcp = Later(vip);
    tcp.whole.protocol = IpProtocol::kTcp;
    CHECK(f.driver.Send(tcp)->packet.verdict == Verdict::kToKernel);  // no TCP VIP in this table
    FragmentSpec tiny = First(vip);
    tiny.whole.protocol = IpProtocol::kTcp;
    tiny.payload_bytes = 16;
    CHECK(DroppedAs(f.driver.Send(tiny), DropReason::fragment_bad));
  }
}

TEST_CASE("drop: no fragment for a VIP's address goes anywhere") {
  for (const char* vip : {kVip4, kVip6}) {
    Fixture f;
    f.tables.fragments = channel::FragmentPolicy::kDrop;
    CHECK(DroppedAs(f.driver.Send(First(vip)), DropReason::fragment_policy));
    CHECK(DroppedAs(f.driver.Send(Later(vip)), DropReason::fragment_policy));
    CHECK(f.driver.Send(Later("198.51.100.200"))->packet.verdict == Verdict::kToKernel);
    const PacketSpec whole = {.source = First(vip).whole.source, .destination = vip};
    CHECK(PortOf(f.driver.Send({Frame(whole)})[0]) == 0);
  }
}

}  // namespace
}  // namespace guideway
