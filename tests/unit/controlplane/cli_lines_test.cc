// Command lines by the dozen: files of them, their completion, and the commands made for looking
// on.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "controlplane/cli/batch.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/complete.h"
#include "controlplane/cli/line_editor.h"
#include "controlplane/cli/man.h"
#include "controlplane/cli/screen.h"
#include "controlplane/cli/tree.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("lines are split into words") {
  const auto split = [](const std::string& line) { return *cli::SplitWords(line); };
  CHECK(split("") == Words{});
  CHECK(split("  \t# all of it") == Words{});
  CHECK(split("pool list") == Words{"pool", "list"});
  CHECK(split(" pool\tlist  # why\r") == Words{"pool", "list"});
  CHECK(split("a#b 'c d' \"e \\\"f\\\\\" ''") == Words{"a#b", "c d", "e \"f\\", ""});
  CHECK(split("x'y z'w") == Words{"xy zw"});
  CHECK(cli::SplitWords("pool 'list").status().message() == "a quote ' is open");
  CHECK(cli::SplitWords("pool \"list\\\"").status().message() == "a quote \" is open");
}

TEST_CASE("a file of command lines stops at the first that fails and names it") {
  TestApi daemon;
  const std::string file = daemon.directory().Write("lines",
                                                    "# first\n"
                                                    "backend weight web web-1 7\n"
                                                    "\n"
                                                    "backend weight web nobody 7\n"
                                                    "backend weight web web-2 7\n");
  auto result = daemon.Run({"-f", file});
  CHECK(result.exit_code == 1);
  CHECK(absl::StartsWith(result.err, absl::StrCat("guideway: ", file, ":4: ")));
  CHECK(absl::StrContains(result.err, "nobody"));
  CHECK(absl::StrContains(result.out, "web-1"));
  CHECK_FALSE(absl::StrContains(result.out, "web-2"));
  result = daemon.Run({"-f", file, "--keep-going"});
  CHECK(result.exit_code == 1);
  CHECK(absl::StrContains(result.err, absl::StrCat(file, ":4: ")));
  CHECK(absl::StrContains(result.out, "web-2"));
}

TEST_CASE("what one line gives is not left for the next") {
  TestApi daemon;
  const std::string file = daemon.directory().Write(
      "lines", "backend add web x 10.9.0.1 --weight 7\nbackend add web y 10.9.0.2\n");
  CHECK(daemon.Run({"-f", file}).exit_code == 0);
  const auto& backends = daemon.store().config().pools(0).backends();
  CHECK(backends[backends.size() - 2].weight() == 7);
  CHECK(backends[backends.size() - 1].weight() == 100);
}

TEST_CASE("files: what is wrong with a line, and with the file") {
  TestApi daemon;
  const auto run = [&](const std::string& text) {
    return daemon.Run({"-f", daemon.directory().Write("lines", text)});
  };
  CHECK(run("pool list\nfrob\n").exit_code == 2);
  CHECK(absl::StrContains(run("frob\n").err, "lines:1: unknown command \"frob\""));
  CHECK(absl::StrContains(run("pool 'list\n").err, "lines:1: a quote ' is open"));
  CHECK(absl::StrContains(run("-f other\n").err, "lines:1: -f: "));
  CHECK(absl::StrContains(run("shell\n").err, "lines:1: shell: "));
  CHECK(run("").exit_code == 0);
  CHECK(run("-o json pool list").exit_code == 0);
  CHECK(absl::StrContains(daemon.Run({"-f", "/nonexistent"}).err, "/nonexistent: No such file"));
  CHECK(daemon.Run({"-f", "/nonexistent"}).exit_code == 1);
  CHECK(daemon.Run({"-f", "x", "pool", "list"}).exit_code == 2);
  CHECK(daemon.Run({"--keep-going", "pool", "list"}).exit_code == 2);
  CHECK(daemon.Run({"pool", "list", "-f", "x"}).exit_code == 2);
  daemon.Stop();
  CHECK(run("pool list\n").exit_code == 3);
}

std::string Completed(const Words& words) {
  std::ostringstream unused;
  cli::Cli command_line(&unused, &unused);
  const cli::Completion found = cli::Complete(command_line.app(), words);
  if (found.files) return ":file";
  if (!found.names_of.empty()) {
    return absl::StrCat(found.names_of, found.names_pool.empty() ? "" : " of ", found.names_pool,
                        found.socket.empty() ? "" : " at ", found.socket);
  }
  return absl::StrJoin(found.words, " ");
}

TEST_CASE("command lines are completed from the tree") {
  CHECK(Completed({"po"}) == "pool");
  CHECK(Completed({"pool", "l"}) == "list");
  CHECK(Completed({"-o", "json", "pool", "l"}) == "list");
  CHECK(Completed({"-o", ""}) == "table json");
  CHECK(Completed({"pool", "create", "x", "--encapsulation", "g"}) == "gre gue");
  CHECK(Completed({"pool", "show", ""}) == "POOL");
  CHECK(Completed({"backend", "drain", "web", "w"}) == "BACKEND of web");
  CHECK(Completed({"--socket", "/x", "vip", "show", ""}) == "VIP at /x");
  CHECK(Completed({"apply", "-f", "/e"}) == ":file");
  CHECK(Completed({"backend", "add", "web", "--st"}) == "--state");
  CHECK(Completed({"pool", "list", "--so"}) == "--socket");
  CHECK(Completed({"pool", "list", "--k"}).empty());
  CHECK(Completed({"--k"}) == "--keep-going");
  CHECK(Completed({"explain", ""}) == "tcp udp");
  CHECK(Completed({"frob", "x", "y"}).empty());
  CHECK(Completed({}).empty());
  CHECK(cli::CommonPrefix({"web-1", "web-2"}) == "web-");
  CHECK(cli::CommonPrefix({}).empty());
}

TEST_CASE("names come from the daemon") {
  TestApi daemon;
  CHECK(daemon.Run({"complete", "--", "pool", "show", ""}).out == "web\nidle\n");
  CHECK(daemon.Run({"complete", "--", "backend", "drain", "idle", ""}).out == "idle-1\n");
  CHECK(daemon.Run({"complete", "--", "vip", "show", "x"}).out.empty());
  CHECK(daemon.Run({"complete", "--", "pool", "list", "--so"}).out == "--socket\n");
  CHECK(daemon.Run({"complete", "--", "--socket", "/nonexistent", "pool", "show", ""}).exit_code ==
        3);
}

TEST_CASE("top: rates are what has been counted between two readings, the busiest first") {
  TestApi daemon;
  daemon.packets_a_reading = 1'000'000;
  const auto result = daemon.Run({"top", "--count", "2", "--interval", "0.1"});
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 0);
  const size_t second = result.out.rfind("guideway top: ");
  REQUIRE(second != 0);
  CHECK(absl::StartsWith(result.out, "guideway top: 0 packets/s, 0 bit/s, 0 new flows/s\n"));
  // The interval is at least 0.1 s, so at most 10 million a second; however slow, some thousands.
  const std::string title = result.out.substr(second, result.out.find('\n', second) - second);
  CHECK((absl::StrContains(title, "M packets/s") || absl::StrContains(title, "k packets/s")));
  CHECK(absl::StrContains(result.out, "VIP   ADDRESS    PORT  PROTOCOL  POOL"));
  // web-4 counts four times as much as web-1.
  CHECK(result.out.find("web-4", second) < result.out.find("web-1", second));
  CHECK(absl::StrContains(daemon.Run({"-o", "json", "top", "--count", "1"}).out,
                          "\"packets_per_second\": 0.000000"));
  daemon.stats_fail = true;
  CHECK(absl::StrContains(daemon.Run({"top", "--count", "1"}).out,
                          "no counters: the data plane is not connected"));
  daemon.Stop();
  CHECK(daemon.Run({"top", "--count", "1"}).exit_code == 3);
}

TEST_CASE("a page is cut to its screen") {
  CHECK(cli::CutToSize("abcdef\nxy\nz\n", {.rows = 2, .columns = 4}, "|") == "abcd|xy|");
  CHECK(cli::CutToSize("ab\n", {.rows = 5, .columns = 9}, "|") == "ab|");
  CHECK(cli::CutToSize("", {.rows = 5, .columns = 9}, "|").empty());
}

TEST_CASE("explain: for people and as JSON") {
  TestApi daemon;
  const auto result = daemon.Run({"explain", "tcp", "198.51.100.7:4242", "192.0.2.1:443"});
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 0);
  for (const char* line :
       {"flow:            tcp 198.51.100.7:4242 -> 192.0.2.1:443\n",
        "VIP:             site, pool web\n", "slot:            17 of 65537, scheduler maglev\n",
        "current owner:   web/web-1 (10.0.0.1)\n", "previous owner:  the same\n",
        "flow entry:      worker 1: web/web-2 (10.0.0.2), established, idle 3s, forgotten in "
        "59m57s\n",
        "goes to:         web/web-2 (10.0.0.2), by the flow table of worker 1\n",
        "backend:         enabled, healthy for 2m10s: connect: ok\n",
        "outer header:    10.0.0.9:51234 -> 10.0.0.2:6080 UDP\n",
        "next hop:        eth1 02:00:00:00:00:01\n",
        "VIP counters:    28 packets, 0 bytes, 0 new flows, 0 dropped\n",
        "note:            a note\n"}) {
    CHECK(absl::StrContains(result.out, line));
  }
  const std::string json =
      daemon.Run({"-o", "json", "explain", "tcp", "198.51.100.7:4242", "192.0.2.1:443"}).out;
  CHECK(absl::StrContains(json, "\"decided_by\": \"the flow table of worker 1\""));
  CHECK(absl::StrContains(json, "\"outer_source_port\": 51234"));
  CHECK(absl::StrContains(daemon.Run({"explain", "udp", "[2001:db8::7]:1", "[2001:db8::1]:2"}).out,
                          "VIP:   none takes it: its packets go to the kernel\n"));
  for (const char* bad : {"198.51.100.7", "198.51.100.7:", "198.51.100.7:65536", "2001:db8::7:80",
                          "[2001:db8::7]", "[2001:db8::780", ":", ""}) {
    const auto refused = daemon.Run({"explain", "tcp", bad, "192.0.2.1:443"});
    CAPTURE(bad);
    CHECK(refused.exit_code == 1);
    CHECK(absl::StrContains(refused.err, "is not an address with a port"));
  }
  CHECK(daemon.Run({"explain", "icmp", "198.51.100.7:1", "192.0.2.1:443"}).exit_code == 2);
}

TEST_CASE("every command is in the manual page") {
  std::ostringstream unused;
  cli::Cli command_line(&unused, &unused);
  const std::string page = cli::ManPage(command_line.app());
  for (const cli::CommandInfo& command : cli::ReadTree(command_line.app())) {
    if (command.path.empty() || !command.children.empty()) continue;
    const std::string path = absl::StrReplaceAll(command.path, {{"-", "\\-"}});
    CHECK(absl::StrContains(page, absl::StrCat("\\fBguideway ", path, "\\fR")));
  }
}

}  // namespace
}  // namespace guideway
