// Explaining flows: VIP, slot, entry, owner and delivery as the data plane would have them.
#include "controlplane/explain.h"

#include <catch2/catch.hpp>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "lib/flow/flow_entry.h"
#include "lib/hash/flow_hash.h"
#include "lib/net/gue.h"
#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

v1::ExplainFlowRequest Request(const std::string& source, uint32_t port) {
  v1::ExplainFlowRequest request;
  request.set_protocol(v1::TCP);
  request.set_source(source);
  request.set_source_port(port);
  request.set_destination("192.0.2.1");
  request.set_destination_port(80);
  return request;
}

struct World {
  World() : bench(3) { Compile(); }
  void Compile() {
    compiled = bench.Compile();
    state.Clear();
    v1::PoolState* pool = state.add_pools();
    *pool->mutable_pool() = bench.config.pools(0);
    for (const v1::Backend& backend : bench.config.pools(0).backends()) {
      v1::BackendState* out = pool->add_backends();
      *out->mutable_backend() = backend;
      out->set_health(v1::HEALTH_HEALTHY);
      out->set_next_hop("eth1 02:00:00:00:01:01");
    }
    *state.add_vips()->mutable_vip() = bench.config.vips(0);
    state.mutable_vips(0)->mutable_traffic()->set_packets(28);
  }
  uint64_t Hash(const FlowKey& flow) const {
    return FlowHash(FlowHashKey::FromSecret(bench.config.flow_hash_secret()), flow);
  }
  // As if `worker` of 2 knew the flow.
  channel::FlowLookup Known(const FlowKey& flow, uint32_t worker, uint16_t index,
                            uint16_t incarnation, FlowState flow_state, uint32_t left_s) const {
    channel::FlowLookup lookup;
    lookup.flow_hash = Hash(flow);
    lookup.worker_count = 2;
    lookup.workers[worker] = {.backend = uint32_t{incarnation} << 16 | index,
                              .times_out_in_s = left_s,
                              .state = static_cast<uint8_t>(flow_state)};
    return lookup;
  }
  channel::FlowLookup Unknown(const FlowKey& flow) const {
    return Known(flow, 0, 0, 0, FlowState::kFree, 0);
  }
  ExplainInput Input() const {
    return {.config = bench.config,
            .compiled = compiled,
            .registry = bench.registry,
            .fill_vip =
                [this](const std::string& name, v1::VipState* out) {
                  if (name == state.vips(0).vip().name()) *out = state.vips(0);
                },
            .fill_backend =
                [this](const std::string& pool, const std::string& name, v1::BackendState* out) {
                  if (pool != state.pools(0).pool().name()) return;
                  for (const v1::BackendState& backend : state.pools(0).backends()) {
                    if (backend.backend().name() == name) *out = backend;
                  }
                }};
  }
  v1::ExplainFlowResponse Explain(const FlowKey& flow,
                                  const absl::StatusOr<channel::FlowLookup>& lookup) const {
    return ExplainFlow(flow, Input(), lookup);
  }
  uint16_t IndexOf(int i) const { return compiled.backends.at(Bench::Key(i)).index; }
  uint16_t IncarnationOf(int i) const {
    return compiled.tables.backends.at(IndexOf(i)).incarnation;
  }

  Bench bench;
  Compiled compiled;
  v1::GetStateResponse state;
};

TEST_CASE("a flow that nobody knows goes to its slot's owner") {
  const World world;
  for (uint32_t port = 1000; port < 1050; ++port) {
    const FlowKey flow = *ParseFlow(Request("198.51.100.7", port));
    const auto found = world.Explain(flow, world.Unknown(flow));
    const auto& slots = *world.compiled.tables.pools.at(0).slots;
    const uint32_t slot = SlotOf(world.Hash(flow), static_cast<uint32_t>(slots.size()));
    CHECK(found.slot() == slot);
    CHECK(found.slot_count() == slots.size());
    CHECK(found.vip().vip().name() == "www");
    CHECK(found.vip().traffic().packets() == 28);
    CHECK(found.entries().empty());
    CHECK(found.decided_by() == absl::StrCat("slot ", slot));
    const int i = found.owner().backend().backend().name().back() - '0';
    CHECK(world.IndexOf(i) == slots[slot].current);
    CHECK(found.current().backend().backend().name() == found.owner().backend().backend().name());
    CHECK_FALSE(found.has_previous());
    CHECK(found.delivery().encapsulation() == v1::L2);
    CHECK(found.delivery().next_hop() == "eth1 02:00:00:00:01:01");
    CHECK(found.delivery().outer_source().empty());
    CHECK(found.notes().empty());
  }
}

TEST_CASE("an entry holds its flow as long as its backend is the same and keeps flows") {
  World world;
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  for (int i = 1; i <= 3; ++i) {
    const auto found =
        world.Explain(flow, world.Known(flow, 1, world.IndexOf(i), world.IncarnationOf(i),
                                        FlowState::kEstablished, 3590));
    REQUIRE(found.entries_size() == 1);
    CHECK(found.entries(0).worker() == 1);
    CHECK(found.entries(0).state() == "established");
    CHECK(found.entries(0).idle_ms() == 10'000);
    CHECK(found.entries(0).times_out_in_ms() == 3'590'000);
    CHECK(found.entries(0).holds());
    CHECK(found.owner().backend().backend().name() == absl::StrCat("web-", i));
    CHECK(found.decided_by() == "the flow table of worker 1");
  }
  const auto slot_owner =
      world.Explain(flow, world.Unknown(flow)).owner().backend().backend().name();
  // Another incarnation: the index has gone to another backend.
  const auto stale =
      world.Explain(flow, world.Known(flow, 0, world.IndexOf(1),
                                      static_cast<uint16_t>(world.IncarnationOf(1) - 1),
                                      FlowState::kEstablished, 3590));
  CHECK_FALSE(stale.entries(0).holds());
  CHECK_FALSE(stale.entries(0).has_owner());
  CHECK(stale.owner().backend().backend().name() == slot_owner);
  // Unhealthy: keeps no flows.
  const int sick = slot_owner == "web-1" ? 2 : 1;
  world.bench.health[Bench::Key(sick)] = HealthState::kUnhealthy;
  world.Compile();
  const auto left =
      world.Explain(flow, world.Known(flow, 0, world.IndexOf(sick), world.IncarnationOf(sick),
                                      FlowState::kEstablished, 3590));
  CHECK_FALSE(left.entries(0).holds());
  CHECK(left.owner().backend().backend().name() == slot_owner);
}

TEST_CASE("a drained backend keeps its flow, the slot has another owner and a previous one") {
  World world;
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  const auto before = world.Explain(flow, world.Unknown(flow));
  const std::string name = before.owner().backend().backend().name();
  const int i = name.back() - '0';
  world.bench.backend(i)->set_state(v1::DRAINED);
  world.Compile();
  const auto fresh = world.Explain(flow, world.Unknown(flow));
  CHECK(fresh.owner().backend().backend().name() != name);
  CHECK(fresh.previous().backend().backend().name() == name);
  const auto known = world.Explain(
      flow,
      world.Known(flow, 0, world.IndexOf(i), world.IncarnationOf(i), FlowState::kHalfOpen, 29));
  CHECK(known.owner().backend().backend().name() == name);
  CHECK(known.entries(0).state() == "half-open");
  CHECK(known.entries(0).idle_ms() == 1000);
}

TEST_CASE("outer headers are the data plane's") {
  World world;
  world.bench.pool()->set_encapsulation(v1::GUE);
  world.bench.pool()->mutable_gue()->set_port(6080);
  world.Compile();
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  const auto found = world.Explain(flow, world.Unknown(flow));
  CHECK(found.delivery().encapsulation() == v1::GUE);
  CHECK(found.delivery().outer_source() == "10.0.255.254");
  CHECK(found.delivery().outer_destination() == found.owner().backend().backend().address());
  CHECK(found.delivery().outer_source_port() == TunnelSourcePort(world.Hash(flow)).host());
  CHECK(found.delivery().outer_destination_port() == 6080);
}

TEST_CASE("the VIP with the port comes before the one with any, and the protocol counts") {
  World world;
  for (const auto& [name, port, protocol] :
       {std::tuple("any", 0, v1::TCP), std::tuple("udp", 80, v1::UDP)}) {
    v1::Vip* vip = world.bench.config.add_vips();
    *vip = world.bench.config.vips(0);
    vip->set_name(name);
    vip->set_port(port);
    vip->set_protocol(protocol);
  }
  world.Compile();
  const auto name_of = [&](v1::Protocol protocol, uint32_t port) {
    v1::ExplainFlowRequest request = Request("198.51.100.7", 4242);
    request.set_protocol(protocol);
    request.set_destination_port(port);
    const FlowKey flow = *ParseFlow(request);
    return world.Explain(flow, world.Unknown(flow)).vip().vip().name();
  };
  CHECK(name_of(v1::TCP, 80) == "www");
  CHECK(name_of(v1::TCP, 81) == "any");
  CHECK(name_of(v1::UDP, 80) == "udp");
  CHECK(name_of(v1::UDP, 81).empty());
}

TEST_CASE("a VIP's own timeouts tell how long an entry has been idle") {
  World world;
  world.bench.config.mutable_vips(0)->mutable_flow_timeouts()->mutable_half_open()->set_seconds(60);
  world.Compile();
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  const auto known = [&](FlowState state) {
    return world.Explain(flow,
                         world.Known(flow, 0, world.IndexOf(1), world.IncarnationOf(1), state, 20));
  };
  CHECK(known(FlowState::kHalfOpen).entries(0).idle_ms() == 40'000);
  CHECK(known(FlowState::kClosing).entries(0).idle_ms() == 10'000);
}

TEST_CASE("of several workers that know the flow the one decides that saw it last") {
  const World world;
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  for (const uint32_t last : {0u, 1u}) {
    auto lookup = world.Known(flow, last, world.IndexOf(1), world.IncarnationOf(1),
                              FlowState::kEstablished, 3000);
    lookup.workers[1 - last] =
        world
            .Known(flow, 0, world.IndexOf(2), world.IncarnationOf(2), FlowState::kEstablished, 2000)
            .workers[0];
    const auto found = world.Explain(flow, lookup);
    CHECK(found.owner().backend().backend().name() == "web-1");
    CHECK(found.decided_by() == absl::StrCat("the flow table of worker ", last));
  }
}

TEST_CASE("maglev-source: the slot is the client's, whatever its port") {
  World world;
  world.bench.pool()->set_scheduler(v1::MAGLEV_SOURCE);
  world.bench.pool()->set_source_prefix_length_ipv4(32);
  world.bench.pool()->set_source_prefix_length_ipv6(64);
  world.Compile();
  const auto slot_of = [&](uint32_t port) {
    const FlowKey flow = *ParseFlow(Request("198.51.100.7", port));
    return world.Explain(flow, world.Unknown(flow)).slot();
  };
  for (uint32_t port = 1; port < 10; ++port) CHECK(slot_of(port) == slot_of(4242));
}

TEST_CASE("a second chance: at the slot's previous owner, if it knows flows, for TCP by slot") {
  World world;
  world.bench.pool()->set_encapsulation(v1::GUE);
  world.bench.pool()->mutable_gue()->set_port(6080);
  world.bench.pool()->mutable_gue()->set_second_chance(true);
  world.Compile();
  v1::ExplainFlowRequest request = Request("198.51.100.7", 4242);
  FlowKey flow = *ParseFlow(request);
  auto found = world.Explain(flow, world.Unknown(flow));
  const std::string name = found.owner().backend().backend().name();
  const int i = name.back() - '0';
  CHECK(found.delivery().second_chance().empty());
  world.bench.backend(i)->set_state(v1::DRAINED);
  v1::Vip* udp = world.bench.config.add_vips();
  *udp = world.bench.config.vips(0);
  udp->set_name("udp");
  udp->set_protocol(v1::UDP);
  world.Compile();
  found = world.Explain(flow, world.Unknown(flow));
  CHECK(found.delivery().second_chance() == Bench::Address(i));
  const int other = found.owner().backend().backend().name().back() - '0';
  const auto known = world.Known(flow, 0, world.IndexOf(other), world.IncarnationOf(other),
                                 FlowState::kEstablished, 3000);
  CHECK(world.Explain(flow, known).delivery().second_chance().empty());
  int moved = 0;
  for (uint32_t port = 1; port <= 30; ++port) {
    request.set_protocol(v1::UDP);
    request.set_source_port(port);
    flow = *ParseFlow(request);
    found = world.Explain(flow, world.Unknown(flow));
    moved += found.has_previous();
    CHECK(found.delivery().second_chance().empty());
  }
  CHECK(moved > 0);
}

TEST_CASE("what cannot be told is said") {
  const World world;
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  auto found = world.Explain(flow, absl::UnavailableError("data plane: not connected yet"));
  REQUIRE(found.notes_size() == 1);
  CHECK(found.notes(0) == "the flow tables could not be asked: data plane: not connected yet");
  CHECK(found.has_owner());
  channel::FlowLookup other = world.Unknown(flow);
  other.flow_hash ^= 1;
  found = world.Explain(flow, other);
  CHECK(found.notes(0).find("the data plane's tables are others") == 0);
  v1::ExplainFlowRequest no_vip = Request("198.51.100.7", 4242);
  no_vip.set_destination_port(81);
  const FlowKey elsewhere = *ParseFlow(no_vip);
  CHECK_FALSE(world.Explain(elsewhere, world.Unknown(elsewhere)).has_vip());
}

TEST_CASE("nobody: dropped") {
  World world;
  for (int i = 1; i <= 3; ++i) world.bench.backend(i)->set_state(v1::DISABLED);
  world.Compile();
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  const auto found = world.Explain(flow, world.Unknown(flow));
  CHECK_FALSE(found.has_owner());
  CHECK_FALSE(found.has_current());
  REQUIRE(found.notes_size() == 1);
  CHECK(found.notes(0).find("no_backend") != std::string::npos);
}

TEST_CASE("bad flows name the field") {
  const auto problem = [](auto change) {
    v1::ExplainFlowRequest request = Request("198.51.100.7", 1);
    change(&request);
    return std::string(ParseFlow(request).status().message());
  };
  CHECK(problem([](auto* r) { r->set_source("x"); }) ==
        "source: \"x\" is not an IPv4 or IPv6 address");
  CHECK(problem([](auto* r) { r->set_destination(""); }).find("destination: ") == 0);
  CHECK(problem([](auto* r) { r->set_source_port(65536); }) == "source_port: 65536 is not a port");
  CHECK(problem([](auto* r) { r->set_protocol(v1::PROTOCOL_UNSPECIFIED); }) ==
        "protocol: must be tcp or udp");
  CHECK(problem([](auto* r) { r->set_source("2001:db8::1"); }) ==
        "source and destination are of different address families");
}

TEST_CASE("what a worker has given up decides only if nobody else knows the flow") {
  const World world;
  const FlowKey flow = *ParseFlow(Request("198.51.100.7", 4242));
  auto lookup =
      world.Known(flow, 0, world.IndexOf(1), world.IncarnationOf(1), FlowState::kTakenOver, 3599);
  auto found = world.Explain(flow, lookup);
  CHECK(found.entries(0).state() == "taken-over");
  CHECK(found.decided_by() == "the flow table of worker 0");
  lookup.worker_count = 2;
  lookup.workers[1] =
      world.Known(flow, 0, world.IndexOf(2), world.IncarnationOf(2), FlowState::kHalfClosed, 1)
          .workers[0];
  found = world.Explain(flow, lookup);
  CHECK(found.entries(1).state() == "half-closed");
  CHECK(found.decided_by() == "the flow table of worker 1");
}

}  // namespace
}  // namespace guideway
