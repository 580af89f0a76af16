// What packets make of a flow's state: every transition, and what states are worth.
#include "lib/flow/flow_state.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "lib/flow/flow_rank.h"
#include "tests/unit/flow/flow_fixture.h"

namespace guideway {
namespace {

using enum FlowState;

constexpr FlowEvent kEvents[kFlowEvents] = {FlowEvent::kSyn, FlowEvent::kAck, FlowEvent::kData,
                                            FlowEvent::kFin, FlowEvent::kRst, FlowEvent::kUdp};

// By state, for a SYN, an ACK, data, a FIN and a RST; written down again, by what must hold.
struct Row {
  FlowState before;
  FlowState after[5];
};
constexpr Row kTcpRows[] = {
    {kFree, {kHalfOpen, kPickedUp, kPickedUp, kHalfClosedEnding, kFree}},
    {kHalfOpen, {kHalfOpen, kEstablished, kEstablished, kHalfClosed, kClosing}},
    {kEstablished, {kEstablished, kEstablished, kEstablished, kHalfClosed, kClosing}},
    {kClosing, {kHalfOpen, kRevived, kRevived, kHalfClosed, kClosing}},
    {kPickedUp, {kHalfOpen, kEstablished, kEstablished, kHalfClosed, kClosing}},
    {kHalfClosed, {kHalfOpen, kHalfClosed, kRevived, kHalfClosed, kHalfClosedEnding}},
    {kHalfClosedEnding, {kHalfOpen, kHalfClosed, kRevived, kHalfClosed, kHalfClosedEnding}},
    {kRevived, {kRevived, kRevived, kRevived, kHalfClosed, kClosing}},
    {kTakenOver, {kHalfOpen, kEstablished, kEstablished, kHalfClosed, kFree}},
};

TEST_CASE("every packet of every state") {
  for (const Row& row : kTcpRows) {
    for (size_t i = 0; i < 5; ++i) {
      INFO("state " << int(row.before) << ", event " << i);
      CHECK(NextFlowState(row.before, kEvents[i]) == row.after[i]);
    }
  }
  for (const FlowState udp : {kUdp, kUdpFirst, kTakenOver, kPickedUp})
    CHECK(NextFlowState(udp, FlowEvent::kUdp) == kUdp);
  CHECK(NextFlowState(kFree, FlowEvent::kUdp) == kUdpFirst);
  // What no release writes is taken as unknown.
  for (uint8_t state = kFlowStates; state < 16; ++state) {
    for (const FlowEvent event : kEvents)
      CHECK(NextFlowState(static_cast<FlowState>(state), event) == NextFlowState(kFree, event));
  }
}

TEST_CASE("a RST that was a stray one leaves the flow what it was") {
  for (const FlowState open : {kEstablished, kRevived, kHalfClosed}) {
    FlowState state = open;
    for (int i = 0; i < 100; ++i) state = NextFlowState(state, FlowEvent::kRst);
    state = NextFlowState(state, FlowEvent::kAck);
    CHECK(MustStay(state) == MustStay(open));
    CHECK(FlowTimeouts{}.Of(state) == FlowTimeouts{}.Of(open));
  }
}

TEST_CASE("one packet makes no flow that must stay, whatever it is") {
  for (const FlowEvent event : kEvents) CHECK_FALSE(MustStay(NextFlowState(kFree, event)));
}

TEST_CASE("a flow is counted once as reset by its client") {
  for (const FlowState before : {kHalfOpen, kEstablished, kPickedUp}) {
    FlowState state = before;
    int counted = 0;
    for (const FlowEvent event :
         {FlowEvent::kRst, FlowEvent::kRst, FlowEvent::kAck, FlowEvent::kRst, FlowEvent::kData,
          FlowEvent::kFin, FlowEvent::kRst, FlowEvent::kData, FlowEvent::kRst}) {
      counted += CountsAsReset(state, event);
      state = NextFlowState(state, event);
    }
    CHECK(counted == 1);
  }
}

TEST_CASE("the vectors that judge entries know which states must stay") {
  const std::set<FlowState> stay = {kEstablished, kUdp, kRevived};
  for (uint32_t state = 1; state < kFlowStates; ++state) {
    FlowBucket bucket = {};
    bucket.entries[0].tag = 1;
    bucket.entries[0].expiry = state << 28 | (kNow + 10);
    const EntryRank rank{RanksOf(bucket, 0, kNow)[0]};
    const bool stays = rank.entry_class() == EntryClass::kMustStay;
    CHECK(stays == stay.contains(static_cast<FlowState>(state)));
    CHECK(stays == MustStay(static_cast<FlowState>(state)));
  }
}

TEST_CASE("what is no state is forgotten, however much time it says is left") {
  Table t(8);
  REQUIRE(t.Insert(FlowOf(0, 1), kEstablished) == FlowInsert::kInserted);
  FlowEntry* entry = t.Find(FlowOf(0, 1));
  REQUIRE(entry != nullptr);
  entry->expiry = 15u << 28 | (kNow + kFlowHorizonSeconds);
  const auto nobody = [](BackendId) { return false; };
  while (!t.table.counts_all()) t.table.Sweep(64, kNow, nobody, [](BackendId) {});
  CHECK(t.table.CountOf(7) == 0);
  CHECK(t.Counts().empty());
}

TEST_CASE("a flood of first packets takes no half-closed flow's place while it has others") {
  Table t(8);
  for (uint64_t n = 0; n < 3; ++n) t.Insert(FlowOf(0, 1, n), kEstablished);
  t.Insert(FlowOf(0, 1, 3), kHalfClosed);
  for (uint64_t n = 4; n < 8; ++n) t.Insert(FlowOf(0, 1, n), kPickedUp);
  for (uint64_t n = 100; n < 300; ++n) {
    const FlowState flood[] = {kHalfOpen, kPickedUp, kHalfClosedEnding};
    // Of the half-closed flow's time the least is left.
    CHECK(t.Insert(FlowOf(0, 1, n), flood[n % 3], kNow + kTimeouts.half_closed_s - 1) ==
          FlowInsert::kEvicted);
  }
  CHECK(t.Find(FlowOf(0, 1, 3), kNow + kTimeouts.half_closed_s - 1) != nullptr);
}

}  // namespace
}  // namespace guideway
