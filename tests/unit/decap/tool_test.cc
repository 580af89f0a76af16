// Options of the tool, its counters as text, and what check finds.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "dataplane/decap/checks.h"
#include "dataplane/decap/config.h"
#include "dataplane/decap/stats.h"
#include "tests/unit/decap/decap_bench.h"

namespace guideway {
namespace {

DecapOptions Good() {
  DecapOptions options;
  options.interface = "lo";
  options.vips = {"198.51.100.7"};
  options.locals = {"10.0.0.1"};
  options.from = {"10.0.1.0/24", "2001:db8::1"};
  return options;
}

TEST_CASE("options") {
  DecapBench::Get();
  const auto config = MakeConfig(Good());
  REQUIRE(config.ok());
  CHECK(config->from[1].length_bits == 128);
  CHECK(config->gue_ports == std::vector<uint16_t>{6080});
}

TEST_CASE("without --vip and --local they are looked up") {
  DecapBench::Get();
  REQUIRE(std::system("ip link add d0 type veth peer name d0p && ip addr add 10.9.9.9/24 dev d0") ==
          0);
  DecapOptions options = Good();
  options.vips.clear();
  options.locals.clear();
  const auto config = MakeConfig(options);
  REQUIRE(config.ok());
  CHECK(config->vips.size() == 6);
  CHECK(config->locals == std::vector<IpAddress>{IpAddress::Parse("10.9.9.9").value()});
  REQUIRE(std::system("ip link del d0") == 0);
}

TEST_CASE("the file of the counters is made anew, whatever stands beside it") {
  char directory[] = "/tmp/decap-stats-test-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  const std::string path = absl::StrCat(directory, "/decap.prom");
  const std::string beside = absl::StrCat(path, ".", getpid(), ".tmp");
  const std::string victim = absl::StrCat(directory, "/victim");
  std::ofstream(victim) << "precious";
  SECTION("FIFO") { REQUIRE(mkfifo(beside.c_str(), 0600) == 0); }
  SECTION("link") { REQUIRE(symlink(victim.c_str(), beside.c_str()) == 0); }
  CHECK(WriteAtomically(path, "counters").ok());
  std::string text, untouched;
  std::ifstream(path) >> text;
  std::ifstream(victim) >> untouched;
  CHECK(text == "counters");
  CHECK(untouched == "precious");
  std::filesystem::remove_all(directory);
}

TEST_CASE("wrong options are named") {
  DecapBench::Get();
  const auto error = [](auto&& change) {
    DecapOptions options = Good();
    change(options);
    const auto config = MakeConfig(options);
    return config.ok() ? std::string() : std::string(config.status().message());
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(error([](auto& o) { o.interface = "nope"; }), Contains("--interface nope"));
  CHECK_THAT(error([](auto& o) { o.vips = {"x"}; }), Contains("--vip x"));
  CHECK_THAT(error([](auto& o) { o.from = {"10.0.0.1/8"}; }), Contains("--from 10.0.0.1/8"));
  CHECK_THAT(error([](auto& o) { o.from.clear(); }), Contains("nothing to do"));
  CHECK_THAT(error([](auto& o) { o.mode = "fast"; }), Contains("--mode fast"));
  CHECK_THAT(error([](auto& o) { o.gue_ports = {1, 2, 3, 4, 5}; }), Contains("--gue-port"));
  for (const char* text : {"10", "0=1.2.3.4", "64=1.2.3.4", "x=1.2.3.4", "10=x"}) {
    CHECK_THAT(error([&](auto& o) { o.l3dsr = {text}; }), Contains("--l3dsr " + std::string(text)));
  }
  CHECK_THAT(error([](auto& o) { o.l3dsr = {"9=1.2.3.4", "9=1.2.3.5"}; }), Contains("another VIP"));
  CHECK(error([](auto& o) { o.l3dsr = {"9=1.2.3.4", "9=2001:db8::1"}; }).empty());
}

TEST_CASE("counters as text") {
  VerdictCounts counts{};
  counts[GW_DECAP_gue] = 7;
  CHECK_THAT(ToJson("eth0", counts), Catch::Matchers::Contains("\"gue\": 7"));
  CHECK_THAT(ToPrometheus("eth0", counts),
             Catch::Matchers::Contains(
                 "guideway_decap_packets_total{interface=\"eth0\",verdict=\"gue\"} 7\n"));
  CHECK_THAT(HealthToPrometheus("eth0", true, 2),
             Catch::Matchers::Contains("\nguideway_decap_attached{interface=\"eth0\"} 1\n") &&
                 Catch::Matchers::Contains("\nguideway_decap_problems{interface=\"eth0\"} 2\n"));
}

TEST_CASE("the page lists every verdict as it is defined") {
  const char* path = std::getenv("DECAP_BACKENDS_PAGE");
  REQUIRE(path != nullptr);
  std::ifstream file(path);
  std::stringstream page;
  page << file.rdbuf();
  for (const VerdictName& verdict : kVerdictNames) {
    CHECK_THAT(page.str(), Catch::Matchers::Contains("| `" + std::string(verdict.name) + "` | " +
                                                     verdict.help + " |"));
  }
}

TEST_CASE("check finds what is missing, and its command mends it") {
  DecapBench::Get();
  REQUIRE(std::system("ip link add d1 type veth peer name d1p && ip link set d1 up && "
                      "echo 1 >/proc/sys/net/ipv4/conf/d1/rp_filter && "
                      "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter") == 0);
  CheckOptions options{
      "d1",
      {IpAddress::Parse("203.0.113.77").value(), IpAddress::Parse("2001:db8::77").value()},
      true};
  const auto findings = Check(options);
  REQUIRE(findings.ok());
  // Two VIPs, arp_ignore, arp_announce, rp_filter.
  CHECK(findings->size() == 5);
  for (const Finding& finding : *findings) {
    INFO(finding.problem);
    CHECK(finding.automatic);
    CHECK(Mend(finding).ok());
  }
  CHECK(Check(options)->empty());
  options.l2 = false;
  REQUIRE(Check(options)->size() == 1);
  CHECK_THAT(Check(options)->front().problem, Catch::Matchers::Contains("not attached"));
  options.interface = "nope";
  CHECK_FALSE(Check(options).ok());
  REQUIRE(std::system("ip link del d1 && ip addr del 203.0.113.77/32 dev lo && "
                      "ip addr del 2001:db8::77/128 dev lo") == 0);
}

}  // namespace
}  // namespace guideway
