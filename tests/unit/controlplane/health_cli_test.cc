// The command line about health: probes and guards of pools, and orders by hand.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"
#include "tests/unit/controlplane/check_result.h"

namespace guideway {
namespace {

TEST_CASE("pool create: other kinds of probes, and guards") {
  TestApi daemon;
  CHECK_RESULT(daemon.Run({"pool",        "create",
                           "a",           "--probe",
                           "https",       "--probe-port",
                           "443",         "--probe-tls-name",
                           "a.test",      "--probe-tls-verify",
                           "false",       "--probe-tls-ca-file",
                           "/ca.pem",     "--probe-expect",
                           "ok",          "--probe-jitter",
                           "20",          "--probe-source-ipv4",
                           "10.0.0.9",    "--probe-source-ipv6",
                           "2001:db8::9", "--fail-open-below",
                           "40",          "--ejection-limit",
                           "25",          "--ejection-interval",
                           "30s"}),
               0, "pool a added");
  const v1::Pool& a = daemon.store().config().pools(2);
  CHECK(a.probe().type() == v1::HTTPS_GET);
  CHECK(a.probe().tls_name() == "a.test");
  CHECK(!a.probe().tls_verify());
  CHECK(a.probe().tls_ca_file() == "/ca.pem");
  CHECK(a.probe().expect() == "ok");
  CHECK(a.probe().jitter_percent() == 20);
  CHECK(a.probe().source_ipv4() == "10.0.0.9");
  CHECK(a.probe().source_ipv6() == "2001:db8::9");
  CHECK(a.fail_open_below() == 40);
  CHECK(a.ejection_limit().percent() == 25);
  CHECK(a.ejection_limit().interval().seconds() == 30);
  const std::string shown = daemon.Run({"pool", "show", "a"}).out;
  CHECK(absl::StrContains(shown, "25 % in 30s\n"));
  CHECK(absl::StrContains(shown, "below 40 %\n"));
  CHECK_RESULT(daemon.Run({"pool", "create", "b", "--probe", "exec", "--probe-command", "/bin/x",
                           "--probe-command", "-v", "--probe-environment", "A=b"}),
               0, "pool b added");
  const v1::Probe& exec = daemon.store().config().pools(3).probe();
  REQUIRE(exec.command_size() == 2);
  CHECK(exec.command(1) == "-v");
  CHECK(exec.environment(0) == "A=b");
  CHECK(absl::StrContains(daemon.Run({"pool", "show", "b", "-o", "json"}).out, "\"/bin/x\""));
  CHECK_RESULT(daemon.Run({"pool", "create", "c", "--probe", "udp", "--probe-port", "53",
                           "--probe-send", "hex:00ff", "--probe-silent"}),
               0, "pool c added");
  CHECK(daemon.store().config().pools(4).probe().silent());
  CHECK_RESULT(daemon.Run({"pool", "create", "d", "--probe", "grpc", "--probe-port", "1",
                           "--probe-grpc-service", "s", "--probes-needed", "any"}),
               0, "pool d added");
  CHECK_RESULT(daemon.Run({"pool", "create", "e", "--probe", "exec", "--probe-command", "x"}), 1,
               "is not an absolute path");
  CHECK_RESULT(daemon.Run({"pool", "create", "e", "--probe", "udp"}), 1, "probe.port: is missing");
}

TEST_CASE("orders over the heads of the probes") {
  TestApi daemon;
  CHECK(daemon.Run({"backend", "force-health", "web", "web-1", "unhealthy"}).out ==
        "web web-1 2\n");
  CHECK(daemon.Run({"backend", "force-health", "web", "web-1", "healthy"}).out == "web web-1 1\n");
  CHECK(daemon.Run({"backend", "force-health", "web", "web-1", "probed"}).out == "web web-1 0\n");
  CHECK_RESULT(daemon.Run({"backend", "force-health", "web", "web-1", "well"}), 2, "well");
  CHECK(daemon.Run({"pool", "pause-probes", "web"}).out == "web 1\n");
  CHECK(daemon.Run({"pool", "resume-probes", "web"}).out == "web 0\n");
  CHECK_RESULT(daemon.Run({"pool", "pause-probes", "nope"}), 1, "there is no pool nope");
  const std::string who = absl::StrCat("uid ", getuid());
  REQUIRE(daemon.orders.size() == 6);
  CHECK(daemon.orders[0] == who + " ForceHealth web web-1 2 OK");
  CHECK(daemon.orders[4] == who + " PauseProbes web 0 OK");
  CHECK(daemon.orders[5] == who + " PauseProbes  NOT_FOUND: there is no pool nope");
  CHECK_RESULT(daemon.Run({"status"}), 0, "note: pool web: probes are paused");
}

}  // namespace
}  // namespace guideway
