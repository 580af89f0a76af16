// The resolver against a real kernel: two network namespaces of this process, joined by a veth
// pair.
//
// The namespaces belong to two threads and vanish with them. Without the privilege to make them the
// tests are skipped, loudly.
#include "controlplane/resolver/resolver.h"

#include <linux/neighbour.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "controlplane/resolver/netlink_messages.h"
#include "tests/unit/controlplane/resolver_bench.h"

namespace guideway {
namespace {

// To resolve a neighbour on a link that has just come up: the first request may be lost while the
// link's queues start, and the kernel repeats it after a second.
constexpr absl::Duration kResolveOnNewLink = absl::Seconds(4);

TEST_CASE("what the kernel answers to a lookup, and what is only trouble with asking") {
  const absl::Status asked = absl::InternalError("route lookup: why");
  const auto says = [&](int answer) { return LookupError(answer, asked).ToString(); };
  CHECK(says(ENETUNREACH) == "NOT_FOUND: no route");
  // A kernel with ipv6.disable=1 answers so.
  for (const int answer : {EOPNOTSUPP, EAFNOSUPPORT, EPFNOSUPPORT, ENODEV}) {
    CHECK(says(answer) == "NOT_FOUND: no route (route lookup: why)");
  }
  for (const int answer : {0, ENOMEM, ENOBUFS, EMFILE, EPERM}) {
    CHECK(says(answer) == asked.ToString());
  }
}

TEST_CASE("on-link destinations are resolved, IPv4 and IPv6") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  bench.Destinations({"10.1.0.2", "fd00:1::2", "203.0.113.1", "10.1.0.1"});
  REQUIRE(bench.AwaitMac("10.1.0.2", kPeerMac, kResolveOnNewLink));
  // The kernel sends no solicitation before duplicate detection of its link-local address is over.
  REQUIRE(bench.AwaitMac("fd00:1::2", kPeerMac, absl::Seconds(8)));
  bench.here.On([&] {
    const ResolvedNextHop v4 = bench.Hop("10.1.0.2");
    CHECK(v4.interface == "g0");
    CHECK(v4.on_link);
    CHECK(v4.gateway.ToString() == "10.1.0.2");
    CHECK(v4.source.ToString() == "10.1.0.1");
    CHECK(v4.mtu_bytes == 1400);
    CHECK_FALSE(v4.source_mac.IsZero());
    CHECK(bench.Hop("fd00:1::2").source.ToString() == "fd00:1::1");
    CHECK(bench.Hop("203.0.113.1").problem.find("no route") != std::string::npos);
    CHECK(bench.Hop("10.1.0.1").problem == "10.1.0.1: is an address of this host");
  });
}

TEST_CASE("changes in the kernel are followed within a second") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  bench.Destinations({"10.1.0.2", "198.51.100.7"});
  REQUIRE(bench.AwaitMac("10.1.0.2", kPeerMac, kResolveOnNewLink));

  SECTION("a neighbour's MAC address") {
    bench.Here("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:0b:99 dev g0 nud reachable");
    CHECK(bench.AwaitMac("10.1.0.2", "02:00:00:00:0b:99", absl::Seconds(1)));
  }
  SECTION("a neighbour that is flushed is asked again, and its MAC address stays") {
    bool lost = false;
    bench.here.On(
        [&] { bench.on_change = [&] { lost = lost || !bench.Hop("10.1.0.2").problem.empty(); }; });
    for (int i = 0; i < 20; ++i) bench.Here("ip neigh flush dev g0");
    CHECK(bench.here.Await([&] { return bench.KernelKnows("10.1.0.2"); }, kResolveOnNewLink));
    bench.here.On([&] {
      CHECK_FALSE(lost);
      bench.on_change = [] {};
    });
    CHECK(bench.AwaitMac("10.1.0.2", kPeerMac, absl::Seconds(1)));
  }
  SECTION("a neighbour that is flushed and answers no more is given up") {
    bench.There("ip link set b0 arp off");
    bench.Here("ip neigh flush dev g0");
    CHECK(bench.AwaitProblem("10.1.0.2", "10.1.0.2 on g0 does not answer", absl::Seconds(9)));
    bench.There("ip link set b0 arp on");
    CHECK(bench.AwaitMac("10.1.0.2", kPeerMac, absl::Seconds(9)));
  }
  SECTION("a neighbour that is doubted is asked at once") {
    bench.There("ip link set b0 arp off");
    const auto doubt = [&] { bench.resolver->Doubt(*IpAddress::Parse("10.1.0.2")); };
    CHECK(bench.here.Await(
        [&] {
          doubt();
          return bench.Hop("10.1.0.2").problem == "10.1.0.2 on g0 does not answer";
        },
        absl::Seconds(9)));
  }
  SECTION("an address set by hand outlasts the carrier") {
    bench.Here("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:0b:98 dev g0 nud permanent");
    REQUIRE(bench.AwaitMac("10.1.0.2", "02:00:00:00:0b:98", absl::Seconds(1)));
    bench.There("ip link set b0 down");
    REQUIRE(bench.AwaitProblem("10.1.0.2", "g0 is down", absl::Seconds(1)));
    bench.There("ip link set b0 up");
    CHECK(bench.AwaitMac("10.1.0.2", "02:00:00:00:0b:98", absl::Seconds(1)));
  }
  SECTION("an address set by hand as needing no ARP serves") {
    bench.Here("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:0b:97 dev g0 nud noarp");
    CHECK(bench.AwaitMac("10.1.0.2", "02:00:00:00:0b:97", absl::Seconds(1)));
  }
  SECTION("an interface that is renamed is known by its first name as well") {
    bench.Here("ip link set g0 down && ip link set g0 name g9 && ip link set g9 up");
    CHECK(bench.here.Await(
        [&] {
          const ResolvedNextHop hop = bench.Hop("10.1.0.2");
          return hop.problem.empty() && hop.interface == "g9" && hop.former_interface == "g0";
        },
        kResolveOnNewLink));
  }
  SECTION("the interface's own MAC address and MTU") {
    bench.Here("ip link set g0 address 02:00:00:00:0a:77 && ip link set g0 mtu 1300");
    CHECK(bench.here.Await(
        [&] {
          const ResolvedNextHop hop = bench.Hop("10.1.0.2");
          return hop.source_mac.ToString() == "02:00:00:00:0a:77" && hop.mtu_bytes == 1300;
        },
        absl::Seconds(1)));
  }
  SECTION("the link goes down and comes back") {
    bench.Here("ip link set g0 down");
    CHECK(
        bench.here.Await([&] { return !bench.Hop("10.1.0.2").problem.empty(); }, absl::Seconds(1)));
    bench.Here("ip link set g0 up");
    CHECK(bench.AwaitMac("10.1.0.2", kPeerMac, kResolveOnNewLink));
  }
  SECTION("the carrier goes and comes back") {
    bench.There("ip link set b0 down");
    CHECK(
        bench.here.Await([&] { return !bench.Hop("10.1.0.2").problem.empty(); }, absl::Seconds(1)));
    bench.There("ip link set b0 up");
    CHECK(bench.AwaitMac("10.1.0.2", kPeerMac, kResolveOnNewLink));
  }
  SECTION("the interface is deleted and made again") {
    bench.Here("ip link del g0");
    CHECK(bench.AwaitProblem("10.1.0.2", "no route", absl::Seconds(1)));
    bench.MakeLink();
    CHECK(bench.AwaitMac("10.1.0.2", kPeerMac, kResolveOnNewLink));
  }
  SECTION("a route appears, its gateway changes, it goes") {
    bench.Here("ip route add 198.51.100.0/24 via 10.1.0.2");
    CHECK(bench.AwaitMac("198.51.100.7", kPeerMac, absl::Seconds(1)));
    bench.here.On([&] {
      CHECK_FALSE(bench.Hop("198.51.100.7").on_link);
      CHECK(bench.Hop("198.51.100.7").gateway.ToString() == "10.1.0.2");
    });
    bench.Here("ip route replace 198.51.100.0/24 via 10.1.0.3 mtu 1280");
    CHECK(bench.here.Await(
        [&] {
          const ResolvedNextHop hop = bench.Hop("198.51.100.7");
          return hop.problem.empty() && hop.gateway.ToString() == "10.1.0.3" &&
                 hop.mtu_bytes == 1280;
        },
        absl::Seconds(1)));
    bench.Here("ip route del 198.51.100.0/24");
    CHECK(bench.AwaitProblem("198.51.100.7", "no route", absl::Seconds(1)));
  }
}

TEST_CASE("routes of all kinds") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  for (const char* kind : {"blackhole", "unreachable", "prohibit"}) {
    bench.Here(absl::StrCat("ip route add ", kind, " 198.51.100.", kind[0] % 8 + 1, "/32"));
    bench.Here(absl::StrCat("ip -6 route add ", kind, " 2001:db8::", kind[0] % 8 + 1, "/128"));
    const std::string v4 = absl::StrCat("198.51.100.", kind[0] % 8 + 1);
    const std::string v6 = absl::StrCat("2001:db8::", kind[0] % 8 + 1);
    bench.Destinations({v4.c_str(), v6.c_str()});
    bench.here.On([&] {
      for (const std::string& address : {v4, v6}) {
        const ResolvedNextHop hop = bench.Hop(address.c_str());
        CHECK(hop.problem == absl::StrCat(address, ": its route is of type ", kind));
        CHECK_FALSE(hop.pending);
      }
    });
  }
  SECTION("IPv4 by an IPv6 gateway") {
    bench.Here("ip route add 198.51.100.64/26 via inet6 fd00:1::2 dev g0");
    bench.Destinations({"198.51.100.70"});
    REQUIRE(bench.AwaitMac("198.51.100.70", kPeerMac, absl::Seconds(8)));
    bench.here.On([&] {
      CHECK(bench.Hop("198.51.100.70").gateway.ToString() == "fd00:1::2");
      CHECK_FALSE(bench.Hop("198.51.100.70").on_link);
    });
  }
  SECTION("a gateway that is on no subnet") {
    bench.There("ip addr add 10.9.9.9/32 dev b0");
    bench.Here("ip route add 198.51.100.64/26 via 10.9.9.9 dev g0 onlink");
    bench.Destinations({"198.51.100.70"});
    CHECK(bench.AwaitMac("198.51.100.70", kPeerMac, kResolveOnNewLink));
  }
}

// Eight destinations, so that the kernel's hash chooses either gateway for some.
TEST_CASE("a gateway of a multipath route that does not answer is left, and taken again") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  SECTION("the kernel stays with it") {}
  SECTION("the kernel leaves it itself") {
    bench.Here("sysctl -qw net.ipv4.fib_multipath_use_neigh=1");
  }
  SECTION("next hop objects") {
    bench.Here(
        "ip nexthop add id 1 via 10.1.0.2 dev g0 && ip nexthop add id 2 via 10.1.0.77 dev g0 && "
        "ip nexthop add id 10 group 1/2,3 && ip route add 198.51.100.0/24 nhid 10");
  }
  bench.Here(
      "ip route show 198.51.100.0/24 | grep -q . || ip route add 198.51.100.0/24 "
      "nexthop via 10.1.0.2 dev g0 nexthop via 10.1.0.77 dev g0 weight 3");
  bench.Destinations({"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4",
                      "198.51.100.5", "198.51.100.6", "198.51.100.7", "198.51.100.8"});
  const auto all_by = [&](const char* gateway, size_t at_least) {
    size_t count = 0;
    for (const auto& [destination, hop] : bench.resolver->next_hops()) {
      if (!hop.problem.empty()) return false;
      count += hop.gateway.ToString() == gateway ? 1 : 0;
    }
    return count >= at_least;
  };
  CHECK(bench.here.Await([&] { return all_by("10.1.0.2", 8); }, absl::Seconds(9)));
  bench.There("ip addr add 10.1.0.77/24 dev b0");
  CHECK(bench.here.Await([&] { return all_by("10.1.0.77", 1); }, absl::Seconds(15)));
}

class Ignore : public Netlink::Listener {
  void OnLink(const Link&, bool) override {}
  void OnNeighbour(const Neighbour&, bool) override {}
  void OnRoutesChanged(const IpPrefix*) override {}
};

TEST_CASE("when the kernel drops notifications everything is read anew") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  bench.Destinations({"10.1.0.2"});
  REQUIRE(bench.AwaitMac("10.1.0.2", kPeerMac, kResolveOnNewLink));
  // Has the same buffer as the resolver's and shows that it has overflowed.
  Ignore ignore;
  std::unique_ptr<Netlink> witness;
  bench.here.On([&] {
    auto opened = Netlink::Open(&ignore);
    REQUIRE(opened.ok());
    witness = *std::move(opened);
  });
  // All on the loop's thread, so that nothing is read meanwhile; the last change is dropped.
  bench.Here(
      "for i in $(seq 20000); do "
      "echo neigh replace 10.1.0.9 lladdr 02:00:00:00:0c:$((i % 2))1 dev g0 nud reachable; done | "
      "ip -batch - && "
      "ip neigh replace 10.1.0.2 lladdr 02:00:00:00:0b:99 dev g0 nud reachable");
  bench.here.On([&] { CHECK(absl::IsDataLoss(witness->ReadEvents([] { return false; }))); });
  CHECK(bench.AwaitMac("10.1.0.2", "02:00:00:00:0b:99", absl::Seconds(1)));
}

TEST_CASE("a neighbour that does not answer is asked again until it does") {
  if (!MayMakeNamespaces()) return;
  ResolverBench bench;
  bench.Destinations({"10.1.0.77"});
  CHECK(bench.AwaitProblem("10.1.0.77", "is being resolved", absl::Seconds(1)));
  const auto pending = [&] {
    bool is_pending = false;
    bench.here.On([&] { is_pending = bench.Hop("10.1.0.77").pending; });
    return is_pending;
  };
  CHECK(pending());
  CHECK(bench.AwaitProblem("10.1.0.77", "10.1.0.77 on g0 does not answer", absl::Seconds(8)));
  CHECK(!pending());
  // Forgotten by the kernel and asked again it is no better.
  bench.Here("ip neigh del 10.1.0.77 dev g0");
  CHECK(bench.AwaitProblem("10.1.0.77", "10.1.0.77 on g0 does not answer", absl::Seconds(8)));
  CHECK(!pending());
  bench.There("ip addr add 10.1.0.77/24 dev b0");
  CHECK(bench.AwaitMac("10.1.0.77", kPeerMac, absl::Seconds(8)));
}

}  // namespace
}  // namespace guideway
