// Any QUIC-LB configurations, server IDs and QUIC packets: nothing beyond the packet is read,
// exactly one outcome is counted for each packet, and a plain search over all server IDs agrees
// about where it goes.
//
// Input: number of configurations (1 byte, modulo 8), each: configuration ID (1), lengths of server
// ID and nonce (1 + 1), 1 if encrypted (1), then the key (16); number of server IDs (1), each:
// length (1), backend (1), the ID; then packets, each: control (1), length of the QUIC packet (1),
// its bytes. Control: bits 0-1 source port; bit 2 IPv6; bit 3 the packet's backend goes away or
// comes back after it; bit 4 seconds pass.
#include "dataplane/path/path.h"
#include "lib/net/headers.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/path/packet_builder.h"

namespace guideway {
namespace {

constexpr uint16_t kBackends = 4;
constexpr int kMaxServers = 64, kMaxPackets = 256;
const char* const kVips[] = {"198.51.100.1", "2001:db8:a::1"};

struct Server {
  std::vector<uint8_t> id;
  uint16_t backend;
};

class Balancer {
 public:
  Balancer() : world_(std::make_unique<World>(64)) {
    for (uint16_t i = 0; i < kBackends; ++i) {
      world_->AddBackend(i, channel::Encapsulation::kL2, "", "203.0.113.1").next_hop.port = i;
    }
    world_->SetPool(0, 0);
    for (uint32_t i = 0; i < 2; ++i) {
      FUZZ_CHECK(world_->AddVip(i, kVips[i], 443, IpProtocol::kUdp, 0));
    }
  }

  void Configure(fuzz::Input& input) {
    for (int left = input.U8() % 8; left > 0; --left) {
      const auto id = static_cast<uint8_t>(input.U8() % kQuicLbConfigs);
      const uint8_t server_id_bytes = input.U8(), nonce_bytes = input.U8();
      const bool encrypted = input.U8() == 1;
      Aes128::Block key{};
      if (encrypted) input.Overwrite(&key, sizeof(key));
      if (!QuicLbLengthsAreRight(server_id_bytes, nonce_bytes)) continue;
      for (const char* vip : kVips) {
        world_->AddQuicLb(vip, 443, id, server_id_bytes, nonce_bytes, encrypted ? &key : nullptr);
      }
      configs_[id] =
          std::make_unique<QuicLb>(server_id_bytes, nonce_bytes, encrypted ? &key : nullptr);
      any_config_ = true;
    }
    for (int left = input.U8() % kMaxServers; left > 0; --left) {
      const size_t length = 1 + input.U8() % kMaxServerIdBytes;
      const auto backend = static_cast<uint16_t>(input.U8() % kBackends);
      std::vector<uint8_t> id = input.Bytes(length);
      id.resize(length);
      const auto same = [&](const Server& server) { return server.id == id; };
      if (std::any_of(servers_.begin(), servers_.end(), same)) continue;
      world_->AddServerId(0, id, backend);
      servers_.push_back({std::move(id), backend});
    }
  }

  void Step(fuzz::Input& input) {
    const uint8_t control = input.U8();
    const std::vector<uint8_t> quic = input.Bytes(input.U8());
    if ((control & 16) != 0) world_->state.now_s += 100;
    int backend = -1;
    const Counter outcome = Expected(quic, &backend);
    Send(control, quic, outcome, backend);
    if ((control & 8) != 0 && backend > 0) {
      bool& keeps = world_->backends[static_cast<size_t>(backend)].keeps_known_flows;
      keeps = !keeps;
    }
  }

 private:
  Counter Expected(const std::vector<uint8_t>& quic, int* backend) const {
    if (quic.empty()) return Counter::quic_too_short;
    if ((quic[0] & 0x80) != 0) return Counter::quic_long_headers;
    if (quic.size() == 1) return Counter::quic_too_short;
    const size_t id = quic[1] / 32;
    if (id == kQuicLbConfigs || configs_[id] == nullptr) return Counter::quic_unroutable;
    if (quic.size() - 1 < configs_[id]->min_cid_bytes()) return Counter::quic_too_short;
    const ServerId server_id = configs_[id]->Decode(&quic[1]);
    for (const Server& server : servers_) {
      if (server.id.size() != server_id.length_bytes ||
          !std::equal(server.id.begin(), server.id.end(), server_id.bytes.begin())) {
        continue;
      }
      *backend = server.backend;
      return world_->backends[server.backend].keeps_known_flows ? Counter::quic_routed
                                                                : Counter::quic_unknown_servers;
    }
    return Counter::quic_unknown_servers;
  }

  void Send(uint8_t control, const std::vector<uint8_t>& quic, Counter outcome, int backend) {
    PacketSpec spec;
    const bool v6 = (control & 4) != 0;
    spec.source = v6 ? "2001:db8::1" : "192.0.2.1";
    spec.destination = kVips[v6 ? 1 : 0];
    spec.source_port = static_cast<uint16_t>(1000 + control % 4);
    spec.destination_port = 443;
    spec.protocol = IpProtocol::kUdp;
    spec.payload = quic;
    spec.payload_bytes = static_cast<uint16_t>(quic.size());
    Buffer buffer(Frame(spec), uint16_t{0});
    Burst burst;
    burst.count = 1;
    Packet& packet = burst.packets[0];
    buffer.Fill(packet);
    CounterValues& counted = world_->state.counted = CounterValues{};
    ProcessBurst(burst, world_->tables, world_->state);
    uint64_t sum = 0;
    for (const Counter counter :
         {Counter::quic_routed, Counter::quic_long_headers, Counter::quic_unroutable,
          Counter::quic_too_short, Counter::quic_unknown_servers}) {
      sum += counted[counter];
    }
    FUZZ_CHECK(sum == (any_config_ ? 1 : 0));
    FUZZ_CHECK(packet.verdict == Verdict::kForward);
    FUZZ_CHECK(packet.transmit_port < kBackends);
    FUZZ_CHECK(packet.backend->exists);
    if (!any_config_) return;
    FUZZ_CHECK(counted[outcome] == 1);
    const bool routed = outcome == Counter::quic_routed;
    FUZZ_CHECK(counted[Counter::flow_hits] + counted[Counter::flow_misses] == (routed ? 0 : 1));
    FUZZ_CHECK(!routed || packet.transmit_port == backend);
    FUZZ_CHECK(std::equal(quic.begin(), quic.end(), packet.frame + (v6 ? 62 : 42)));
  }

  std::unique_ptr<World> world_;
  std::unique_ptr<QuicLb> configs_[kQuicLbConfigs];
  std::vector<Server> servers_;
  bool any_config_ = false;
};

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  fuzz::Input input(data, size);
  Balancer balancer;
  balancer.Configure(input);
  for (int i = 0; i < kMaxPackets && !input.empty(); ++i) balancer.Step(input);
  return 0;
}
