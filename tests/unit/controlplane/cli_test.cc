// The command line against a daemon on a real socket: what it prints, and its exit codes.
#include "controlplane/cli/cli.h"

#include <catch2/catch.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/cli/pool_flags.h"
#include "controlplane/cli/tree.h"
#include "lib/config/schema.h"
#include "tests/unit/controlplane/check_result.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

using Result = TestApi::Result;

TEST_CASE("exit codes") {
  TestApi daemon;
  CHECK_RESULT(daemon.Run({"pool", "list"}), 0, "web");
  CHECK_RESULT(daemon.Run({"pool", "show", "wen"}), 1, "no pool \"wen\", did you mean web?");
  CHECK_RESULT(daemon.Run({"vip", "show", "x"}), 1, "there is no VIP \"x\"");
  CHECK_RESULT(daemon.Run({"check", "-f", "/nonexistent"}), 1, "/nonexistent");
  for (const std::vector<std::string>& usage :
       {std::vector<std::string>{},
        {"pool"},
        {"frob"},
        {"pool", "lst"},
        {"pool", "show"},
        {"pool", "list", "--frob"},
        {"pool", "list", "x"},
        {"-o", "xml", "status"},
        {"apply"},
        {"backend", "weight", "web", "web-1", "-1"},
        {"backend", "weight", "web", "web-1", "x"},
        {"backend", "weight", "web", "web-1", "4294967296"},
        {"stats", "--watch", "0"},
        {"backend", "add", "web", "x", "10.0.0.9", "--state", "down"},
        {"completion", "tcsh"}}) {
    const Result result = daemon.Run(usage);
    CAPTURE(usage);
    CHECK(result.exit_code == 2);
    CHECK(absl::StartsWith(result.err, "guideway: "));
  }
  CHECK_RESULT(daemon.Run({"pool", "lst"}), 2, "unknown command \"lst\", did you mean list?");
  daemon.Stop();
  CHECK_RESULT(daemon.Run({"status"}), 3, "cannot reach guideway-controlplane at ");
  CHECK_RESULT(daemon.Run({"apply", "-f", daemon.directory().File("config.yaml")}), 3, "No such");
}

TEST_CASE("help everywhere, and the version") {
  TestApi daemon;
  std::ostringstream unused;
  cli::Cli command_line(&unused, &unused);
  for (const cli::CommandInfo& command : cli::ReadTree(command_line.app())) {
    std::vector<std::string> arguments;
    std::istringstream words(command.path);
    for (std::string word; words >> word;) arguments.push_back(word);
    arguments.push_back("--help");
    CHECK_RESULT(daemon.Run(arguments), 0, command.help);
  }
  CHECK_RESULT(daemon.Run({"--version"}), 0, "guideway " GUIDEWAY_VERSION "\n");
}

TEST_CASE("lists for people are aligned") {
  TestApi daemon;
  CHECK(daemon.Run({"pool", "list"}).out ==
        "NAME  ENCAPSULATION       HEALTHY  TABLE SIZE  DIGEST\n"
        "web   l2                      3/3       65537  0123456789abcdef\n"
        "idle  ipip           1 not probed       65537  0123456789abcdef\n");
  CHECK(daemon.Run({"vip", "list"}).out ==
        "NAME  ADDRESS    PORT  PROTOCOL  POOL  PACKETS  BYTES  NEW FLOWS\n"
        "site  192.0.2.1   443  tcp       web        28      0          0\n");
  CHECK(daemon.Run({"backend", "list", "idle"}).out ==
        "NAME    ADDRESS   WEIGHT  STATE    HEALTH      FOR  LAST PROBE   SHARE  PACKETS  FLOWS  "
        "NEXT HOP\n"
        "idle-1  10.0.1.1     100  enabled  unprobed  2m10s  connect: ok  25.0%        7      5  "
        "eth1 02:00:00:00:00:01\n");
  CHECK_RESULT(daemon.Run({"backend", "show", "idle", "idle-1"}), 0,
               "active flows:         5\nsyn retransmissions:  11\n");
  CHECK_RESULT(daemon.Run({"-o", "json", "backend", "show", "idle", "idle-1"}), 0,
               "\"syn_retransmissions\": 11");
  CHECK_RESULT(daemon.Run({"backend", "show", "idle", "idle-2"}), 1,
               "there is no backend \"idle-2\" in pool \"idle\", did you mean idle-1?");
  CHECK(absl::StartsWith(daemon.Run({"backend", "list"}).out, "POOL  NAME"));
  CHECK_RESULT(daemon.Run({"backend", "list", "nope"}), 1, "there is no pool \"nope\"");
  CHECK_RESULT(daemon.Run({"pool", "show", "web"}), 0, "probe:          tcp port=80 interval=5s");
  CHECK_RESULT(daemon.Run({"vip", "show", "site"}), 0,
               "backends:   3 of 3 backends healthy, 1 not meant to take flows\n");
}

TEST_CASE("a VIP's segment size and QUIC-LB are shown, its keys are not") {
  TestApi daemon(
      "flow_hash_secret: 0123456789abcdef\n"
      "pools: [{name: web, backends: [{name: a, address: 10.0.0.1, server_id: 5e01}]}]\n"
      "vips:\n"
      "- {name: tcp, address: 192.0.2.1, port: 443, protocol: tcp, pool: web, "
      "max_segment_size: 1400}\n"
      "- {name: quic, address: 192.0.2.1, port: 443, protocol: udp, pool: web, quic_lb: [\n"
      "    {config_id: 0, server_id_length: 2, nonce_length: 6},\n"
      "    {config_id: 5, server_id_length: 2, nonce_length: 14,\n"
      "     key: 000102030405060708090a0b0c0d0e0f}]}\n");
  CHECK_RESULT(daemon.Run({"vip", "show", "tcp"}), 0, "segments:   at most 1400 bytes\n");
  const std::string quic = daemon.Run({"vip", "show", "quic"}).out;
  CHECK(absl::StrContains(quic, "quic-lb 0:  server IDs of 2 bytes, nonces of 6, plain\n"));
  CHECK(absl::StrContains(quic, "quic-lb 5:  server IDs of 2 bytes, nonces of 14, encrypted\n"));
  const std::string json = daemon.Run({"-o", "json", "vip", "show", "quic"}).out;
  CHECK(absl::StrContains(json, "\"encrypted\": true"));
  CHECK_FALSE(absl::StrContains(quic + json, "0a0b0c"));
  CHECK_RESULT(daemon.Run({"-o", "json", "backend", "list"}), 0, "\"server_id\": \"5e01\"");
}

TEST_CASE("an edit that empties a pool is done, with a warning") {
  TestApi daemon;
  const v1::Pool pool = daemon.store().config().pools(0);
  const std::string warning = "warning: pool web: no backend is left that takes new flows\n";
  int enabled = 0;
  for (const v1::Backend& backend : pool.backends()) enabled += backend.state() == v1::ENABLED;
  REQUIRE(enabled > 1);
  for (const v1::Backend& backend : pool.backends()) {
    if (backend.state() != v1::ENABLED) continue;
    const auto drained = daemon.Run({"backend", "drain", "web", backend.name()});
    CHECK(drained.exit_code == 0);
    CHECK(absl::StrContains(drained.out, warning) == (--enabled == 0));
  }
}

TEST_CASE("status names the first few of many backends") {
  TestApi daemon;
  for (int i = 10; i < 20; ++i) {
    const std::string name = absl::StrCat("web-", i);
    REQUIRE(daemon.Run({"backend", "add", "web", name, absl::StrCat("10.0.1.", i)}).exit_code == 0);
  }
  daemon.all_unhealthy = true;
  const auto says = [&](const char* pattern) {
    const std::string status = daemon.Run({"status"}).out;
    CAPTURE(status);
    CHECK(std::regex_search(status, std::regex(pattern)));
  };
  says("^NOT WELL: pool web: unhealthy: web-1(, web-[0-9]+){4} and [0-9]+ more\n");
  daemon.failed_open = true;
  says("pool web: failed open, all enabled get new flows; unhealthy: web-1, ");
  daemon.failed_open = false;
  daemon.share = 0;
  says("pool web: no backend that can take new flows\n");
  daemon.all_unhealthy = false;
  daemon.share = 0.25;
  daemon.settling = true;
  says("^first probes: 1 VIP");
}

TEST_CASE("status says first whether all is well") {
  TestApi daemon;
  CHECK(absl::StartsWith(daemon.Run({"status"}).out,
                         "all is well: 1 VIP, 2 pools, 3 of 4 backends healthy, 1 not probed, "
                         "1 not meant to take flows\n"));
  CHECK(daemon.Run({"status"}).exit_code == 0);
  daemon.web_1_unhealthy = true;
  CHECK(absl::StartsWith(daemon.Run({"status"}).out, "NOT WELL: pool web: unhealthy: web-1\n"));
  CHECK(daemon.Run({"status"}).exit_code == 4);
  daemon.web_1_unhealthy = false;
  daemon.web_1_unreachable = true;
  CHECK(absl::StartsWith(daemon.Run({"status"}).out,
                         "NOT WELL: pool web: no next hop: web-1 (no route)\n"));
  daemon.web_1_unhealthy = true;
  daemon.web_1_unreachable = false;
  daemon.connected = false;
  CHECK(absl::StartsWith(daemon.Run({"status"}).out,
                         "NOT WELL: the data plane is not connected: connect: No such file or "
                         "directory; pool web: unhealthy: web-1\n"));
  const auto result = daemon.Run({"status", "-o", "json"});
  CHECK(result.exit_code == 4);
  const std::string& json = result.out;
  CHECK(absl::StrContains(json, "\"well\": false"));
  CHECK(absl::StrContains(
      json, "\"kind\": \"dataplane-disconnected\",\n      \"severity\": \"critical\""));
  CHECK(absl::StrContains(json, "\"config_version\": 1,"));
}

TEST_CASE("counters, exact to the last bit") {
  TestApi daemon;
  CHECK(daemon.Run({"stats", "-o", "json"}).out == R"({
  "received_packets": 18446744073709551615,
  "forwarded_packets": 18446744073709551610,
  "to_kernel_packets": 3,
  "drops": {
    "no_backend": 2,
    "too_big": 0
  },
  "drop_total": 2,
  "balanced": true,
  "ports": [
    {
      "name": "eth0",
      "received_packets": 0,
      "sent_packets": 0,
      "receive_missed": 0,
      "receive_errors": 0,
      "from_kernel_packets": 0,
      "kernel_twin_lost_packets": 0
    }
  ],
  "workers": [],
  "vips": [],
  "no_vip": {
    "packets": 0,
    "bytes": 0,
    "new_flows": 0,
    "to_kernel_packets": 0,
    "answered_packets": 0,
    "drop_total": 0,
    "drops": {}
  },
  "generation": 0
}
)");
  const std::string table = daemon.Run({"stats"}).out;
  CHECK(absl::StrContains(table, "drop: no_backend "));
  CHECK(!absl::StrContains(table, "too_big"));
  CHECK(absl::StrContains(table,
                          "\nbalanced: received = forwarded + to kernel + answered + drops\n"));
  CHECK_RESULT(daemon.Run({"stats", "--watch", "0.1", "--count", "2"}), 0, "A SECOND");
  CHECK_RESULT(daemon.Run({"stats", "--count", "1", "--watch"}), 0, "received_packets");
  daemon.stats_fail = true;
  CHECK_RESULT(daemon.Run({"stats"}), 1, "the data plane is not connected");
}

TEST_CASE("edits last over a restart of the control plane") {
  TestApi daemon;
  CHECK(daemon.Run({"backend", "weight", "web", "web-1", "50"}).out ==
        "pool web: backend web-1: weight 100 -> 50\n");
  CHECK(daemon.Run({"backend", "drain", "web", "web-1"}).out ==
        "pool web: backend web-1: state enabled -> drained\n");
  CHECK(daemon.Run({"backend", "enable", "web", "web-4"}).out ==
        "pool web: backend web-4: state drained -> enabled\n");
  CHECK(daemon.Run({"backend", "disable", "web", "web-2"}).out ==
        "pool web: backend web-2: state enabled -> disabled\n");
  CHECK(daemon.Run({"backend", "disable", "web", "web-2"}).out == "nothing changes\n");
  CHECK(daemon.Run({"backend", "add", "web", "web-5", "10.0.0.5", "--weight", "0"}).out ==
        "pool web: backend web-5 added (10.0.0.5, weight 0, enabled)\n");
  CHECK(daemon.Run({"backend", "remove", "web", "web-3"}).out ==
        "pool web: backend web-3 removed (10.0.0.3, weight 200, enabled)\n");
  CHECK(daemon
            .Run({"pool", "create", "api", "--encapsulation", "ipip", "--probe", "http",
                  "--probe-port", "8080", "--probe-path", "/up", "--probe-interval", "10s"})
            .out == "pool api added (ipip, 0 backends)\n");
  CHECK(daemon.Run({"pool", "create", "sticky", "--scheduler", "maglev-source"}).out ==
        "pool sticky added (l2, 0 backends)\n");
  const std::string sticky = daemon.Run({"pool", "show", "sticky"}).out;
  CHECK(absl::StrContains(sticky, "maglev-source of /32 and IPv6 /64\n"));
  CHECK(absl::StrContains(daemon.Run({"pool", "show", "sticky", "-o", "json"}).out,
                          "\"scheduler\": \"maglev-source\""));
  CHECK(daemon.Run({"pool", "delete", "sticky"}).out == "pool sticky removed (l2, 0 backends)\n");
  CHECK(daemon.Run({"pool", "delete", "idle"}).out == "pool idle removed (ipip, 1 backends)\n");
  const std::string before = daemon.Run({"config", "show"}).out;
  daemon.Restart();
  CHECK(daemon.Run({"config", "show"}).out == before);
  CHECK(absl::StrContains(before, "path: \"/up\""));
  CHECK(absl::StrContains(before, "weight: 0\n"));
}

TEST_CASE("pool create has a flag for every field of a pool") {
  std::set<std::string> wanted;
  const auto* pool = v1::Pool::descriptor();
  for (int i = 0; i < pool->field_count(); ++i) {
    const auto* field = pool->field(i);
    // The name is the argument; backends are added with `backend add`, several probes with `apply`.
    if (field->name() == "name" || field->name() == "backends") continue;
    if (field->name() == "probes") continue;
    const auto* group = field->message_type();
    if (group == nullptr || IsDuration(*field)) {
      wanted.insert(field->name());
      continue;
    }
    for (int k = 0; k < group->field_count(); ++k) {
      wanted.insert(absl::StrCat(field->name(), ".", group->field(k)->name()));
    }
  }
  std::set<std::string> have;
  for (const cli::PoolFlag& flag : cli::PoolFlags()) have.insert(flag.field);
  CHECK(have == wanted);
}

TEST_CASE("what pool create is given is in the configuration") {
  TestApi daemon;
  CHECK_RESULT(daemon.Run({"pool",
                           "create",
                           "a",
                           "--encapsulation",
                           "gue",
                           "--table-size",
                           "1009",
                           "--gue-port",
                           "6666",
                           "--gue-second-chance",
                           "--gue-zero-checksum6",
                           "--source-prefix-ipv4",
                           "198.18.0.0/16",
                           "--source-prefix-ipv6",
                           "2001:db8::/96",
                           "--probe",
                           "http",
                           "--probe-port",
                           "81",
                           "--probe-path",
                           "/x",
                           "--probe-host",
                           "h.example",
                           "--probe-status-min",
                           "201",
                           "--probe-status-max",
                           "204",
                           "--probe-interval",
                           "7s",
                           "--probe-timeout",
                           "6s",
                           "--probe-rise",
                           "4",
                           "--probe-fall",
                           "5",
                           "--probe-via",
                           "tunnel"}),
               0, "pool a added");
  const v1::Pool& a = daemon.store().config().pools(2);
  CHECK(a.encapsulation() == v1::GUE);
  CHECK(a.table_size() == 1009);
  CHECK(a.gue().port() == 6666);
  CHECK(a.gue().second_chance());
  CHECK(a.gue().zero_checksum6());
  CHECK(a.source_prefix_ipv4() == "198.18.0.0/16");
  CHECK(a.source_prefix_ipv6() == "2001:db8::/96");
  CHECK(a.probe().type() == v1::HTTP_GET);
  CHECK(a.probe().port() == 81);
  CHECK(a.probe().path() == "/x");
  CHECK(a.probe().host() == "h.example");
  CHECK(a.probe().status_min() == 201);
  CHECK(a.probe().status_max() == 204);
  CHECK(a.probe().interval().seconds() == 7);
  CHECK(a.probe().timeout().seconds() == 6);
  CHECK(a.probe().rise() == 4);
  CHECK(a.probe().fall() == 5);
  CHECK(a.probe().via() == v1::PROBE_TUNNEL);
  CHECK_RESULT(daemon.Run({"pool", "show", "a"}), 0, "via=tunnel");
  CHECK_RESULT(daemon.Run({"pool", "create", "b", "--encapsulation", "l3dsr", "--dscp", "9"}), 0,
               "pool b added");
  CHECK(daemon.store().config().pools(3).dscp() == 9);
  CHECK_RESULT(daemon.Run({"pool", "create", "c", "--table-size", "0"}), 1,
               "--table-size: 0 is out of range");
  CHECK_RESULT(daemon.Run({"pool", "create", "c", "--dscp", "x"}), 2, "--dscp: x is not a whole");
  CHECK_RESULT(daemon.Run({"pool", "create", "c", "--gue-port", "5"}), 1, "gue");
  CHECK_RESULT(daemon.Run({"pool", "create", "c", "--probe-rise", "5"}), 2, "--probe");
  CHECK_RESULT(daemon.Run({"pool", "create", "c", "--probe", "tcp", "--probe-port", "1",
                           "--probe-via", "wire"}),
               2, "--probe-via");
}

TEST_CASE("refused edits say why and change nothing") {
  TestApi daemon;
  const std::string before = daemon.Run({"config", "show"}).out;
  CHECK_RESULT(daemon.Run({"backend", "weight", "web", "web-9", "5"}), 1,
               "pool web: backend \"web-9\", did you mean web-1?");
  CHECK_RESULT(daemon.Run({"backend", "weight", "web", "web-1", "10001"}), 1,
               "pools[0].backends[0].weight: 10001 is out of range; must be a whole number from 0");
  CHECK_RESULT(daemon.Run({"backend", "add", "web", "web-1", "10.0.0.9"}), 1, "exists already");
  CHECK_RESULT(daemon.Run({"backend", "add", "web", "x", "10.0.0"}), 1, "\"10.0.0\" is not valid");
  CHECK_RESULT(daemon.Run({"backend", "add", "web", "x", "10.0.0.1"}), 1, "is also that of");
  CHECK_RESULT(daemon.Run({"backend", "add", "nope", "x", "10.0.0.1"}), 1, "there is no pool");
  CHECK_RESULT(daemon.Run({"pool", "create", "web"}), 1, "pool web exists already");
  CHECK_RESULT(daemon.Run({"pool", "create", "a", "--table-size", "100"}), 1, "is not a prime");
  CHECK_RESULT(daemon.Run({"pool", "create", "a", "--probe", "tcp", "--probe-port", "1",
                           "--probe-interval", "5"}),
               1, "--probe-interval: 5 is not a duration");
  CHECK_RESULT(daemon.Run({"pool", "delete", "web"}), 1, "pool web is in use by VIP site");
  CHECK(daemon.Run({"config", "show"}).out == before);
  CHECK(daemon.configs_set() == 0);
}

TEST_CASE("what config show prints, apply takes") {
  TestApi daemon;
  const std::string shown = daemon.Run({"config", "show"}).out;
  const std::string file = daemon.directory().Write("shown.yaml", shown);
  CHECK(daemon.Run({"apply", "-f", file}).out == "nothing changes\n");
}

}  // namespace
}  // namespace guideway
