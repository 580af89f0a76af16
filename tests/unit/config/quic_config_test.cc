// QUIC-LB in the configuration: every rule of the draft, by field; what is shown of keys.
#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/config/diff.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"
#include "lib/config/validate.h"

namespace guideway {
namespace {

constexpr char kGood[] = R"(flow_hash_secret: 0123456789abcdef
pools:
- name: web
  backends:
  - {name: a, address: 10.0.0.1, server_id: "0a0B"}
  - {name: b, address: 10.0.0.2, server_id: "0a0c"}
- name: other
  backends:
  - {name: a, address: 10.0.0.3, server_id: "0a0b0c"}
  - {name: b, address: 10.0.0.4}
vips:
- {name: tcp, address: 192.0.2.1, port: 443, protocol: tcp, pool: web}
- name: quic
  address: 192.0.2.1
  port: 443
  protocol: udp
  pool: web
  quic_lb:
  - {config_id: 0, server_id_length: 2, nonce_length: 17}
  - {config_id: 6, server_id_length: 2, nonce_length: 14, key: 8f95f09245765f80256934e50c66207F}
- name: quic6
  address: 2001:db8::1
  port: 443
  protocol: udp
  pool: web
  quic_lb:
  - {config_id: 0, server_id_length: 2, nonce_length: 4}
)";

// kGood with some text replaced, and what the error then holds.
struct Case {
  const char* from;
  const char* to;
  const char* message;
};

const Case kCases[] = {
    // One by one.
    {"config_id: 6", "config_id: 7", "quic_lb[1].config_id: 7 is out of range; must be a whole"},
    {"config_id: 6, ", "", "vips[1].quic_lb[1].config_id: is missing; must be a whole number"},
    {"server_id_length: 2, nonce_length: 14", "nonce_length: 14",
     "vips[1].quic_lb[1].server_id_length: is missing"},
    {"server_id_length: 2, nonce_length: 14", "server_id_length: 16, nonce_length: 4",
     "vips[1].quic_lb[1].server_id_length: 16 is out of range; must be a whole number from 1 to "
     "15"},
    {"server_id_length: 2, nonce_length: 14", "server_id_length: 0, nonce_length: 14",
     "vips[1].quic_lb[1].server_id_length: 0 is out of range"},
    {"nonce_length: 14", "nonce_length: 3", "nonce_length: 3 is out of range; must be a whole"},
    {"nonce_length: 14", "nonce_length: 19", "nonce_length: 19 is out of range; must be a whole"},
    {", nonce_length: 14", "", "vips[1].quic_lb[1].nonce_length: is missing"},
    {"key: 8f95", "key: 8g95",
     "vips[1].quic_lb[1].key: the value is not valid; must be 16 bytes in hexa"},
    {"key: 8f95",
     "key: ", "vips[1].quic_lb[1].key: the value is not valid; must be 16 bytes in hexa"},
    {"key: 8f95", "key: 008f95",
     "vips[1].quic_lb[1].key: the value is not valid; must be 16 bytes in h"},
    {"\"0a0c\"", "\"0a0\"",
     "pools[0].backends[1].server_id: \"0a0\" is not valid; must be 1 to 15"},
    {"\"0a0c\"", "\"0a0x\"", "pools[0].backends[1].server_id: \"0a0x\" is not valid"},
    {"\"0a0c\"", "\"000102030405060708090a0b0c0d0e0f\"", "backends[1].server_id: \"0001"},
    // Together.
    {"nonce_length: 14", "nonce_length: 18",
     "vips[1].quic_lb[1].nonce_length: 18 and the server_id_length of 2 are 20 together; must be "
     "at "
     "most 19 together"},
    {"config_id: 6", "config_id: 0",
     "vips[1].quic_lb[1].config_id: config_id 0 is also that of vips[1].quic_lb[0]; must be "
     "unique"},
    {"\"0a0c\"", "\"0A0b\"",
     "pools[0].backends[1].server_id: server ID 0a0b is also that of "
     "pools[0].backends[0].server_id; must be unique within the pool"},
    {"\"0a0c\"", "\"0a\"",
     "pools[0].backends[1].server_id: 0a has length 1; must have length 2, which VIP quic"},
    {", server_id: \"0a0c\"", "",
     "pools[0].backends[1].server_id: is missing; must have length 2, which VIP quic: "
     "vips[1].quic_lb[0] "},
    {"server_id_length: 2, nonce_length: 14", "server_id_length: 3, nonce_length: 14",
     "vips[1].quic_lb[1].server_id_length: 3 is not the 2 of VIP quic: vips[1].quic_lb[0]; must be "
     "one length for all backends of pool web"},
    {"server_id_length: 2, nonce_length: 4}", "server_id_length: 1, nonce_length: 4}",
     "vips[2].quic_lb[0].server_id_length: 1 is not the 2 of VIP quic: vips[1].quic_lb[0]"},
    {"protocol: udp\n  pool: web\n  quic_lb:\n  - {config_id: 0, server_id_length: 2, "
     "nonce_length: 17",
     "protocol: tcp\n  pool: web\n  quic_lb:\n  - {config_id: 0, server_id_length: 2, "
     "nonce_length: 17",
     "vips[1].quic_lb: has a meaning only if protocol is udp; leave it out"},
};

TEST_CASE("what QUIC-LB does not allow is refused by field") {
  const absl::Status good = ParseConfig(kGood, "f").status();
  INFO(good.message());
  REQUIRE(good.ok());
  for (const Case& c : kCases) {
    const std::string yaml = absl::StrReplaceAll(kGood, {{c.from, c.to}});
    REQUIRE(yaml != kGood);
    const absl::Status status = ParseConfig(yaml, "f").status();
    CAPTURE(c.message, status.message());
    CHECK(absl::StrContains(status.message(), c.message));
    // Of a key not even the wrong one is shown.
    CHECK_FALSE(absl::StrContains(status.message(), "f09245765f80256934e50c66207"));
  }
}

TEST_CASE("seven configurations are the most") {
  std::string yaml = absl::StrReplaceAll(kGood, {{"config_id: 6", "config_id: 1"}});
  for (int i = 2; i < 8; ++i) {
    CHECK(ParseConfig(yaml, "f").status().message() == "");
    const auto at = yaml.find("- name: quic6");
    yaml.insert(at, "");
    const std::string more =
        absl::StrCat("  - {config_id: ", i, ", server_id_length: 2, nonce_length: 4}\n");
    yaml.insert(at, more);
  }
  CHECK(absl::StrContains(ParseConfig(yaml, "f").status().message(),
                          "vips[1].quic_lb: has 8 entries; at most 7 are allowed"));
}

TEST_CASE("configurations print back, and a list of changes shows no key") {
  const v1::Config before = ParseConfig(kGood, "f").value();
  CHECK(before.vips(1).quic_lb(0).key().empty());
  CHECK(before.vips(1).quic_lb(0).has_config_id());
  const auto again = ParseConfig(PrintYaml(before), "f");
  REQUIRE(again.ok());
  CHECK(DiffConfigs(before, *again).empty());
  v1::Config after = before;
  v1::Vip* vip = after.mutable_vips(1);
  vip->mutable_quic_lb(1)->set_key("00000000000000000000000000000000");
  vip->mutable_quic_lb(0)->set_nonce_length(5);
  v1::QuicLb* added = vip->add_quic_lb();
  *added = vip->quic_lb(0);
  added->set_config_id(3);
  after.mutable_vips(2)->clear_quic_lb();
  after.mutable_pools(0)->mutable_backends(0)->set_server_id("0101");
  CHECK(CheckConfig(after).ok());
  CHECK(DiffConfigs(before, after) ==
        std::vector<std::string>{"pool web: backend a: server_id 0a0B -> 0101",
                                 "vip quic: quic_lb 0: nonce_length 17 -> 5",
                                 "vip quic: quic_lb 3 added", "vip quic: quic_lb 6: key changed",
                                 "vip quic6: quic_lb 0 removed"});
}

}  // namespace
}  // namespace guideway
