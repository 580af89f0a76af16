// The audit log: its lines, rotation, and what a crash leaves.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/audit_log.h"
#include "tests/unit/controlplane/misplaced.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {
namespace {

AuditRecord Record(const std::string& action) {
  AuditRecord record;
  record.time = absl::FromUnixMillis(1763730081123);
  record.who.kind = PeerIdentity::kUnixProcess;
  record.who.uid = 1000;
  record.who.gid = 100;
  record.who.pid = 4711;
  record.action = action;
  record.changes = {"a \"b\" \\ \n\x01 \xc3\xa9"};
  record.version = 7;
  record.result = "in force";
  return record;
}

TEST_CASE("a line is one JSON object") {
  CHECK(AuditLine(Record("Apply")) ==
        "{\"time\":\"2025-11-21T13:01:21.123Z\",\"who\":\"uid 1000\",\"uid\":1000,\"gid\":100,"
        "\"pid\":4711,\"action\":\"Apply\",\"changes\":[\"a \\\"b\\\" \\\\ \\u000a\\u0001 "
        "\xc3\xa9\"],"
        "\"version\":7,\"result\":\"in force\"}\n");
  AuditRecord own = Record("rollback");
  own.who = PeerIdentity::System();
  own.changes.assign(kMaxAuditChanges + 5, "x");
  CHECK(
      absl::StrContains(AuditLine(own), "\"who\":\"the control plane\",\"action\":\"rollback\","));
  CHECK(absl::StrContains(AuditLine(own), "\"x\",\"and 5 more\"]"));
}

TEST_CASE("a moved, a removed and a torn file") {
  TestDirectory directory;
  const std::string path = directory.File("audit.log");
  AuditLog log(path);
  log.Append(Record("one"));
  log.Append(Record("two"));
  CHECK(ReadWhole(path) == AuditLine(Record("one")) + AuditLine(Record("two")));
  std::filesystem::rename(path, path + ".1");
  log.Append(Record("three"));
  CHECK(ReadWhole(path) == AuditLine(Record("three")));
  std::filesystem::remove(path);
  log.Append(Record("four"));
  CHECK(ReadWhole(path) == AuditLine(Record("four")));
  // A crash in the middle of a line: the next one stands by itself.
  std::filesystem::resize_file(path, 10);
  AuditLog restarted(path);
  restarted.Append(Record("five"));
  CHECK(ReadWhole(path) ==
        AuditLine(Record("four")).substr(0, 10) + "\n" + AuditLine(Record("five")));
  CHECK(restarted.problem().empty());
}

TEST_CASE("what cannot be written is a problem until it can, and never waits") {
  for (const Misplaced& thing : AllMisplaced()) {
    if (thing.name == "empty") continue;
    CAPTURE(thing.name);
    TestDirectory directory;
    const std::string path = directory.File("audit.log");
    thing.put(path);
    AuditLog log(path);
    // A FIFO takes 64 KiB before it would wait for a reader.
    for (int i = 0; i < 1000; ++i) log.Append(Record("lost"));
    CHECK(log.problem() == absl::StrCat("audit log: ", path, ": ", thing.said));
    std::filesystem::remove(path);
    log.Append(Record("kept"));
    CHECK(log.problem().empty());
    CHECK(ReadWhole(path) == AuditLine(Record("kept")));
  }
}

}  // namespace
}  // namespace guideway
