// A compiler with all its inputs at hand, for tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_COMPILER_BENCH_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_COMPILER_BENCH_H_

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/compiler/compiler.h"

namespace guideway {

inline constexpr uint32_t kSlots = 1009;

// A pool "web" with backends web-1.., all inputs at hand, and time that stands still.
class Bench {
 public:
  explicit Bench(int backends, uint32_t slot_count = kSlots) : registry(1000), compiler(&registry) {
    config.set_flow_hash_secret("0123456789abcdef");
    config.mutable_flow_timeouts()->mutable_half_open()->set_seconds(30);
    config.mutable_flow_timeouts()->mutable_established()->set_seconds(3600);
    config.mutable_flow_timeouts()->mutable_closing()->set_seconds(30);
    config.mutable_flow_timeouts()->mutable_half_closed()->set_seconds(120);
    config.mutable_flow_timeouts()->mutable_udp()->set_seconds(120);
    v1::Pool* pool = config.add_pools();
    pool->set_name("web");
    pool->set_encapsulation(v1::L2);
    pool->set_table_size(slot_count);
    for (int i = 1; i <= backends; ++i) Add(i);
    v1::Vip* vip = config.add_vips();
    vip->set_name("www");
    vip->set_address("192.0.2.1");
    vip->set_port(80);
    vip->set_protocol(v1::TCP);
    vip->set_pool("web");
    strcpy(port.name, "eth1");
    strcpy(port.kernel_interface, "eth1");
    port.mac = *MacAddress::Parse("02:00:00:00:00:01");
    port.mtu_bytes = 1500;
  }

  static std::string Address(int i) { return absl::StrCat("10.0.", i / 256, ".", i % 256); }
  static std::string Key(int i) { return absl::StrCat("web/web-", i, "/", Address(i)); }
  v1::Pool* pool() { return config.mutable_pools(0); }
  v1::Backend* backend(int i) { return pool()->mutable_backends(i - 1); }

  void Add(int i) {
    v1::Backend* added = pool()->add_backends();
    added->set_name(absl::StrCat("web-", i));
    added->set_address(Address(i));
    added->set_weight(100);
    added->set_state(v1::ENABLED);
    health[Key(i)] = HealthState::kHealthy;
    ResolvedNextHop next_hop;
    next_hop.problem.clear();
    next_hop.interface = "eth1";
    next_hop.gateway = *IpAddress::Parse(Address(i));
    next_hop.on_link = true;
    next_hop.source_mac = port.mac;
    next_hop.destination_mac = *MacAddress::Parse("02:00:00:00:01:01");
    next_hop.destination_mac.bytes[5] = static_cast<uint8_t>(i);
    next_hop.mtu_bytes = 1500;
    next_hop.source = *IpAddress::Parse("10.0.255.254");
    next_hops[next_hop.gateway] = next_hop;
  }
  void Remove(int position) { pool()->mutable_backends()->DeleteSubrange(position - 1, 1); }

  Compiled Compile() {
    auto compiled = compiler.Compile(Input());
    REQUIRE(compiled.status().ToString() == "OK");
    return *std::move(compiled);
  }
  void UpdateHealth(Compiled* compiled) {
    REQUIRE(compiler.UpdateHealth(Input(), *pool(), compiled).status().ToString() == "OK");
  }
  // The data plane says so of every backend that lingers. True: some have lingered long enough.
  bool ObserveFlows(std::optional<uint64_t> flows) {
    return registry.ObserveFlows([=](uint16_t) { return flows; }, steady_now);
  }
  // Those that linger have no flows, and time passes until nobody waits for them.
  void FinishFlows() {
    steady_now += BackendRegistry::kShortestLinger;
    ObserveFlows(0);
    steady_now += BackendRegistry::kEmptyFor;
    ObserveFlows(0);
  }
  CompilerInput Input() {
    CompilerInput input;
    input.config = &config;
    input.health = [this](const std::string& key) { return health.at(key); };
    input.is_settling = [this](const std::string&) { return settling; };
    input.keeps_flows = [this](const std::string& key) { return kept.contains(key); };
    input.is_ejected = [this](const std::string& key) { return ejected.contains(key); };
    input.next_hops = &next_hops;
    input.ports = absl::MakeConstSpan(&port, has_ports ? 1 : 0);
    input.steady_now = steady_now;
    return input;
  }

  v1::Config config;
  std::map<std::string, HealthState> health;
  std::map<IpAddress, ResolvedNextHop> next_hops;
  channel::PortInfo port;
  std::set<std::string> ejected;
  std::set<std::string> kept;  // their known flows, though they are unhealthy
  bool settling = false;
  bool has_ports = true;  // the data plane has said them
  absl::Duration steady_now = absl::Seconds(5000);
  BackendRegistry registry;
  Compiler compiler;
};

inline std::vector<channel::MessageType> TypesOf(const std::vector<TableChange>& changes) {
  std::vector<channel::MessageType> types;
  for (const TableChange& change : changes) types.push_back(change.request.type);
  return types;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_COMPILER_BENCH_H_
