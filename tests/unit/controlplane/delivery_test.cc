// How packets get to a backend: from the configuration to the data plane's tables, and on disk.
#include "controlplane/compiler/delivery.h"

#include <catch2/catch.hpp>

#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

using channel::MessageType;

TEST_CASE("every encapsulation gets to the data plane") {
  Bench bench(1);
  v1::Pool* pool = bench.pool();
  const auto body = [&] { return bench.Compile().tables.backends.at(0); };
  const Tables before = bench.Compile().tables;
  SECTION("gre, from the address of the port") {
    pool->set_encapsulation(v1::GRE);
    CHECK(body().encapsulation == channel::Encapsulation::kGre);
    CHECK(body().outer_source.ToString() == "10.0.255.254");
    CHECK(body().source_flow_bits == 0);
  }
  SECTION("gue") {
    pool->set_encapsulation(v1::GUE);
    pool->mutable_gue()->set_port(19523);
    CHECK(body().encapsulation == channel::Encapsulation::kGue);
    CHECK(body().gue_port.host() == 19523);
    CHECK(body().gue_hop_list == 0);
    CHECK(body().gue_zero_checksum6 == 0);
    const Tables plain = bench.Compile().tables;
    SECTION("second chance") {
      pool->mutable_gue()->set_second_chance(true);
      CHECK(body().gue_hop_list == 1);
    }
    SECTION("no checksum") {
      pool->mutable_gue()->set_zero_checksum6(true);
      CHECK(body().gue_zero_checksum6 == 1);
    }
    SECTION("another port") { pool->mutable_gue()->set_port(1); }
    SECTION("other sources") { bench.config.set_source_prefix_ipv4("10.255.0.0/16"); }
    CHECK(TypesOf(Difference(&plain, bench.Compile().tables)) ==
          std::vector<MessageType>{MessageType::kSetBackend});
  }
  SECTION("l3dsr needs no source, and no segment of its own") {
    pool->set_encapsulation(v1::L3DSR);
    pool->set_dscp(10);
    ResolvedNextHop& hop = bench.next_hops.begin()->second;
    hop.source = IpAddress{};
    hop.on_link = false;
    CHECK(body().encapsulation == channel::Encapsulation::kL3dsr);
    CHECK(body().dscp == 10);
    CHECK(body().next_hop != channel::kNoNextHop);
    const Tables ten = bench.Compile().tables;
    pool->set_dscp(11);
    CHECK(TypesOf(Difference(&ten, bench.Compile().tables)) ==
          std::vector<MessageType>{MessageType::kSetBackend});
  }
  SECTION("sources from a prefix: the pool's goes first, and the port needs no address") {
    pool->set_encapsulation(v1::IPIP);
    bench.config.set_source_prefix_ipv4("10.255.0.0/16");
    bench.config.set_source_prefix_ipv6("2001:db8::/64");
    bench.next_hops.begin()->second.source = IpAddress{};
    CHECK(body().outer_source.ToString() == "10.255.0.0");
    CHECK(body().source_flow_bits == 16);
    CHECK(body().next_hop != channel::kNoNextHop);
    pool->set_source_prefix_ipv4("10.254.8.0/22");
    CHECK(body().outer_source.ToString() == "10.254.8.0");
    CHECK(body().source_flow_bits == 10);
  }
  CHECK(!Difference(&before, bench.Compile().tables).empty());
}

TEST_CASE("what becomes of fragments gets to the data plane, and a change of it as globals") {
  Bench bench(1);
  const Tables before = bench.Compile().tables;
  CHECK(before.globals.fragments == channel::FragmentPolicy::kTrack);
  const std::pair<v1::FragmentPolicy, channel::FragmentPolicy> policies[] = {
      {v1::FRAGMENTS_HASH3, channel::FragmentPolicy::kHash3},
      {v1::FRAGMENTS_DROP, channel::FragmentPolicy::kDrop}};
  for (const auto& [configured, compiled] : policies) {
    bench.config.set_fragments(configured);
    CHECK(bench.Compile().tables.globals.fragments == compiled);
    CHECK(TypesOf(Difference(&before, bench.Compile().tables)) ==
          std::vector<MessageType>{MessageType::kSetGlobals});
  }
}

TEST_CASE("an IPv6 prefix gives at most 32 bits to the flow") {
  v1::Config config;
  v1::Pool pool;
  pool.set_encapsulation(v1::GRE);
  channel::BackendBody body = {};
  for (const auto& [text, bits] : {std::pair{"2001:db8::/64", 32}, {"2001:db8::/120", 8}}) {
    config.set_source_prefix_ipv6(text);
    SetDelivery(DeliveryTo(*IpAddress::Parse("2001:db8:b::1"), pool, config), {}, &body);
    CHECK(body.source_flow_bits == bits);
    CHECK(body.outer_source.ToString() == "2001:db8::");
  }
}

TEST_CASE("deliveries survive in the file of backend indices, and nonsense does not") {
  for (const char* text :
       {"l2", "ipip", "gre", "gue/6080", "gue/1/hops", "gue/65535/zero6", "gue/6080/hops/zero6",
        "l3dsr/63", "ipip@10.255.0.0/16", "gue/6080/hops@2001:db8:1:2::/64"}) {
    const auto delivery = Delivery::Parse(text);
    CAPTURE(text);
    REQUIRE(delivery.ok());
    CHECK(delivery->ToString() == text);
  }
  for (const char* text :
       {"", "vxlan", "l2/1", "gue", "gue/0", "gue/65536", "gue/x", "gue/1/hop", "gue/1/hops/hops",
        "l3dsr", "l3dsr/64", "l3dsr/-1", "ipip@", "ipip@10.255.0.1/16", "ipip@10.0.0.0/7",
        "ipip@10.0.0.0/31", "l2@10.255.0.0/16", "l3dsr/1@10.255.0.0/16", "ipip@::/0"}) {
    CAPTURE(text);
    CHECK(!Delivery::Parse(text).ok());
  }
}

}  // namespace
}  // namespace guideway
