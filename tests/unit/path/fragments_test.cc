// Fragments: those of a datagram stay together, whatever order they come in, whatever changes
// meanwhile; what waits is bounded in number and time; everything is accounted for.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/unit/path/fragment_fixture.h"

namespace guideway {
namespace {

using Fixture = FragmentFixture;

TEST_CASE("fragments that follow the first go to its backend, also when the slots change") {
  for (const char* vip : {kVip4, kVip6}) {
    Fixture f;
    CHECK(PortOf(f.driver.Send(First(vip))) == 0);
    f.SetPool(0, 1);
    CHECK(PortOf(f.driver.Send(Later(vip))) == 0);
    CHECK(PortOf(f.driver.Send(Later(vip, 1, 2800))) == 0);
    CHECK(f.Counted(Counter::fragments_received) == 3);
    CHECK(f.Counted(Counter::fragments_waited) == 0);
    CHECK(f.Counted(Counter::flow_inserts) == 1);
    CHECK(f.Counted(Counter::flow_misses) == 1);
  }
}

TEST_CASE("a fragmented datagram goes to its flow's backend, and makes a flow known") {
  Fixture f;
  const PacketSpec whole = {.destination = kVip4, .protocol = IpProtocol::kUdp};
  f.driver.Send({Frame(whole)});
  f.SetPool(0, 1);
  CHECK(PortOf(f.driver.Send(First(kVip4))) == 0);
  FragmentSpec other = First(kVip4, 2);
  other.whole.source_port = 7;
  CHECK(PortOf(f.driver.Send(other)) == 1);
  f.SetPool(0, 2);
  PacketSpec other_whole = whole;
  other_whole.source_port = 7;
  CHECK(PortOf(f.driver.Send({Frame(other_whole)})[0]) == 1);
}

TEST_CASE("a flow that only another worker knows has its backend there") {
  Fixture f;
  World peer;
  const FlowTable* const peers[] = {&peer.flows};
  f.state.peers = peers;
  const auto flow = [&](uint16_t port) {
    return FlowHash(f.tables.flow_hash_key, {.source = Address("192.0.2.1"),
                                             .destination = Address(kVip4),
                                             .source_port = Be16(port),
                                             .destination_port = Be16(80),
                                             .protocol = IpProtocol::kUdp});
  };
  peer.flows.Insert(flow(40000), f.backends[2].id, FlowState::kUdp, f.state.now_s, {});
  const auto* first = f.driver.Send(First(kVip4));
  CHECK(PortOf(first) == 2);
  CHECK(PortOf(f.driver.Send(Later(kVip4))) == 2);
  CHECK(f.Counted(Counter::flow_hits) == 1);
  CHECK(f.Counted(Counter::flow_misses) == 0);
  CHECK(f.Counted(Counter::flow_inserts) == 0);
  CHECK(f.Counted(Counter::flow_takeovers) == 0);  // its whole packets go there
  // They have not come for long: perhaps there are none.
  f.state.now_s += f.tables.timeouts.udp_s / 2 + 1;
  CHECK(PortOf(f.driver.Send(First(kVip4, 2))) == 2);
  CHECK(f.Counted(Counter::flow_takeovers) == 1);
  f.state.now_s += f.tables.timeouts.udp_s - 1;
  CHECK(PortOf(f.driver.Send(First(kVip4, 5))) == 2);
  // A SYN starts anew.
  FragmentSpec syn = First(kVip4, 3);
  syn.whole.protocol = IpProtocol::kTcp;
  peer.flows.Insert(FlowHash(f.tables.flow_hash_key, {.source = Address("192.0.2.1"),
                                                      .destination = Address(kVip4),
                                                      .source_port = Be16(40000),
                                                      .destination_port = Be16(80),
                                                      .protocol = IpProtocol::kTcp}),
                    f.backends[2].id, FlowState::kEstablished, f.state.now_s, {});
  CHECK(PortOf(f.driver.Send(syn)) == 0);
  syn.identification = 4;
  syn.whole.source_port = 40000;
  syn.whole.tcp_flags = kTcpAck;
  CHECK(PortOf(f.driver.Send(syn)) == 0);  // its own table knows now
}

TEST_CASE("fragments that come before the first wait for it and leave in order") {
  for (const char* vip : {kVip4, kVip6}) {
    Fixture f;
    auto* last = f.driver.Send(Later(vip, 1, 2800));
    auto* middle = f.driver.Send(Later(vip));
    auto* foreign = f.driver.Send(Later(vip, 2));
    CHECK((last->waits && middle->waits && foreign->waits));
    // Not received yet, for the accounting.
    CHECK(f.Counted(Counter::received_packets) == 0);
    CHECK(f.Counted(Counter::fragments_received) == 0);
    CHECK(f.driver.counters().Balanced());
    CHECK(PortOf(f.driver.Send(First(vip))) == 0);
    CHECK(PortOf(last) == 0);
    CHECK(PortOf(middle) == 0);
    CHECK(foreign->waits);
    CHECK(f.Counted(Counter::received_packets) == 3);
    CHECK(f.Counted(Counter::fragments_waited) == 3);
    CHECK(f.fragments.waiting() == 1);
  }
}

TEST_CASE("within a burst the order does not matter") {
  Fixture f;
  const auto sent = f.driver.Send({FragmentFrame(Later(kVip4)), FragmentFrame(First(kVip4))});
  CHECK(PortOf(sent[0]) == 0);
  CHECK(PortOf(sent[1]) == 0);
  CHECK(f.Counted(Counter::fragments_waited) == 0);
}

TEST_CASE("a fragment waits for a bounded time") {
  Fixture f;
  auto* fragment = f.driver.Send(Later(kVip4));
  f.driver.Pass(FragmentTable::kWaitMs - 1);
  CHECK(fragment->waits);
  f.driver.Pass(1);
  CHECK(DroppedAs(fragment, DropReason::fragment_timeout));
  CHECK(f.Drops(DropReason::fragment_timeout) == 1);
  CHECK(f.driver.counters().Balanced());
  CHECK(f.Counted(Counter::fragments_received) == 1);
  CHECK(PortOf(f.driver.Send(First(kVip4))) == 0);  // and nothing is released
}

TEST_CASE("a decision ends after its lifetime") {
  Fixture f;
  f.driver.Send(First(kVip4));
  f.driver.Pass(FragmentTable::kLifetimeMs - 1);
  CHECK(PortOf(f.driver.Send(Later(kVip4))) == 0);
  f.driver.Pass(1);
  CHECK(f.driver.Send(Later(kVip4))->waits);
}

TEST_CASE("what waits longest is pushed out when too many wait") {
  Fixture f;
  std::vector<FragmentDriver::Frame*> sent;
  for (uint32_t i = 0; i < FragmentTable::kWaiting + 10; ++i) {
    sent.push_back(f.driver.Send(Later(kVip4, i)));
  }
  for (uint32_t i = 0; i < sent.size(); ++i) {
    CAPTURE(i);
    CHECK(sent[i]->waits == (i >= 10));
  }
  CHECK(f.Drops(DropReason::fragment_overflow) == 10);
  CHECK(f.fragments.waiting() == FragmentTable::kWaiting);
  // Gaps in the queue are used again without pushing out anybody.
  f.driver.Send(First(kVip4, 10));
  CHECK(PortOf(sent[10]) == 0);
  f.driver.Send(Later(kVip4, 5000));
  CHECK(f.Drops(DropReason::fragment_overflow) == 10);
  f.driver.Stop();
  CHECK(f.fragments.waiting() == 0);
  CHECK(f.Drops(DropReason::fragment_timeout) == FragmentTable::kWaiting);
}

TEST_CASE("when tables change between fragments") {
  Fixture f;
  f.SetPool(0, 0);
  f.driver.Send(First(kVip4));
  SECTION("a backend that takes no packets any more is replaced") {
    f.backends[0].keeps_known_flows = false;
    f.SetPool(0, 1);
    CHECK(PortOf(f.driver.Send(Later(kVip4))) == 1);
  }
  SECTION("an index that is another backend's is not taken for the old one") {
    f.backends[0].id += 1u << 16;
    f.SetPool(0, 3);
    CHECK(PortOf(f.driver.Send(Later(kVip4))) == 3);
  }
  SECTION("nobody is left") {
    f.backends[0] = {};
    f.SetPool(0, kNoBackend);
    CHECK(DroppedAs(f.driver.Send(Later(kVip4)), DropReason::no_backend));
  }
  SECTION("fewer backends than the decision's index") {
    f.tables.backends = absl::MakeConstSpan(f.backends.data(), 0);
    CHECK(DroppedAs(f.driver.Send(Later(kVip4)), DropReason::no_backend));
  }
  SECTION("the VIP is gone") {
    VipCell empty[4] = {};
    f.tables.vips = VipTable(absl::MakeSpan(empty));
    REQUIRE(f.AddVip(0, kVip4, 99, IpProtocol::kUdp, 0));
    CHECK(f.driver.Send(Later(kVip4))->packet.verdict == Verdict::kToKernel);
  }
  SECTION("the VIP has another index and pool") {
    VipCell other[4] = {};
    f.tables.vips = VipTable(absl::MakeSpan(other));
    REQUIRE(f.AddVip(7, kVip4, 80, IpProtocol::kUdp, 5));
    const auto* later = f.driver.Send(Later(kVip4));
    CHECK(PortOf(later) == 0);
    CHECK(later->packet.vip == 7);
    CHECK(later->packet.pool == 5);
  }
  SECTION("another flow hash key: the decision is not found") {
    f.tables.flow_hash_key = FlowHashKey::FromSecret("another");
    CHECK(f.driver.Send(Later(kVip4))->waits);
  }
}

TEST_CASE("a datagram whose first fragment no backend gets is dropped as a whole") {
  Fixture f;
  f.SetPool(0, kNoBackend);
  auto* early = f.driver.Send(Later(kVip4));
  CHECK(DroppedAs(f.driver.Send(First(kVip4)), DropReason::no_backend));
  CHECK(DroppedAs(early, DropReason::no_backend));
  CHECK(DroppedAs(f.driver.Send(Later(kVip4)), DropReason::no_backend));
}

TEST_CASE("an identification that is used again gets a decision of its own") {
  Fixture f;
  f.driver.Send(First(kVip4));
  f.SetPool(0, 2);
  FragmentSpec again = First(kVip4);
  again.whole.source_port = 9;
  CHECK(PortOf(f.driver.Send(again)) == 2);
  CHECK(PortOf(f.driver.Send(Later(kVip4))) == 2);
}

TEST_CASE("any order of many datagrams: each stays together, and all is accounted for") {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    Fixture f;
    for (uint16_t slot = 0; slot < 7; ++slot) f.slots[0][slot].current = slot & 3;
    std::vector<FragmentSpec> specs;
    for (uint32_t datagram = 0; datagram < 40; ++datagram) {
      const char* vip = datagram % 2 == 0 ? kVip4 : kVip6;
      for (uint32_t piece = 0; piece < 4; ++piece) {
        FragmentSpec spec = piece == 0 ? First(vip, datagram) : Later(vip, datagram, piece * 1400);
        spec.whole.source_port = static_cast<uint16_t>(datagram);
        specs.push_back(spec);
      }
    }
    std::shuffle(specs.begin(), specs.end(), random);
    std::map<uint32_t, std::set<int>> ports;
    std::vector<FragmentDriver::Frame*> sent;
    for (size_t i = 0; i < specs.size();) {
      std::vector<std::vector<uint8_t>> frames;
      for (size_t count = 1 + random() % 5; count > 0 && i < specs.size(); --count, ++i) {
        frames.push_back(FragmentFrame(specs[i]));
      }
      for (auto* frame : f.driver.Send(frames)) sent.push_back(frame);
      f.SetPool(0, static_cast<uint16_t>(random() % 4));
    }
    for (size_t i = 0; i < specs.size(); ++i)
      ports[specs[i].identification].insert(PortOf(sent[i]));
    for (const auto& [datagram, of_one] : ports) {
      CAPTURE(datagram);
      CHECK(of_one.size() == 1);
      CHECK(*of_one.begin() >= 0);
    }
    CHECK(f.Counted(Counter::forwarded_packets) == specs.size());
  }
}

}  // namespace
}  // namespace guideway
