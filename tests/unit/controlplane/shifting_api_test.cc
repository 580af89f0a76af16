// Traffic shifting by API and CLI: drain and its wait, weight by share, switching VIPs, backups.
#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/drain_progress.h"
#include "controlplane/server/share_weight.h"
#include "lib/config/formats.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

using cli::DrainProgress;
using Result = TestApi::Result;

TEST_CASE("a drain is over when no flow has been counted for a while") {
  DrainProgress progress(absl::Seconds(30));
  CHECK_FALSE(progress.empty());
  progress.Add(absl::Seconds(0), 1000, 2);
  CHECK_FALSE(progress.empty());
  progress.Add(absl::Seconds(1), 1060, 1);
  CHECK(progress.Text() == "1 flow left, 60 packets/s");
  progress.Add(absl::Seconds(2), 1060, 0);
  CHECK(progress.Text() == "0 flows left, 60 packets/s");
  CHECK_FALSE(progress.empty());
  progress.Add(absl::Milliseconds(2500), 1061, 1);  // one that the count had not seen yet
  progress.Add(absl::Seconds(4), 1061, 0);
  CHECK_FALSE(progress.empty());
  progress.Add(absl::Milliseconds(4500), 1061, 0);
  CHECK(progress.Text() == "0 flows left, no packet for 2 s");
  CHECK(progress.empty());
}

TEST_CASE("a drain without a count of flows is over when packets have ended") {
  DrainProgress progress(absl::Seconds(30));
  progress.Add(absl::Seconds(0), 1000, std::nullopt);
  progress.Add(absl::Seconds(10), 1001, std::nullopt);
  CHECK(progress.Text() == "0 packets/s");
  progress.Add(absl::Seconds(39), 1001, std::nullopt);
  CHECK(progress.Text() == "no packet for 29 s");
  CHECK_FALSE(progress.empty());
  SECTION("for so long") {
    progress.Add(absl::Seconds(40), 1001, std::nullopt);
    CHECK(progress.empty());
  }
  SECTION("but not if the data plane has started anew meanwhile") {
    progress.Add(absl::Seconds(40), 5, std::nullopt);
    CHECK_FALSE(progress.empty());
  }
}

TEST_CASE("the weight for a share") {
  v1::Pool pool;
  pool.set_name("web");
  const auto add = [&pool](uint32_t weight, v1::AdminState state, bool backup) {
    v1::Backend* backend = pool.add_backends();
    backend->set_name(absl::StrCat("web-", pool.backends_size()));
    backend->set_weight(weight);
    backend->set_state(state);
    backend->set_backup(backup);
  };
  add(0, v1::ENABLED, false);
  add(100, v1::ENABLED, false);
  add(200, v1::ENABLED, false);
  add(1000, v1::DRAINED, false);
  add(1000, v1::ENABLED, true);
  CHECK(WeightForShare(pool, 0, 25).value() == 100);
  CHECK(WeightForShare(pool, 0, 5).value() == 16);
  CHECK(WeightForShare(pool, 0, 1).value() == 3);
  CHECK(WeightForShare(pool, 0, 97).value() == 9700);
  for (const double bad : {0.0, 100.0, -1.0, 1e300, std::nan("")}) {
    CHECK(absl::IsInvalidArgument(WeightForShare(pool, 0, bad).status()));
  }
  CHECK(WeightForShare(pool, 0, 0.1).status().message() ==
        "the other weights of pool web add up to 300, so weight 1 is the nearest to 0.1%, and is "
        "0.332226%; give the others larger weights");
  CHECK(absl::StrContains(WeightForShare(pool, 0, 99).status().message(), "smaller weights"));
  CHECK(WeightForShare(pool, 4, 50).status().message() ==
        "no other backup of pool web is enabled: web-5 gets all or nothing");
}

TEST_CASE("a canary gets its share of new flows") {
  TestApi daemon;  // web-1 and web-2 100 each, web-3 200, web-4 drained
  REQUIRE(daemon.Run({"backend", "enable", "web", "web-4"}).exit_code == 0);
  CHECK(daemon.Run({"backend", "weight", "web", "web-4", "5%"}).out ==
        "pool web: backend web-4: weight 100 -> 21\n");
  CHECK(daemon.Run({"backend", "weight", "web", "web-4", "20%"}).out ==
        "pool web: backend web-4: weight 21 -> 100\n");
  for (const char* bad : {"5%%", "%", "x%", "5 %x", ""}) {
    CHECK(daemon.Run({"backend", "weight", "web", "web-4", bad}).exit_code == 2);
  }
  const Result all = daemon.Run({"backend", "weight", "web", "web-4", "100%"});
  CHECK(all.exit_code == 1);
  CHECK(absl::StrContains(all.err, "100% is not a share; must be above 0% and below 100%"));
}

TEST_CASE("the time of a drain is kept, and ends with the drain") {
  TestApi daemon;
  const absl::Time before = absl::Now();
  CHECK(absl::StartsWith(
      daemon.Run({"backend", "drain", "web", "web-1", "--deadline", "10m", "--disable"}).out,
      "pool web: backend web-1: state enabled -> drained\npool web: backend web-1: disable_at "));
  daemon.Restart();
  const auto backend = [&daemon] { return daemon.store().config().pools(0).backends(0); };
  const auto at = ParseTime(backend().disable_at());
  REQUIRE(at.ok());
  CHECK(*at >= before + absl::Minutes(10));
  CHECK(*at <= absl::Now() + absl::Minutes(10) + absl::Seconds(1));
  SECTION("by another drain") { daemon.Run({"backend", "drain", "web", "web-1"}); }
  SECTION("by enabling") { daemon.Run({"backend", "enable", "web", "web-1"}); }
  SECTION("by disabling") { daemon.Run({"backend", "disable", "web", "web-1"}); }
  CHECK(backend().disable_at().empty());
}

TEST_CASE("times of a drain that mean nothing are refused") {
  TestApi daemon;
  const std::string before = daemon.Run({"config", "show"}).out;
  struct Row {
    std::vector<std::string> more;
    int exit_code;
    const char* message;
  };
  const Row rows[] = {
      {{"--deadline", "10m"}, 1, "--deadline: needs --wait, --disable or both"},
      {{"--disable"}, 2, "--disable requires --deadline"},
      {{"--wait", "--deadline", "10"}, 1, "--deadline: \"10\" is not a duration above 0"},
      {{"--wait", "--deadline", "0"}, 1, "--deadline: \"0\" is not a duration above 0"},
      {{"--wait", "--quiet-time", "x"}, 1, "--quiet-time: \"x\" is not a duration"},
      {{"--disable", "--deadline", "800h"}, 1, "must be above 0 and at most 30 days"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"backend", "drain", "web", "web-1"};
    arguments.insert(arguments.end(), row.more.begin(), row.more.end());
    const Result result = daemon.Run(arguments);
    CAPTURE(result.out, result.err);
    CHECK(result.exit_code == row.exit_code);
    CHECK(absl::StrContains(result.err, row.message));
  }
  CHECK(daemon.Run({"config", "show"}).out == before);
}

TEST_CASE("drain --wait: until flows are gone, disabled, or the deadline") {
  TestApi daemon;
  daemon.web_1_flows = {37, 12, 12, 0};
  SECTION("gone") {
    const Result result = daemon.Run({"backend", "drain", "web", "web-1", "--wait"});
    CHECK(result.exit_code == 0);
    CHECK(absl::StrContains(result.out, "state enabled -> drained\n37 flows left, "));
    CHECK(absl::StrContains(result.out, "\n12 flows left, "));
    CHECK(absl::EndsWith(result.out, "\nempty\n"));
  }
  SECTION("the deadline") {
    daemon.web_1_flows = {5};
    const Result result = daemon.Run(
        {"backend", "drain", "web", "web-1", "--wait", "--deadline", "700ms", "-o", "json"});
    CHECK(result.exit_code == 0);
    CHECK(absl::StrContains(result.out, "\"end\": \"deadline\",\n  \"active_flows\": 5,"));
  }
  SECTION("disabled by the daemon") {
    daemon.web_1_flows = {5};
    daemon.web_1_deadline_passed = true;
    const Result result = daemon.Run(
        {"backend", "drain", "web", "web-1", "--wait", "--deadline", "10m", "--disable"});
    CHECK(result.exit_code == 0);
    CHECK(absl::EndsWith(result.out, "disabled: 5 flows left, 0 packets/s\n"));
  }
  SECTION("packets, where flows are not counted") {
    daemon.web_1_flows = {};
    const Result result = daemon.Run(
        {"backend", "drain", "web", "web-1", "--wait", "--quiet-time", "600ms", "-o", "json"});
    CHECK(result.exit_code == 0);
    CHECK(absl::StrContains(result.out, "\"end\": \"empty\",\n  \"waited_ms\": "));
  }
}

TEST_CASE("a VIP is switched to another pool and back") {
  TestApi daemon;
  CHECK(daemon.Run({"vip", "switch", "site", "idle"}).out == "vip site: pool web -> idle\n");
  CHECK(daemon.Run({"vip", "switch", "site", "web"}).out == "vip site: pool idle -> web\n");
  const Result nobody = daemon.Run({"vip", "switch", "site", "idl"});
  CHECK(nobody.exit_code == 1);
  CHECK(absl::StrContains(nobody.err, "there is no pool \"idl\", did you mean idle?"));
  const Result other = daemon.Run({"vip", "switch", "site", "idle", "--also", "sit"});
  CHECK(other.exit_code == 1);
  CHECK(absl::StrContains(other.err, "there is no VIP \"sit\", did you mean site?"));
  CHECK(daemon.store().config().vips(0).pool() == "web");

  daemon.Run({"backend", "drain", "idle", "idle-1"});
  const Result dead = daemon.Run({"vip", "switch", "site", "idle"});
  CHECK(dead.exit_code == 1);
  CHECK(absl::StrContains(dead.err, "pool idle has no backend that is enabled and healthy"));
  CHECK(daemon.Run({"vip", "switch", "site", "idle", "--force"}).exit_code == 0);
}

TEST_CASE("several VIPs are switched in one change") {
  TestApi daemon(absl::StrCat(
      TestYaml(),
      "- {name: site6, address: \"2001:db8::1\", port: 443, protocol: tcp, pool: web}\n"));
  CHECK(daemon.Run({"vip", "switch", "site", "idle", "--also", "site6"}).out ==
        "vip site: pool web -> idle\nvip site6: pool web -> idle\n");
  CHECK(daemon.configs_set() == 1);
}

TEST_CASE("a backup is added as such") {
  TestApi daemon;
  CHECK(daemon.Run({"backend", "add", "web", "web-5", "10.0.0.5", "--backup"}).out ==
        "pool web: backend web-5 added (10.0.0.5, weight 100, enabled, backup)\n");
  CHECK(absl::StrContains(daemon.Run({"backend", "list", "web", "-o", "json"}).out,
                          "\"backup\": true"));
}

}  // namespace
}  // namespace guideway
