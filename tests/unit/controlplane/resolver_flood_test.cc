// The resolver at thousands of destinations while routes change all the time.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/controlplane/resolver_bench.h"
#include "tests/unit/controlplane/turn_bound.h"

namespace guideway {
namespace {

// So many destinations that one round of asking takes long.
constexpr int kMany = 8000;

std::string ManyAddress(int i) { return absl::StrCat("198.18.", i / 250, ".", i % 250 + 1); }

std::vector<IpAddress> ManyAddresses(int first) {
  std::vector<IpAddress> addresses;
  for (int i = first; i < first + kMany; ++i)
    addresses.push_back(*IpAddress::Parse(ManyAddress(i)));
  return addresses;
}

TEST_CASE("a flood of route changes: unrelated ones cost no lookup, others no long turn") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  bench.Here("ip route add 198.18.0.0/16 via 10.1.0.2");
  bench.here.On([&] { bench.resolver->SetDestinations(ManyAddresses(0)); });
  REQUIRE(bench.here.Await([&] { return !bench.resolver->looking_up(); }, absl::Seconds(30)));
  REQUIRE(bench.AwaitMac(ManyAddress(kMany - 1).c_str(), kPeerMac, absl::Seconds(30)));
  uint64_t lookups = 0;
  const auto asked = [&] { return bench.resolver->lookups() - lookups; };
  bench.here.On([&] {
    lookups = bench.resolver->lookups();
    bench.here.loop()->meter().Reset();
  });
  SECTION("unrelated") {
    // So few that the kernel need not drop notifications, however slow the loop is.
    bench.Beside(
        "for i in $(seq 0 999); do r=203.0.$((i / 250)).$((i % 250))/32; "
        "echo route add $r via 10.1.0.2; echo route del $r; done | ip -batch -");
    // This one concerns one destination: when it is known, all before have been heard.
    bench.Beside("ip route add 198.18.0.1/32 via 10.1.0.3");
    REQUIRE(
        bench.here.Await([&] { return bench.Hop("198.18.0.1").gateway.ToString() == "10.1.0.3"; },
                         absl::Seconds(20)));
    // One, and a round if the end of the kernel's search for duplicates of its address came now.
    bench.here.On([&] { CHECK(asked() <= 1 + kMany); });
  }
  SECTION("a route that all need") {
    bench.Beside(
        "for i in $(seq 0 499); do echo route replace 198.18.0.0/16 via 10.1.0.$((2 + i % 2)); "
        "done | ip -batch -");
    REQUIRE(bench.here.Await(
        [&] { return bench.Hop(ManyAddress(kMany - 1).c_str()).gateway.ToString() == "10.1.0.3"; },
        absl::Seconds(30)));
    bench.here.On([&] {
      CHECK(asked() >= kMany);
      CHECK(asked() <= 20 * kMany);  // not once a change
    });
  }
  bench.here.On([&] {
    const LoopMeter::Work work = bench.here.loop()->meter().ByWork().at("resolver");
    INFO("longest turn, processor: " << absl::FormatDuration(work.longest_processor));
    CHECK(work.longest_processor < kTurnBound);
  });
}

TEST_CASE("thousands of destinations are replaced in turns, also by a set that comes between two") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  bench.Here("ip route add 198.18.0.0/15 via 10.1.0.2");
  // Half of the last set's are in the first one, half in none before.
  const std::vector<IpAddress> last = ManyAddresses(kMany / 2);
  bench.here.On([&] {
    bench.resolver->SetDestinations(ManyAddresses(0));
    CHECK(bench.resolver->looking_up());
  });
  REQUIRE(
      bench.here.Await([&] { return bench.resolver->lookups() > kMany / 4; }, absl::Seconds(30)));
  bench.here.On([&] {
    bench.resolver->SetDestinations(ManyAddresses(2 * kMany));  // given up at once
    bench.resolver->SetDestinations(last);
    CHECK(bench.resolver->looking_up());
  });
  REQUIRE(bench.here.Await([&] { return !bench.resolver->looking_up(); }, absl::Seconds(30)));
  bench.here.On([&] {
    std::vector<IpAddress> known;
    for (const auto& [destination, hop] : bench.resolver->next_hops()) {
      known.push_back(destination);
      CHECK(hop.gateway.ToString() == "10.1.0.2");
    }
    CHECK(known == last);
    bench.resolver->SetDestinations({});
  });
  REQUIRE(bench.here.Await([&] { return !bench.resolver->looking_up(); }, absl::Seconds(30)));
  bench.here.On([&] { CHECK(bench.resolver->next_hops().empty()); });
}

}  // namespace
}  // namespace guideway
