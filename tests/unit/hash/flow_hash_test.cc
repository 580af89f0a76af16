// The flow hash: golden values (a fleet-wide format) and how well it spreads.
#include "lib/hash/flow_hash.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <vector>

namespace guideway {
namespace {

FlowKey Flow(const char* source, uint16_t source_port, const char* destination,
             uint16_t destination_port, IpProtocol protocol) {
  FlowKey flow;
  flow.source = IpAddress::Parse(source).value();
  flow.destination = IpAddress::Parse(destination).value();
  flow.source_port = Be16(source_port);
  flow.destination_port = Be16(destination_port);
  flow.protocol = protocol;
  return flow;
}

// From tests/oracle/flow_hash.py. If one of these changes, every flow of a fleet moves.
TEST_CASE("golden values never change") {
  const FlowKey v4 = Flow("192.0.2.1", 40000, "198.51.100.1", 443, IpProtocol::kTcp);
  const FlowKey v6 = Flow("2001:db8::1", 40000, "2001:db8:1::1", 443, IpProtocol::kUdp);

  const FlowHashKey empty = FlowHashKey::FromSecret("");
  CHECK(empty.words == std::array<uint64_t, 6>{0xfd2c61fea3be96fa, 0x673e1ac42beaaa74,
                                               0x28756313f1720b45, 0xa2bfd1602db37e12,
                                               0x297c3345edc72d01, 0x8f40eedf31a26ca5});
  CHECK(FlowHash(empty, v4) == 0xcc477f3e8fbeca6);
  CHECK(FlowHash(empty, v6) == 0x39198bd7629a5c45);

  const FlowHashKey secret = FlowHashKey::FromSecret("secret");
  CHECK(FlowHash(secret, v4) == 0xa626a6bc70414a48);
  CHECK(FlowHash(secret, v6) == 0x7721235ca6b8479a);

  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += static_cast<char>(i);
  CHECK(FlowHash(FlowHashKey::FromSecret(bytes), v4) == 0xcda490063bc99fab);
  CHECK(FlowHash(FlowHashKey::FromSecret(bytes), v6) == 0x8a488457251fdf24);
}

TEST_CASE("the hash is never 0") {
  // With an all-zero key and a zero destination the product is zero.
  FlowKey flow;
  CHECK(FlowHash(FlowHashKey{}, flow) == 1);
}

TEST_CASE("every field and the direction count") {
  const FlowHashKey key = FlowHashKey::FromSecret("secret");
  const FlowKey flow = Flow("192.0.2.1", 1000, "192.0.2.2", 1001, IpProtocol::kTcp);
  const uint64_t hash = FlowHash(key, flow);
  CHECK(hash != FlowHash(key, Flow("192.0.2.3", 1000, "192.0.2.2", 1001, IpProtocol::kTcp)));
  CHECK(hash != FlowHash(key, Flow("192.0.2.1", 1002, "192.0.2.2", 1001, IpProtocol::kTcp)));
  CHECK(hash != FlowHash(key, Flow("192.0.2.1", 1000, "192.0.2.4", 1001, IpProtocol::kTcp)));
  CHECK(hash != FlowHash(key, Flow("192.0.2.1", 1000, "192.0.2.2", 1003, IpProtocol::kTcp)));
  CHECK(hash != FlowHash(key, Flow("192.0.2.1", 1000, "192.0.2.2", 1001, IpProtocol::kUdp)));
  CHECK(hash != FlowHash(key, Flow("192.0.2.2", 1001, "192.0.2.1", 1000, IpProtocol::kTcp)));
}

// Chi-square of `buckets` counts divided by its degrees of freedom: about 1 if random.
double Spread(const std::vector<uint32_t>& counts, double total) {
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (uint32_t count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum / static_cast<double>(counts.size() - 1);
}

TEST_CASE("clients and ports in sequence spread over slots and over buckets") {
  const FlowHashKey key = FlowHashKey::FromSecret("spread");
  constexpr uint32_t kSlots = 1009, kBuckets = 1024;
  for (const bool by_port : {true, false}) {
    std::vector<uint32_t> slots(kSlots), buckets(kBuckets);
    FlowKey flow = Flow("10.0.0.1", 1024, "198.51.100.1", 443, IpProtocol::kTcp);
    for (uint32_t i = 0; i < 60000; ++i) {
      if (by_port) {
        flow.source_port = Be16(static_cast<uint16_t>(1024 + i));
      } else {
        flow.source = IpAddress::FromIpv4(Be32(0x0a000000 + i));
      }
      const uint64_t hash = FlowHash(key, flow);
      ++slots[SlotOf(hash, kSlots)];
      ++buckets[hash % kBuckets];
    }
    // Sequences may spread more evenly than chance, not much less.
    CHECK(Spread(slots, 60000) < 1.3);
    CHECK(Spread(buckets, 60000) < 1.3);
  }
}

TEST_CASE("one input bit changes about half of the output bits") {
  const FlowHashKey key = FlowHashKey::FromSecret("avalanche");
  double worst = 32;
  for (size_t bit = 0; bit < 37 * 8; ++bit) {
    int changed = 0;
    constexpr int kFlows = 500;
    for (int i = 0; i < kFlows; ++i) {
      FlowKey flow =
          Flow("192.0.2.1", static_cast<uint16_t>(i * 131), "2001:db8::1", 443, IpProtocol::kTcp);
      flow.source.bytes[14] = static_cast<uint8_t>(i);
      const uint64_t before = FlowHash(key, flow);
      reinterpret_cast<uint8_t*>(&flow)[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      changed += std::popcount(before ^ FlowHash(key, flow));
    }
    worst = std::min(worst, changed / double{kFlows});
  }
  CHECK(worst > 20);
}

TEST_CASE("SlotOf covers the whole range and no more") {
  CHECK(SlotOf(0, 65537) == 0);
  CHECK(SlotOf(~uint64_t{0}, 65537) == 65536);
  CHECK(SlotOf(uint64_t{1} << 63, 65537) == 32768);
}

}  // namespace
}  // namespace guideway
