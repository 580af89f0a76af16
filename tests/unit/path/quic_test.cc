// QUIC-LB in the path: which packets a connection ID routes, what that does to the flow table, and
// what is left to it. The golden packets have every form of connection ID.
#include "dataplane/path/quic.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/unit/path/icmp_builder.h"

namespace guideway {
namespace {

constexpr uint8_t kShort = 0x40, kLong = 0xc0;
constexpr uint16_t kPort = 443;
const char* const kVip = "198.51.100.1";
const char* const kVip6 = "2001:db8:a::1";

// Backends 0 to 2 behind ports 0 to 2 with the server IDs aa00 to aa02; all slots are backend 0's.
// Configuration 1 is plain, 2 + 4 bytes.
struct Fixture : World {
  Fixture() {
    for (uint16_t i = 0; i < 3; ++i) {
      AddBackend(i, channel::Encapsulation::kL2, "", "203.0.113.1" + std::to_string(i))
          .next_hop.port = i;
      AddServerId(0, {0xaa, static_cast<uint8_t>(i)}, i);
    }
    SetPool(0, 0);
    REQUIRE(AddVip(0, kVip, kPort, IpProtocol::kUdp, 0));
    REQUIRE(AddVip(1, kVip6, kPort, IpProtocol::kUdp, 0));
    REQUIRE(AddVip(2, kVip, kPort, IpProtocol::kTcp, 0));
    AddQuicLb(kVip, kPort, 1, 2, 4, nullptr);
    AddQuicLb(kVip6, kPort, 1, 2, 4, nullptr);
  }
  // The backend of a packet that is forwarded, else -1.
  int BackendOf(const std::vector<uint8_t>& frame) {
    Buffer buffer(frame, uint16_t{0});
    burst.count = 1;
    buffer.Fill(burst.packets[0]);
    state.counted = CounterValues{};
    ProcessBurst(burst, tables, state);
    const Packet& packet = burst.packets[0];
    return packet.verdict == Verdict::kForward ? packet.transmit_port : -1;
  }
  uint64_t Counted(Counter counter) const { return state.counted[counter]; }

  Burst burst;
};

std::vector<uint8_t> ConnectionId(uint8_t server, uint8_t config_id = 1) {
  return {static_cast<uint8_t>(config_id << 5 | 6), 0xaa, server, 1, 2, 3, 4};
}

std::vector<uint8_t> Quic(uint8_t first, const std::vector<uint8_t>& cid,
                          uint16_t source_port = 5000, bool v6 = false) {
  PacketSpec spec;
  spec.source = v6 ? "2001:db8::1" : "192.0.2.1";
  spec.destination = v6 ? kVip6 : kVip;
  spec.source_port = source_port;
  spec.destination_port = kPort;
  spec.protocol = IpProtocol::kUdp;
  spec.payload = {first};
  if (first == kLong) spec.payload.insert(spec.payload.end(), {0, 0, 0, 1, 7});
  spec.payload.insert(spec.payload.end(), cid.begin(), cid.end());
  spec.payload_bytes = static_cast<uint16_t>(spec.payload.size());
  return Frame(spec);
}

TEST_CASE("a short header goes to the server its connection ID names, from wherever it comes") {
  Fixture f;
  for (const bool v6 : {false, true}) {
    for (uint16_t port = 5000; port < 5020; ++port) {
      CHECK(f.BackendOf(Quic(kShort, ConnectionId(2), port, v6)) == 2);
      CHECK(f.Counted(Counter::quic_routed) == 1);
      CHECK(f.Counted(Counter::flow_inserts) == 1);
      CHECK(f.Counted(Counter::flow_hits) + f.Counted(Counter::flow_misses) == 0);
    }
  }
}

TEST_CASE("what names no server goes by flow table and hash, and is counted") {
  Fixture f;
  struct {
    std::vector<uint8_t> frame;
    Counter counter;
  } const cases[] = {
      {Quic(kLong, ConnectionId(2)), Counter::quic_long_headers},
      {Quic(0x80, {}), Counter::quic_long_headers},
      {Quic(kShort, ConnectionId(2, 7)), Counter::quic_unroutable},
      {Quic(kShort, ConnectionId(2, 0)), Counter::quic_unroutable},
      {Quic(kShort, {0xe0}), Counter::quic_unroutable},
      {Quic(kShort, {}), Counter::quic_too_short},
      {Quic(kShort, {0x20, 0xaa, 2, 1, 2, 3}), Counter::quic_too_short},
      {Quic(kShort, ConnectionId(3)), Counter::quic_unknown_servers},
  };
  for (const auto& c : cases) {
    f.flows.Clear(1);
    CHECK(f.BackendOf(c.frame) == 0);
    CHECK(f.Counted(c.counter) == 1);
    CHECK(f.Counted(Counter::quic_routed) == 0);
    CHECK(f.Counted(Counter::flow_misses) == 1);
    f.SetPool(0, 1);
    CHECK(f.BackendOf(c.frame) == 0);  // the flow is known
    CHECK(f.Counted(Counter::flow_hits) == 1);
    f.SetPool(0, 0);
  }
  // An empty datagram.
  PacketSpec empty;
  empty.destination_port = kPort;
  empty.protocol = IpProtocol::kUdp;
  empty.payload_bytes = 0;
  CHECK(f.BackendOf(Frame(empty)) == 0);
  CHECK(f.Counted(Counter::quic_too_short) == 1);
}

TEST_CASE("only the VIP's own configurations count, and only UDP") {
  Fixture f;
  REQUIRE(f.AddVip(3, "198.51.100.2", kPort, IpProtocol::kUdp, 0));
  PacketSpec spec;
  spec.destination_port = kPort;
  spec.payload = {kShort, 0x26, 0xaa, 2, 1, 2, 3, 4};
  spec.tcp_flags = kTcpAck;
  CHECK(f.BackendOf(Frame(spec)) == 0);  // TCP
  spec.destination = "198.51.100.2";
  spec.protocol = IpProtocol::kUdp;
  CHECK(f.BackendOf(Frame(spec)) == 0);  // no quic_lb
  CHECK(f.Counted(Counter::quic_routed) + f.Counted(Counter::quic_unroutable) == 0);
}

TEST_CASE("server IDs are the pool's") {
  Fixture f;
  f.SetPool(1, 0);
  REQUIRE(f.AddVip(3, "198.51.100.2", 9, IpProtocol::kUdp, 1));
  f.AddQuicLb("198.51.100.2", 9, 1, 2, 4, nullptr);
  f.AddServerId(1, {0xaa, 2}, 1);
  PacketSpec spec;
  spec.protocol = IpProtocol::kUdp;
  spec.destination = "198.51.100.2";
  spec.destination_port = 9;
  spec.payload = {kShort, 0x26, 0xaa, 2, 1, 2, 3, 4};
  CHECK(f.BackendOf(Frame(spec)) == 1);
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(2))) == 2);
}

TEST_CASE("the connection ID wins over the flow table, and leaves the flow with its backend") {
  Fixture f;
  f.SetPool(0, 1);
  CHECK(f.BackendOf(Quic(kLong, {1, 2, 3, 4, 5, 6, 7})) == 1);
  f.SetPool(0, 0);
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(2))) == 2);
  CHECK(f.Counted(Counter::flow_inserts) == 0);
  CHECK(f.BackendOf(Quic(kLong, {1, 2, 3, 4, 5, 6, 7})) == 1);
}

TEST_CASE("a routed packet makes its flow known: unroutable packets and ICMP errors follow") {
  Fixture f;
  const std::vector<uint8_t> routed = Quic(kShort, ConnectionId(2));
  CHECK(f.BackendOf(ErrorAbout(routed)) == 0);  // by the hash
  CHECK(f.BackendOf(routed) == 2);
  CHECK(f.burst.packets[0].new_flow);
  CHECK(f.BackendOf(routed) == 2);
  CHECK_FALSE(f.burst.packets[0].new_flow);
  CHECK(f.BackendOf(ErrorAbout(routed)) == 2);
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(2, 7))) == 2);
  // It goes on as long as such packets come.
  for (int i = 0; i < 3; ++i) {
    f.state.now_s += f.tables.timeouts.udp_s - 1;
    CHECK(f.BackendOf(routed) == 2);
    CHECK(f.Counted(Counter::flow_inserts) == 0);
  }
  f.state.now_s += f.tables.timeouts.udp_s;
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(2, 7))) == 0);
}

TEST_CASE("a flow whose backend is gone becomes that of the connection ID's server") {
  Fixture f;
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(1))) == 1);
  f.backends[1].keeps_known_flows = false;
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(2))) == 2);
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(2, 7))) == 2);
}

TEST_CASE("a draining server keeps its connections; one that is unhealthy or gone does not") {
  Fixture f;
  // In no slot: draining.
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(1))) == 1);
  f.backends[1].keeps_known_flows = false;
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(1))) == 0);
  CHECK(f.Counted(Counter::quic_unknown_servers) == 1);
  f.backends[1].keeps_known_flows = true;
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(1))) == 1);
  f.backends[1] = {};
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(1))) == 0);
}

TEST_CASE("rolling a key: the old configuration and the new one side by side") {
  Fixture f;
  const Aes128::Block key = {1, 2, 3};
  f.AddQuicLb(kVip, kPort, 2, 2, 14, &key);
  Aes128::Block block = {0xaa, 2, 9, 9, 9};
  Aes128(key).Encrypt(block, &block);
  std::vector<uint8_t> cid = {0x5f};
  cid.insert(cid.end(), block.begin(), block.end());
  CHECK(f.BackendOf(Quic(kShort, cid)) == 2);
  CHECK(f.BackendOf(Quic(kShort, ConnectionId(1), 6000)) == 1);
  cid.pop_back();
  CHECK(f.BackendOf(Quic(kShort, cid)) == 2);  // the flow
  CHECK(f.Counted(Counter::quic_too_short) == 1);
}

// Random VIPs, configurations, server IDs and packets: exactly one counter moves for each packet,
// and what is routed goes where an ordered map says.
TEST_CASE("random connection IDs go where a plain search says") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 30; ++round) {
    Fixture f;
    const auto length = static_cast<uint8_t>(1 + random() % 4);
    const auto config_id = static_cast<uint8_t>(random() % 7);
    f.quic_vips[0].fill(nullptr);
    f.AddQuicLb(kVip, kPort, config_id, length, 4, nullptr);
    std::map<std::string, int> servers;
    f.servers.clear();
    for (int i = 0; i < 200; ++i) {
      std::vector<uint8_t> id(length);
      for (uint8_t& byte : id) byte = static_cast<uint8_t>(random() % 16);
      const auto backend = static_cast<uint16_t>(random() % 3);
      if (servers.emplace(std::string(id.begin(), id.end()), backend).second)
        f.AddServerId(0, id, backend);
    }
    for (int i = 0; i < 500; ++i) {
      std::vector<uint8_t> cid(random() % 12);
      for (uint8_t& byte : cid) byte = static_cast<uint8_t>(random() % 16);
      if (!cid.empty()) {
        cid[0] = static_cast<uint8_t>((random() % 4 == 0 ? random() % 8 : config_id) << 5);
      }
      const auto first = static_cast<uint8_t>(random() % 8 == 0 ? 0x80 : 0);
      f.flows.Clear(1);
      const int went_to = f.BackendOf(Quic(first, cid));
      Counter expected = Counter::quic_routed;
      int server = 0;
      if (first != 0) {
        expected = Counter::quic_long_headers;
      } else if (cid.empty() || (cid[0] >> 5 == config_id && cid.size() < length + 5u)) {
        expected = Counter::quic_too_short;
      } else if (cid[0] >> 5 != config_id) {
        expected = Counter::quic_unroutable;
      } else {
        const auto found = servers.find(std::string(cid.begin() + 1, cid.begin() + 1 + length));
        if (found == servers.end()) expected = Counter::quic_unknown_servers;
        if (found != servers.end()) server = found->second;
      }
      REQUIRE(went_to == server);
      REQUIRE(f.Counted(expected) == 1);
      uint64_t sum = 0;
      for (const Counter counter :
           {Counter::quic_routed, Counter::quic_long_headers, Counter::quic_unroutable,
            Counter::quic_too_short, Counter::quic_unknown_servers}) {
        sum += f.Counted(counter);
      }
      REQUIRE(sum == 1);
    }
  }
}

}  // namespace
}  // namespace guideway
