// What this host fails at beside a probe's own calls: killed programs that do not end, and the list
// of its addresses, which a silent probe asks for, and a file of certificates that is none.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/health/blame.h"
#include "tests/unit/controlplane/injection.h"
#include "tests/unit/controlplane/probe_runner.h"
#include "tests/unit/controlplane/tls_server.h"

namespace guideway {
namespace {

using Outcome = ProbeResult::Outcome;

// Programs that outlast being killed as a group, as those do that wait for a disk which hangs: they
// have left their group. What they are is written to a file.
class Immortals {
 public:
  ~Immortals() { Kill(); }
  ProbeRequest Request() const {
    ProbeRequest request = guideway::Request(ProbeKind::kExec, 0);
    request.command = {"/usr/bin/perl", "-e",
                       "setpgrp(0, getpgrp(getppid())) or die; open(F, '>>', $ARGV[0]) or die; "
                       "print F \"$$\\n\"; close F; sleep 1000",
                       File()};
    request.timeout = absl::Milliseconds(200);
    return request;
  }
  std::vector<pid_t> Pids() const {
    std::vector<pid_t> pids;
    std::ifstream file(File());
    for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
    return pids;
  }
  void Kill() const {
    for (const pid_t pid : Pids()) kill(pid, SIGKILL);
  }
  // Whether nothing is left of them, not even for their parent to take care of.
  bool AreGone() const {
    for (const pid_t pid : Pids()) {
      if (kill(pid, 0) == 0) return false;
    }
    return true;
  }

 private:
  std::string File() const { return directory_.File("pids"); }

  const ProbeDirectory directory_;
};

TEST_CASE("exec probe: no more are started while too many that were killed do not end") {
  ProbeRunner runner;
  Immortals immortals;
  constexpr size_t kMostDying = 32;
  // Some may be killed before they have left their group.
  for (int i = 0; i < 400 && immortals.Pids().size() < kMostDying; ++i) {
    const ProbeResult result = runner.Run(immortals.Request());
    // One that was killed may count before it has said its number.
    REQUIRE((result.reason == "timed out after 200 ms, killed" ||
             absl::EndsWith(result.reason, ": 32 killed programs do not end")));
  }
  REQUIRE(immortals.Pids().size() == kMostDying);
  ProbeRequest fine = Request(ProbeKind::kExec, 0);
  fine.command = {"/bin/true"};
  const ProbeResult refused = runner.Run(fine);
  CHECK(refused.outcome == Outcome::kNotRun);
  CHECK(refused.reason == "run /bin/true: 32 killed programs do not end");
  immortals.Kill();
  CHECK(runner.thread.Await([&] { return immortals.AreGone(); }));
  CHECK(runner.Run(fine).outcome == Outcome::kSuccess);
}

TEST_CASE("exec probe: a killed program that cannot be watched is not waited for") {
  ProbeRunner runner;
  Immortals immortals;
  ProbeRequest request = immortals.Request();
  request.timeout = absl::Seconds(20);
  // The first two are the probe's.
  runner.thread.On([] { Inject({"epoll_ctl", 3, ENOSPC}); });
  runner.RunAndCancel(request, [&] { return immortals.Pids().size() == 1; });
  bool injected = false;
  runner.thread.On([&] { injected = EndInjection(); });
  CHECK(injected);
  CHECK_FALSE(immortals.AreGone());
  immortals.Kill();
  CHECK(runner.thread.Await([&] { return immortals.AreGone(); }));
}

TEST_CASE("silence: this host's addresses are read once for many probes") {
  // Each call would be a reading of its own; 30 of them last six seconds.
  Inject({"getifaddrs", 30, ENOBUFS});
  for (int i = 0; i < 1000; ++i) REQUIRE(LinkTrouble(*IpAddress::Parse("127.0.0.1")).empty());
  CHECK_FALSE(EndInjection());
}

TEST_CASE("silence: without this host's addresses nobody is to blame") {
  // A thread that has not read them yet.
  ProbeRunner runner;
  runner.thread.On([] { Inject({"getifaddrs", 1, ENOBUFS}); });
  // Discards: a socket that is bound and answers nothing.
  const UniqueFd deaf(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(local);
  REQUIRE(bind(deaf.get(), reinterpret_cast<sockaddr*>(&local), size) == 0);
  REQUIRE(getsockname(deaf.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
  ProbeRequest request = Request(ProbeKind::kUdp, ntohs(local.sin_port));
  request.send = "ask";
  request.timeout = absl::Milliseconds(50);
  const ProbeResult result = runner.Run(request);
  bool injected = false;
  runner.thread.On([&] { injected = EndInjection(); });
  CHECK(injected);
  CHECK(result.outcome == Outcome::kNotRun);
  CHECK(absl::StrContains(result.reason,
                          "and this host's addresses cannot be read: No buffer space available"));
  // And it is not remembered.
  CHECK(runner.Run(request).outcome == Outcome::kFailure);
}

TEST_CASE("https probe: what stands in the place of the certificates' file is not opened") {
  const ProbeDirectory directory;
  const std::string certificate = directory.File("certificate"),
                    trusted = directory.File("trusted");
  const std::string command = absl::StrCat(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
      "-subj /CN=tls.test -addext subjectAltName=DNS:tls.test -keyout ",
      directory.File("key"), " -out ", certificate, " 2>/dev/null");
  REQUIRE(std::system(command.c_str()) == 0);
  const TlsServer server(certificate, directory.File("key"));
  ProbeRunner runner;
  ProbeRequest request = Request(ProbeKind::kHttps, server.port());
  request.tls_name = "tls.test";
  request.tls_ca_file = trusted;
  REQUIRE(mkfifo(trusted.c_str(), 0600) == 0);
  const ProbeResult fifo = runner.Run(request);
  CHECK(fifo.outcome == Outcome::kNotRun);
  CHECK(fifo.reason == absl::StrCat("cannot read certificates of ", trusted, ": is a FIFO"));
  std::filesystem::remove(trusted);
  std::filesystem::create_directory(trusted);
  CHECK(absl::StrContains(runner.Run(request).reason, ": is a directory"));
  std::filesystem::remove(trusted);
  std::filesystem::create_symlink(certificate, trusted);
  const ProbeResult fine = runner.Run(request);
  INFO(fine.reason);
  CHECK(fine.outcome == Outcome::kSuccess);
}

}  // namespace
}  // namespace guideway
