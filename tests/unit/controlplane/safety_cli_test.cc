// check, diff, apply, confirm, history and rollback against a daemon on a real socket.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "controlplane/cli/local_reach.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

using Result = TestApi::Result;

#define CHECK_RESULT(result, code, text)                         \
  do {                                                           \
    const Result checked = (result);                             \
    CAPTURE(checked.out, checked.err);                           \
    CHECK(checked.exit_code == (code));                          \
    CHECK(absl::StrContains(checked.out + checked.err, (text))); \
    if ((code) != 0) CHECK(checked.out.empty());                 \
  } while (false)

constexpr char kWeb1[] = "  - {name: web-1, address: 10.0.0.1}\n";
constexpr char kWeb2[] = "  - {name: web-2, address: 10.0.0.2}\n";
constexpr char kWeb3[] = "  - {name: web-3, address: 10.0.0.3, weight: 200}\n";

struct SafetyFixture {
  TestApi daemon;
  std::string File(const std::string& yaml) const {
    return daemon.directory().Write("n.yaml", yaml);
  }
  // The configuration without or with other lines.
  std::string Without(const std::vector<std::string>& lines) const {
    std::string yaml = TestYaml();
    for (const std::string& line : lines) yaml = absl::StrReplaceAll(yaml, {{line, ""}});
    return File(yaml);
  }
  std::string With(const std::string& line, const std::string& instead) const {
    return File(absl::StrReplaceAll(TestYaml(), {{line, instead}}));
  }
};

TEST_CASE_METHOD(SafetyFixture, "apply, and what is refused without force") {
  const std::string removed = "pool web: backend web-2 removed (10.0.0.2, weight 100, enabled)\n";
  CHECK(daemon.Run({"apply", Without({kWeb2})}).out == removed);
  CHECK(daemon.Run({"apply", "-f", Without({kWeb2})}).out == "nothing changes\n");
  CHECK(daemon.configs_set() == 1);
  CHECK_RESULT(daemon.Run({"apply", Without({kWeb1, kWeb2, kWeb3})}), 1,
               "refused without --force: pool web: no backend is left that takes new flows");
  CHECK_RESULT(daemon.Run({"apply", File("flow_hash_secret: 0123456789abcdef\n")}), 1,
               "no VIP is left; pool web, which a VIP leads to, would be gone with 2 backends");
  CHECK(daemon.configs_set() == 1);
  CHECK_RESULT(daemon.Run({"apply", "--force", Without({kWeb1, kWeb2, kWeb3})}), 0,
               "web-1 removed");
  CHECK_RESULT(daemon.Run({"apply", File(TestYaml() + "x: 1\n")}), 1, "n.yaml:16:1: x: unkn");
}

TEST_CASE_METHOD(SafetyFixture, "diff tells what would move, and changes nothing") {
  const std::string one_less = daemon.Run({"diff", Without({kWeb2})}).out;
  CHECK(absl::StartsWith(one_less,
                         "pool web: backend web-2 removed (10.0.0.2, weight 100, enabled)\n"
                         "moves: pool web: 25."));
  CHECK(absl::StrContains(one_less, "% of the slots; known flows: none move\n"));
  // A disabled backend loses its flows, and how many they are nobody knows.
  const std::string disabled =
      daemon.Run({"diff", With(kWeb2, "  - {name: web-2, address: 10.0.0.2, state: disabled}\n")})
          .out;
  CHECK(absl::StrContains(disabled,
                          "known flows: those of web-2 move (25.0% of the slots); their "
                          "share of the flows is unknown\n"));
  const std::string rekeyed =
      daemon.Run({"diff", With("0123456789abcdef", "fedcba9876543210")}).out;
  CHECK(absl::StrContains(rekeyed, "moves: pool web: 0.0% of the slots; known flows: 100.0% move"));
  CHECK(absl::StrContains(rekeyed, "moves: pool idle: "));
  CHECK_RESULT(daemon.Run({"diff", Without({kWeb1, kWeb2})}), 0,
               "needs --force: pool web: 2 of 3 backends (66%) would take no new flows any more; "
               "allowed are 30%\n");
  CHECK(daemon.Run({"diff", File(TestYaml())}).out == "nothing changes\n");
  const std::string json = daemon.Run({"-o", "json", "diff", Without({kWeb2})}).out;
  CHECK(absl::StrContains(json, "\"moved_slots\": 0.25"));
  CHECK(absl::StrContains(json, "\"moved_flows\": 0"));
  CHECK(daemon.configs_set() == 0);
}

TEST_CASE_METHOD(SafetyFixture, "check works without a daemon, and asks it for capacity") {
  CHECK_RESULT(daemon.Run({"check", File(TestYaml())}), 0,
               "valid, with 1 VIP, 2 pools, 5 backends\n");
  CHECK_RESULT(daemon.Run({"check", File("a: [\n")}), 1, "is not valid YAML");
  daemon.beyond_capacity = {"pool web: table_size 65537 is more than the data plane takes, 1000"};
  CHECK_RESULT(daemon.Run({"check", File(TestYaml())}), 1,
               "n.yaml: beyond capacity: pool web: table_size 65537 is more than");
  CHECK_RESULT(daemon.Run({"diff", Without({kWeb2})}), 0, "needs --force: pool web: table_size");
  CHECK_RESULT(daemon.Run({"apply", Without({kWeb2})}), 1, "refused without --force: pool web: ta");
  daemon.Stop();
  CHECK_RESULT(daemon.Run({"check", GUIDEWAY_SOURCE_ROOT "/docs/example.yaml"}), 0,
               "; capacity not checked, no control plane\n");
}

TEST_CASE("check names backends that this host's addresses contradict") {
  v1::Config config;
  v1::Pool* pool = config.add_pools();
  pool->set_name("web");
  pool->set_encapsulation(v1::L2);
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.1.3", "2001:db8::4"}) {
    v1::Backend* backend = pool->add_backends();
    backend->set_name(absl::StrCat("b", pool->backends_size()));
    backend->set_address(address);
    backend->set_state(v1::ENABLED);
  }
  const std::vector<IpPrefix> own = {{*IpAddress::Parse("10.0.0.1"), 24}};
  const std::string itself =
      "pool web: backend b1: 10.0.0.1 is an address of this host: it gets no flows";
  CHECK(cli::LocalReachWarnings(config, own) ==
        std::vector<std::string>{
            itself,
            "pool web: backend b3: 10.0.1.3 is not on a segment of this host: l2 cannot reach it "
            "from here unless a route says that it is"});
  CHECK(cli::LocalReachWarnings(config, {}).empty());
  pool->set_encapsulation(v1::IPIP);
  CHECK(cli::LocalReachWarnings(config, own) == std::vector<std::string>{itself});
  config.add_ports()->mutable_static_gateway()->set_mac("02:00:00:00:00:01");
  CHECK(cli::LocalReachWarnings(config, own).empty());
}

TEST_CASE_METHOD(SafetyFixture, "apply for confirmation") {
  const std::string file = Without({kWeb2});
  CHECK_RESULT(daemon.Run({"confirm"}), 1, "no version awaits a confirmation");
  for (const char* wrong : {"60", "0", "-5s", "0.5s", "25h"}) {
    CHECK_RESULT(daemon.Run({"apply", file, absl::StrCat("--confirm-within=", wrong)}), 1,
                 "--confirm-within: ");
  }
  CHECK(daemon.configs_set() == 0);
  CHECK_RESULT(daemon.Run({"apply", file, "--confirm-within", "60s"}), 0,
               "version 2 is rolled back in 60s unless you say `guideway confirm`\n");
  CHECK_RESULT(daemon.Run({"status"}), 0, "version 2 is rolled back to 1 in 59s unless you say");
  CHECK_RESULT(daemon.Run({"history"}), 0, "unconfirmed");
  CHECK_RESULT(daemon.Run({"backend", "drain", "web", "web-1"}), 1,
               "version 2 awaits its confirmation: `guideway confirm` keeps it");
  CHECK_RESULT(daemon.Run({"diff", File(TestYaml())}), 0, "web-2 added");
  CHECK(daemon.Run({"confirm"}).out == "version 2 stays\n");
  CHECK(!absl::StrContains(daemon.Run({"status"}).out, "rolled back"));
  CHECK_RESULT(daemon.Run({"backend", "drain", "web", "web-1"}), 0, "drained");
}

TEST_CASE_METHOD(SafetyFixture, "history and rollback") {
  REQUIRE(daemon.Run({"backend", "weight", "web", "web-1", "7"}).exit_code == 0);
  REQUIRE(daemon.Run({"apply", "--force", Without({kWeb1, kWeb2})}).exit_code == 0);
  const std::string history = daemon.Run({"history"}).out;
  CAPTURE(history);
  CHECK(absl::StartsWith(history, "VERSION  ACCEPTED"));
  const std::string who = absl::StrCat("uid ", getuid(), "  ");
  CHECK(absl::StrContains(history,
                          who + "            Apply       in force  pool web: backend web-1 "));
  CHECK(absl::StrContains(history,
                          "SetBackend  -         pool web: backend web-1: weight 100 -> 7\n"));
  CHECK(absl::StrContains(history, "the control plane  start       -         "));
  CHECK(daemon.Run({"rollback", "2"}).out ==
        "pool web: backend web-1 added (10.0.0.1, weight 7, enabled)\n"
        "pool web: backend web-2 added (10.0.0.2, weight 100, enabled)\n");
  CHECK(daemon.store().version() == 4);
  CHECK_RESULT(daemon.Run({"rollback", "9"}), 1, "version 9 is not kept; `guideway history`");
  CHECK_RESULT(daemon.Run({"rollback", "3"}), 1, "refused without --force: pool web: 2 of 3");
  CHECK_RESULT(daemon.Run({"rollback", "3", "--force", "--confirm-within", "1h"}), 0,
               "version 5 is rolled back in 1h unless");
  CHECK_RESULT(daemon.Run({"rollback", "4"}), 0, "web-1 added");
  CHECK_RESULT(daemon.Run({"-o", "json", "history"}), 0, "\"action\": \"Rollback\"");
  daemon.Restart();
  CHECK(daemon.store().config().pools(0).backends(0).weight() == 7);
  CHECK_RESULT(daemon.Run({"rollback"}), 2, "version");
  CHECK_RESULT(daemon.Run({"rollback", "x"}), 2, "");
}

TEST_CASE_METHOD(SafetyFixture, "the audit log says who did what") {
  REQUIRE(daemon.Run({"backend", "weight", "web", "web-1", "7"}).exit_code == 0);
  REQUIRE(daemon.Run({"diff", Without({kWeb2})}).exit_code == 0);
  REQUIRE(daemon.Run({"apply", Without({kWeb1, kWeb2})}).exit_code == 1);
  daemon.commit_outcome = {CommitOutcome::kRefused, "out of memory"};
  REQUIRE(daemon.Run({"backend", "weight", "web", "web-1", "8"}).exit_code == 1);
  const std::string log = ReadWhole(daemon.AuditFile());
  CAPTURE(log);
  CHECK(std::count(log.begin(), log.end(), '\n') == 3);  // the dry run is none
  const std::string who = absl::StrCat("\"who\":\"uid ", getuid(), "\",\"uid\":", getuid(),
                                       ",\"gid\":", getgid(), ",\"pid\":", getpid(), ",");
  CHECK(absl::StrContains(
      log, absl::StrCat(who,
                        "\"action\":\"SetBackend\",\"changes\":[\"pool web: backend web-1: "
                        "weight 100 -> 7\"],\"version\":2,\"result\":\"in force\"}\n")));
  CHECK(absl::StrContains(log,
                          "\"action\":\"Apply\",\"changes\":[],\"version\":2,\"result\":"
                          "\"refused: refused without --force: pool web: 2 of 3"));
  CHECK(
      absl::StrContains(log, "weight 7 -> 8\"],\"version\":2,\"result\":\"taken back: out of mem"));
}

}  // namespace
}  // namespace guideway
