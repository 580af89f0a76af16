// Defaults, printing and differences of configurations, and the example in docs/.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "lib/config/defaults.h"
#include "lib/config/diff.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"
#include "lib/config/schema.h"
#include "lib/config/validate.h"

namespace guideway {
namespace {

using google::protobuf::util::MessageDifferencer;
using Lines = std::vector<std::string>;

v1::Config Example() {
  auto config = LoadConfigFile(GUIDEWAY_SOURCE_ROOT "/docs/example.yaml");
  INFO(config.status());
  REQUIRE(config.ok());
  return *config;
}

TEST_CASE("the example in the documentation is valid, and its defaults are filled in") {
  const v1::Config config = Example();
  REQUIRE(config.pools_size() == 2);
  CHECK(config.pools(0).table_size() == 65537);
  CHECK(config.pools(0).backends(0).weight() == 100);
  CHECK(config.pools(0).backends(0).state() == v1::ENABLED);
  CHECK(config.pools(0).probe().interval().seconds() == 5);
  CHECK(config.pools(0).probe().rise() == 2);
  CHECK(config.pools(0).probe().path() == "/healthz");
  CHECK(!config.pools(1).has_probe());
  REQUIRE(config.pools(1).probes_size() == 2);
  CHECK(config.pools(1).probes(0).jitter_percent() == 10);
  CHECK(config.pools(1).probes(1).path().empty());  // means nothing for tcp
  CHECK(config.pools(1).probes(1).timeout().nanos() == 500'000'000);
  CHECK(config.pools(1).probes_needed() == v1::ALL_PROBES);
  CHECK(config.settle_time().seconds() == 20);
  CHECK(config.flow_timeouts().half_open().seconds() == 30);
  CHECK(config.flow_timeouts().udp().seconds() == 30);
}

TEST_CASE("what is printed reads back as the same configuration") {
  v1::Config config = Example();
  config.set_flow_hash_secret("quotes \" and \\ and: # ' \xc3\xa9 {}[]&*!|>%@`");
  auto* weightless = config.mutable_pools(0)->mutable_backends(0);
  weightless->set_weight(0);
  weightless->set_name("null");
  auto* port = config.add_ports();
  port->set_name("vdev:net_pcap0,rx_pcap=in.pcap");
  port->mutable_static_gateway()->set_mac("02:00:00:00:00:01");
  port->mutable_static_gateway()->set_source_ipv4("10.0.0.1");
  port->mutable_static_gateway()->set_source_ipv6("2001:db8::");
  const std::string yaml = PrintYaml(config);
  CAPTURE(yaml);
  const auto again = ParseConfig(yaml, "printed");
  INFO(again.status());
  REQUIRE(again.ok());
  CHECK(MessageDifferencer::Equals(config, *again));
  // Without defaults filled in, too: an empty group is written as one.
  v1::Config sparse;
  sparse.set_flow_hash_secret("0123456789abcdef");
  sparse.mutable_flow_timeouts();
  const auto sparse_again = ParseConfig(PrintYaml(sparse), "printed");
  INFO(PrintYaml(sparse));
  REQUIRE(sparse_again.ok());
  FillDefaults(&sparse);
  CHECK(MessageDifferencer::Equals(sparse, *sparse_again));
}

TEST_CASE("every encapsulation, with its details, reads, has its defaults and prints back") {
  const auto config = ParseConfig(R"(flow_hash_secret: 0123456789abcdef
source_prefix_ipv4: 10.255.0.0/16
source_prefix_ipv6: 2001:db8:1:2::/64
ports:
- {name: p, static_gateway: {mac: 02:00:00:00:00:01}}
pools:
- {name: a, encapsulation: gre, backends: [{name: x, address: 10.0.0.1}]}
- {name: b, encapsulation: gue, backends: [{name: x, address: 10.0.0.1}, {name: y, address: "::2"}]}
- {name: c, encapsulation: gue, gue: {port: 19523, second_chance: true, zero_checksum6: true}}
- name: d
  encapsulation: l3dsr
  dscp: 63
  source_prefix_ipv4: 10.254.0.0/30
  backends: [{name: x, address: 10.0.0.1}]
- {name: e, encapsulation: l3dsr, dscp: 62, backends: [{name: x, address: 10.0.0.1}]}
vips:
- {name: v, address: 10.9.0.1, port: 1, protocol: tcp, pool: d}
- {name: u, address: 10.9.0.1, port: 2, protocol: udp, pool: d}
- {name: t, address: 10.9.0.2, protocol: tcp, pool: e}
)",
                                  "f");
  INFO(config.status());
  REQUIRE(config.ok());
  CHECK(!config->pools(0).has_gue());
  CHECK(config->pools(1).gue().port() == 6080);
  CHECK(!config->pools(1).gue().second_chance());
  CHECK(config->pools(2).gue().port() == 19523);
  CHECK(config->pools(2).gue().second_chance());
  CHECK(config->pools(2).gue().zero_checksum6());
  CHECK(config->pools(3).dscp() == 63);
  const auto again = ParseConfig(PrintYaml(*config), "printed");
  INFO(again.status());
  REQUIRE(again.ok());
  CHECK(MessageDifferencer::Equals(*config, *again));
}

TEST_CASE("filling defaults twice is the same as once") {
  v1::Config once = Example();
  v1::Config twice = once;
  FillDefaults(&twice);
  CHECK(MessageDifferencer::Equals(once, twice));
}

TEST_CASE("probes with lists of texts read, print and differ") {
  const auto parse = [](const std::string& yaml) {
    return ParseConfig("flow_hash_secret: 0123456789abcdef\npools:\n- name: w\n" + yaml, "f");
  };
  const auto config = parse(
      "  probe: {type: exec, command: [/bin/x, \"\", \"a: b\", \"yes\"], environment: [A=b c]}\n");
  INFO(config.status());
  REQUIRE(config.ok());
  const v1::Probe& probe = config->pools(0).probe();
  REQUIRE(probe.command_size() == 4);
  CHECK(probe.command(1).empty());
  CHECK(probe.command(3) == "yes");
  CHECK(probe.environment(0) == "A=b c");
  const auto again = ParseConfig(PrintYaml(*config), "printed");
  INFO(PrintYaml(*config));
  REQUIRE(again.ok());
  CHECK(MessageDifferencer::Equals(*config, *again));
  const auto other = parse("  probe: {type: exec, command: [/bin/x, y]}\n");
  REQUIRE(other.ok());
  CHECK(DiffConfigs(*config, *other) ==
        Lines{"pool w: probe.command [/bin/x, , a: b, yes] -> [/bin/x, y]",
              "pool w: probe.environment [A=b c] -> []"});
}

TEST_CASE("tls_verify is on unless it is off") {
  for (const bool off : {false, true}) {
    const auto config = ParseConfig(absl::StrCat("flow_hash_secret: 0123456789abcdef\n"
                                                 "pools: [{name: w, probe: {type: https, port: 1",
                                                 off ? ", tls_verify: false" : "", "}}]\n"),
                                    "f");
    REQUIRE(config.ok());
    CHECK(config->pools(0).probe().tls_verify() == !off);
    CHECK(ParseConfig(PrintYaml(*config), "f")->pools(0).probe().tls_verify() == !off);
  }
}

TEST_CASE("the default timeout of a probe is cut to a shorter interval") {
  const auto config = ParseConfig(
      "flow_hash_secret: 0123456789abcdef\n"
      "pools: [{name: w, probe: {type: tcp, port: 1, interval: 500ms}}]\n",
      "f");
  REQUIRE(config.ok());
  CHECK(FromProto(config->pools(0).probe().timeout()) == absl::Milliseconds(500));
}

TEST_CASE("the largest configuration is read in reasonable time and read back") {
  std::string yaml = "flow_hash_secret: 0123456789abcdef\npools:\n";
  for (int p = 0; p < 16; ++p) {
    absl::StrAppend(&yaml, "- name: p", p, "\n  probe: {type: tcp, port: 80}\n  backends:\n");
    for (int i = 0; i < 1024; ++i) {
      absl::StrAppend(&yaml, "  - {name: b", i, ", address: 10.", p, ".", i / 256, ".", i % 256,
                      ", weight: ", i % 100, "}\n");
    }
  }
  yaml += "vips:\n";
  for (int v = 0; v < 4096; ++v) {
    absl::StrAppend(&yaml, "- {name: v", v, ", address: 192.0.", v / 256, ".", v % 256,
                    ", protocol: udp, pool: p", v % 16, "}\n");
  }
  const auto config = ParseConfig(yaml, "f");
  INFO(config.status());
  REQUIRE(config.ok());
  const auto again = ParseConfig(PrintYaml(*config), "printed");
  REQUIRE(again.ok());
  CHECK(MessageDifferencer::Equals(*config, *again));
  CHECK(DiffConfigs(*config, *again).empty());
}

TEST_CASE("a list without entries may be left empty") {
  CHECK(ParseConfig("flow_hash_secret: 0123456789abcdef\npools:\nvips:\n", "f").ok());
}

TEST_CASE("a configuration that came through the API is checked like a file") {
  v1::Config config = Example();
  config.mutable_pools(0)->set_table_size(7'000'000);
  config.mutable_pools(1)->mutable_probe()->mutable_interval()->set_nanos(-5);
  config.mutable_vips(0)->set_protocol(static_cast<v1::Protocol>(99));
  config.mutable_vips(1)->set_pool("none");
  const std::string text(CheckConfig(config).message());
  CAPTURE(text);
  CHECK(absl::StrContains(text, "pools[0].table_size: 7000000 is out of range; must be"));
  CHECK(absl::StrContains(text, "pools[1].probe.interval: is not valid; must be a duration"));
  CHECK(absl::StrContains(text, "vips[0].protocol: 99 is not allowed; must be one of tcp, udp"));
  CHECK(absl::StrContains(text, "vips[1].pool: there is no pool none; must be the name of a pool"));
}

TEST_CASE("differences in words") {
  const v1::Config before = Example();
  CHECK(DiffConfigs(before, before).empty());
  v1::Config after = before;
  after.set_flow_hash_secret("another secret, not to be shown");
  after.mutable_flow_timeouts()->mutable_udp()->set_seconds(60);
  v1::Pool* web = after.mutable_pools(0);
  web->set_table_size(131071);
  web->set_encapsulation(v1::IPIP);
  web->mutable_backends(0)->set_weight(50);
  web->mutable_backends(1)->set_state(v1::DRAINED);
  web->mutable_backends()->DeleteSubrange(2, 1);
  auto* added = web->add_backends();
  added->set_name("web-4");
  added->set_address("10.0.2.14");
  FillDefaults(&after);
  after.mutable_pools(1)->mutable_probes(0)->set_send("x");
  after.mutable_pools(1)->mutable_probes()->DeleteSubrange(1, 1);
  after.mutable_vips()->DeleteSubrange(3, 1);
  CHECK(DiffConfigs(before, after) ==
        Lines{"flow_hash_secret changed", "flow_timeouts.udp 30s -> 1m",
              "pool web: encapsulation l2 -> ipip", "pool web: table_size 65537 -> 131071",
              "pool web: backend web-3 removed (10.0.2.13, weight 200, enabled)",
              "pool web: backend web-1: weight 100 -> 50",
              "pool web: backend web-2: state enabled -> drained",
              "pool web: backend web-4 added (10.0.2.14, weight 100, enabled)",
              "pool dns: probes[0].send hex:1234000000010000000000000000020001 -> x",
              "pool dns: probes[1] removed (tcp)",
              "vip dns-tcp removed (192.0.2.53 port 53 tcp -> pool dns)"});
  // Order is no difference.
  v1::Config turned = before;
  turned.mutable_pools()->SwapElements(0, 1);
  turned.mutable_vips()->SwapElements(0, 2);
  CHECK(DiffConfigs(before, turned).empty());
}

TEST_CASE("durations are read and refused") {
  CHECK(*ParseDuration("1h30m") == absl::Minutes(90));
  CHECK(*ParseDuration("0") == absl::ZeroDuration());
  CHECK(*ParseDuration("1.5s") == absl::Milliseconds(1500));
  for (const char* wrong : {"", "5", "-1s", "inf", " 5s", "5s ", "s", "1e3s", "999999h"}) {
    CAPTURE(wrong);
    CHECK(!ParseDuration(wrong).ok());
  }
}

TEST_CASE("files that cannot be read are named") {
  CHECK(absl::StrContains(LoadConfigFile("/nonexistent/x.yaml").status().message(),
                          "/nonexistent/x.yaml"));
  CHECK(absl::StrContains(LoadConfigFile("/").status().message(),
                          "/: is a directory, not a regular file"));
  CHECK(absl::StrContains(LoadConfigFile("/dev/zero").status().message(), "not a regular file"));
}

}  // namespace
}  // namespace guideway
