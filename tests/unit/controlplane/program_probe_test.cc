// The exec probe: what programs say, and that nothing of them is left.
#include <signal.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/probe_runner.h"

namespace guideway {
namespace {

using Outcome = ProbeResult::Outcome;

ProbeRequest Script(const std::string& text) {
  ProbeRequest request = Request(ProbeKind::kExec, 0, "127.0.0.3");
  request.command = {"/bin/sh", "-c", text, "script"};
  return request;
}

TEST_CASE("exec probe: the exit status decides, the first line is the reason") {
  struct Row {
    const char* script;
    Outcome outcome;
    const char* reason;
  };
  const auto row = GENERATE(values<Row>({
      {"exit 0", Outcome::kSuccess, "exit status 0"},
      {"echo fine; echo more", Outcome::kSuccess, "exit status 0: fine"},
      {"echo bad >&2; exit 3", Outcome::kFailure, "exit status 3: bad"},
      {"kill -TERM $$", Outcome::kFailure, "ended by signal 15"},
      {"printf 'a\\001b'; exit 1", Outcome::kFailure, "exit status 1: a?b"},
      {"echo $GUIDEWAY_ADDRESS $COLOUR $HOME", Outcome::kSuccess,
       "exit status 0: 127.0.0.3 blue"},  // and nothing of this process's environment
      {"read line; echo \"<$line>\"", Outcome::kSuccess, "exit status 0: <>"},
      {"ls /proc/self/fd | wc -l", Outcome::kSuccess, "exit status 0: 4"},  // 0, 1, 2, and ls's own
      {"head -c 1000000 /dev/zero; exit 4", Outcome::kFailure, "exit status 4: ????"},
  }));
  ProbeRunner runner;
  ProbeRequest request = Script(row.script);
  request.environment = {"COLOUR=blue"};
  const ProbeResult result = runner.Run(request);
  INFO(row.script << " -> " << result.reason);
  CHECK(result.outcome == row.outcome);
  CHECK(result.reason.substr(0, std::string(row.reason).size()) == row.reason);
}

TEST_CASE("exec probe: expected output, and programs that are not there") {
  ProbeRunner runner;
  ProbeRequest request = Script("echo all is well");
  request.expect = std::string("is well");
  CHECK(runner.Run(request).outcome == Outcome::kSuccess);
  request.expect = std::string("is ill");
  CHECK(runner.Run(request).outcome == Outcome::kFailure);
  request.command = {"/no/such/program"};
  const ProbeResult result = runner.Run(request);
  CHECK(result.outcome == Outcome::kNotRun);
  CHECK(result.reason == "run /no/such/program: No such file or directory");
}

// Whether a process runs (not: has ended and is not yet taken care of by its parent).
bool Runs(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string word;
  file >> word >> word >> word;
  return file && word != "Z" && word != "X";
}

// 0 until the script has said which process it has started.
pid_t ReadPid(const std::string& path) {
  std::ifstream file(path);
  pid_t pid = 0;
  file >> pid;
  return pid;
}

TEST_CASE("exec probe: one that hangs and forks is killed with its children") {
  const ProbeDirectory directory;
  const std::string file = directory.File("pid");
  ProbeRunner runner;
  pid_t child = 0;
  SECTION("when its time is over") {
    ProbeRequest request = Script(absl::StrCat("sleep 1000 & echo $! > ", file, "; wait"));
    request.timeout = absl::Milliseconds(300);
    const ProbeResult result = runner.Run(request);
    CHECK(result.outcome == Outcome::kFailure);
    CHECK(result.reason == "timed out after 300 ms, killed");
  }
  SECTION("when it ignores signals") {
    ProbeRequest request =
        Script(absl::StrCat("trap '' TERM INT HUP; sleep 1000 & echo $! > ", file, "; wait; wait"));
    request.timeout = absl::Milliseconds(300);
    CHECK(runner.Run(request).outcome == Outcome::kFailure);
  }
  SECTION("when it ends and leaves them behind") {
    const ProbeRequest request = Script(absl::StrCat("sleep 1000 & echo $! > ", file));
    CHECK(runner.Run(request).outcome == Outcome::kSuccess);
  }
  SECTION("when nobody wants the result any more") {
    runner.RunAndCancel(Script(absl::StrCat("sleep 1000 & echo $! > ", file, "; wait")),
                        [&] { return ReadPid(file) != 0; });
  }
  child = ReadPid(file);
  REQUIRE(child != 0);
  CHECK(runner.thread.Await([&] { return !Runs(child); }));
}

}  // namespace
}  // namespace guideway
