// Which share of slots and flows a change moves, against counting by hand.
#include "controlplane/compiler/impact.h"

#include <catch2/catch.hpp>

#include "lib/config/load.h"
#include "lib/hash/flow_hash.h"

namespace guideway {
namespace {

using Slots = std::vector<channel::MaglevSlot>;

Slots Make(const std::vector<uint16_t>& owners) {
  Slots slots;
  for (const uint16_t owner : owners) slots.push_back({owner, owner});
  return slots;
}

TEST_CASE("tables of different sizes are compared along the hashes") {
  CHECK(MovedShare(Make({1, 2, 3}), Make({1, 2, 3})) == 0);
  CHECK(MovedShare(Make({1, 2, 3, 1}), Make({1, 2, 2, 1})) == Approx(0.25));
  CHECK(MovedShare(Make({1, 2}), Make({1, 1, 2, 2})) == 0);
  CHECK(MovedShare(Make({1, 2}), Make({1, 2, 2})) == Approx(1.0 / 6));
  CHECK(MovedShare({}, Make({1})) == 1);
  CHECK(MovedShare({}, {}) == 0);
  // As SlotOf() maps them.
  const Slots a = Make({4, 5, 6, 4, 5});
  const Slots b = Make({4, 6, 6, 5, 5, 4, 4});
  int moved = 0;
  constexpr int kHashes = 100'000;
  for (int i = 0; i < kHashes; ++i) {
    const uint64_t hash = ~uint64_t{0} / kHashes * static_cast<uint64_t>(i);
    moved += a[SlotOf(hash, 5)].current != b[SlotOf(hash, 7)].current ? 1 : 0;
  }
  CHECK(MovedShare(a, b) == Approx(moved / double{kHashes}).margin(0.001));
}

struct ImpactFixture {
  std::map<IpAddress, ResolvedNextHop> no_next_hops;
  std::map<std::string, HealthState> health;
  v1::Config before = Parse("10.0.0.1", "10.0.0.4");

  static v1::Config Parse(const std::string& first, const std::string& last) {
    auto config = ParseConfig(
        "flow_hash_secret: 0123456789abcdef\npools:\n- name: web\n  table_size: 1009\n"
        "  probe: {type: tcp, port: 80}\n  backends:\n"
        "  - {name: a, address: " +
            first +
            "}\n  - {name: b, address: 10.0.0.2}\n"
            "  - {name: c, address: 10.0.0.3}\n  - {name: d, address: " +
            last + "}\n",
        "test");
    REQUIRE(config.ok());
    return *config;
  }
  PoolImpact Compare(const v1::Config& after, const FlowCount& flows = nullptr) {
    CompilerInput input;
    input.health = [this](const std::string& key) {
      const auto found = health.find(key);
      return found == health.end() ? HealthState::kHealthy : found->second;
    };
    input.is_settling = [](const std::string&) { return false; };
    input.next_hops = &no_next_hops;
    const auto impact = ComparePool(input, before, after, flows);
    REQUIRE(impact.ok());
    return *impact;
  }
};

TEST_CASE_METHOD(ImpactFixture, "the same again moves nothing") {
  const PoolImpact impact = Compare(before);
  CHECK(impact.pool == "web");
  CHECK(impact.moved_slots == 0);
  CHECK(impact.moved_flows == 0.0);
  CHECK(impact.losing_backends.empty());
}

TEST_CASE_METHOD(ImpactFixture, "a backend that goes takes its slots along, but keeps its flows") {
  v1::Config after = before;
  SECTION("removed") { after.mutable_pools(0)->mutable_backends()->DeleteSubrange(1, 1); }
  SECTION("drained") { after.mutable_pools(0)->mutable_backends(1)->set_state(v1::DRAINED); }
  SECTION("moved to another address") {
    after.mutable_pools(0)->mutable_backends(1)->set_address("10.0.0.9");
  }
  const PoolImpact impact = Compare(after);
  CHECK(impact.moved_slots >= 0.24);
  // A new one's slots are taken from all the others, wherever the old one's were.
  const bool is_new = after.pools(0).backends_size() == 4 &&
                      after.pools(0).backends(1).address() != before.pools(0).backends(1).address();
  CHECK(impact.moved_slots < (is_new ? 0.45 : 0.35));
  CHECK(impact.moved_flows == 0.0);
}

TEST_CASE_METHOD(ImpactFixture, "a disabled backend loses its flows") {
  v1::Config after = before;
  after.mutable_pools(0)->mutable_backends(1)->set_state(v1::DISABLED);
  const PoolImpact unknown = Compare(after);
  CHECK(!unknown.moved_flows.has_value());
  CHECK(unknown.losing_backends == std::vector<std::string>{"b"});
  CHECK(unknown.losing_slots == Approx(0.25).margin(0.01));
  const PoolImpact counted = Compare(after, [](const std::string& key) -> std::optional<uint64_t> {
    return key == "web/b/10.0.0.2" ? 10 : 30;
  });
  CHECK(*counted.moved_flows == Approx(0.1));
  // What was unhealthy has none to lose.
  health["web/b/10.0.0.2"] = HealthState::kUnhealthy;
  CHECK(Compare(after).moved_flows == 0.0);
  CHECK(Compare(after).moved_slots == 0);
}

TEST_CASE_METHOD(ImpactFixture, "facts that were gathered before say the same") {
  v1::Config after = before;
  after.mutable_pools(0)->mutable_backends(1)->set_state(v1::DISABLED);
  health["web/c/10.0.0.3"] = HealthState::kUnhealthy;
  const FlowCount flows = [](const std::string& key) -> std::optional<uint64_t> {
    return key == "web/b/10.0.0.2" ? 10 : 45;
  };
  PoolFacts facts;
  for (const v1::Backend& backend : before.pools(0).backends()) {
    const std::string key = BackendKey("web", backend.name(), backend.address());
    facts.backends[key].health = health.contains(key) ? health.at(key) : HealthState::kHealthy;
    facts.backends[key].flows = flows(key);
  }
  const PoolImpact asked = Compare(after, flows);
  const auto gathered = ComparePool(facts, before, after);
  REQUIRE(gathered.ok());
  CHECK(gathered->moved_slots == asked.moved_slots);
  CHECK(*gathered->moved_flows == Approx(0.1));
  CHECK(gathered->losing_backends == asked.losing_backends);
  // Who keeps flows though unhealthy, or is ejected, counts as such.
  facts.backends["web/c/10.0.0.3"].keeps_flows = true;
  CHECK(*ComparePool(facts, before, after)->moved_flows == Approx(10.0 / 145));
  facts.backends["web/b/10.0.0.2"].ejected = true;
  CHECK(ComparePool(facts, before, after)->moved_slots < asked.moved_slots);
}

TEST_CASE_METHOD(ImpactFixture, "another secret forgets every flow") {
  v1::Config after = before;
  after.set_flow_hash_secret("fedcba9876543210");
  const PoolImpact impact = Compare(after);
  CHECK(impact.moved_flows == 1.0);
  CHECK(impact.losing_backends.size() == 4);
}

TEST_CASE_METHOD(ImpactFixture, "what a pool depends on is carried over") {
  before.mutable_flow_timeouts()->mutable_udp()->set_seconds(77);
  before.set_source_prefix_ipv4("198.18.0.0/16");
  v1::Config rest = WithoutPools(before);
  CHECK(rest.pools_size() == 0);
  *rest.add_pools() = before.pools(0);
  CHECK(rest.SerializeAsString() == before.SerializeAsString());
}

}  // namespace
}  // namespace guideway
