// One side's end is not both sides': half-closed flows, strays, floods of RSTs.
#include "tests/unit/path/tcp_fixture.h"

namespace guideway {
namespace {

// Established at backend 0, which gets no new flows any more.
struct Drained : TcpWorld {
  Drained() {
    tables.timeouts = {.half_open_s = 5, .established_s = 100, .closing_s = 2, .half_closed_s = 20};
    Tcp(kSyn);
    Data();
    SetPool(0, 1);
  }
};

TEST_CASE("a client that shuts down its sending side gets its answer") {
  Drained f;
  CHECK(f.Tcp(kFin) == 0);
  CHECK(f.StateOfLast() == FlowState::kHalfClosed);
  f.Wait(5);  // beyond `closing`; then it acknowledges what the backend sends
  for (int i = 0; i < 10; ++i) {
    CHECK(f.Tcp(kAck) == 0);
    CHECK(f.StateOfLast() == FlowState::kHalfClosed);
    CHECK(f.View()->times_out_in_s == 20);
    f.Wait(19);
  }
  f.Wait(1);
  CHECK(f.Tcp(kAck) == 1);
}

TEST_CASE("a FIN again refreshes, a RST after it ends the flow soon") {
  Drained f;
  f.Tcp(kFin);
  f.Wait(15);
  CHECK(f.Tcp(kFin) == 0);
  CHECK(f.View()->times_out_in_s == 20);
  CHECK(f.Tcp(kRst) == 0);
  CHECK(f.View()->times_out_in_s == 2);
  SECTION("the client is gone") {
    f.Wait(2);
    CHECK(f.Tcp(kAck) == 1);
  }
  SECTION("the RST was a stray one") {
    f.Wait(1);
    CHECK(f.Tcp(kAck) == 0);
    CHECK(f.StateOfLast() == FlowState::kHalfClosed);
    CHECK(f.View()->times_out_in_s == 20);
  }
}

TEST_CASE("data after a FIN or RST that was not the client's: the flow is what it was") {
  Drained f;
  uint8_t stray = 0;
  SECTION("FIN") { stray = kFin; }
  SECTION("RST") { stray = kRst; }
  SECTION("RST with ACK") { stray = kRst | kAck; }
  CHECK(f.Tcp(stray) == 0);
  f.Wait(1);
  CHECK(f.Data() == 0);
  CHECK(f.View()->times_out_in_s == 100);
  f.Wait(99);
  CHECK(f.Data() == 0);
  // And it cannot be evicted: as good as new.
  CHECK(MustStay(f.StateOfLast()));
}

TEST_CASE("RSTs neither keep an entry alive nor count more than once") {
  Drained f;
  uint64_t resets = 0;
  for (int i = 0; i < 3; ++i) {
    f.Tcp(kRst);
    resets += f.Counted(Counter::client_resets);
    f.Wait(1);
  }
  CHECK(f.Tcp(kAck) == 1);  // timed out 2 s after the first one
  CHECK(resets == 1);
  Drained again;
  resets = 0;
  for (int i = 0; i < 10; ++i) {
    again.Tcp(kRst);
    resets += again.Counted(Counter::client_resets);
    CHECK(again.Data() == 0);
  }
  CHECK(resets == 1);
}

TEST_CASE("a RST of a half-open flow ends it; of a flow met with its FIN too") {
  Drained f;
  f.SetPool(0, 0);
  f.Tcp(kSyn, 0, 7);
  f.SetPool(0, 1);
  CHECK(f.Tcp(kRst, 0, 7) == 0);
  CHECK(f.StateOfLast() == FlowState::kClosing);
  CHECK(f.View()->times_out_in_s == 2);
  CHECK(f.Tcp(kFin, 0, 8) == 1);
  CHECK(f.StateOfLast() == FlowState::kHalfClosedEnding);
  f.SetPool(0, 2);
  CHECK(f.Tcp(kAck, 0, 8) == 1);
  CHECK(f.StateOfLast() == FlowState::kHalfClosed);
}

TEST_CASE("IPv6, options and padding: what is data is told by lengths") {
  Drained f;
  REQUIRE(f.AddVip(2, "2001:db8::1", 80, IpProtocol::kTcp, 0));
  PacketSpec spec{.source = "2001:db8:c::2", .destination = "2001:db8::1"};
  spec.tcp_flags = kSyn;
  f.Send(spec);
  spec.tcp_flags = kFin;
  f.Send(spec);
  spec.tcp_flags = kAck;
  spec.payload_bytes = 0;
  f.Send(spec);
  CHECK(f.StateOfLast() == FlowState::kHalfClosed);
  spec.payload_bytes = 1;
  f.Send(spec);
  CHECK(f.StateOfLast() == FlowState::kRevived);
}

TEST_CASE("an entry that cannot be this protocol's makes no half of one") {
  TcpWorld w;
  REQUIRE(w.Udp() == 0);
  // Given back by a worker that is no more, which knows no protocol: backend 2 has it.
  const FlowState state = GENERATE(FlowState::kPickedUp, FlowState::kHalfClosed);
  w.CountAll();
  w.flows.Insert(w.burst.packets[0].flow_hash, w.backends[2].id, state, w.state.now_s, {});
  FlowEntry* entry = w.flows.Find(w.burst.packets[0].flow_hash, w.state.now_s);
  REQUIRE(entry != nullptr);
  FlowTable::Touch(entry, state, w.state.now_s, {});
  const int after = state == FlowState::kPickedUp ? 2 : 0;
  for (int i = 0; i < 3; ++i) CHECK(w.Udp() == after);
  CHECK(w.StateOfLast() == FlowState::kUdp);
  CHECK(w.flows.CountOf(BackendIndex(w.backends[2].id)) == (after == 2 ? 1 : 0));
  CHECK(w.flows.CountOf(BackendIndex(w.backends[0].id)) == (after == 0 ? 1 : 0));
}

}  // namespace
}  // namespace guideway
