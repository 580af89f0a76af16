// State files: every byte flipped, every length, every other thing in their place, and power loss.
#include "controlplane/state_file.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/regular_file.h"
#include "tests/unit/controlplane/misplaced.h"
#include "tests/unit/controlplane/power_loss.h"

namespace guideway {
namespace {

const std::string kPayload("one\0two\nthree", 13);

TEST_CASE("a state file is known to be damaged whichever bit flips, wherever it is cut") {
  ScratchDirectory directory;
  REQUIRE(WriteStateFile(directory.path(), "x", "x.new", kPayload).ok());
  const std::string good = directory.Read("x");
  CHECK(absl::StartsWith(good, "guideway-state 2 x 13 "));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
    directory.Write("x", bad);
    CAPTURE(bit);
    CHECK(absl::IsDataLoss(ReadStateFile(directory.path(), "x").status()));
  }
  for (size_t length = 0; length < good.size(); ++length) {
    directory.Write("x", good.substr(0, length));
    CAPTURE(length);
    CHECK(absl::IsDataLoss(ReadStateFile(directory.path(), "x").status()));
  }
  directory.Write("x", good + "y");
  CHECK(absl::IsDataLoss(ReadStateFile(directory.path(), "x").status()));
  directory.Write("y", good);
  CHECK(ReadStateFile(directory.path(), "y").status().message() ==
        directory.File("y") + ": is a file of x");
}

TEST_CASE("what the first release wrote is read, what a later one writes is named") {
  ScratchDirectory directory;
  directory.Write("x", absl::StrCat("guideway-state 1 sha256 ", Sha256Hex("old"), "\nold"));
  CHECK(*ReadStateFile(directory.path(), "x") == "old");
  directory.Write("x", absl::StrCat("guideway-state 1 sha256 ", Sha256Hex("old"), "\nolder"));
  CHECK(absl::IsDataLoss(ReadStateFile(directory.path(), "x").status()));
  directory.Write("x", "guideway-state 3 x 3 abc\nnew");
  CHECK(ReadStateFile(directory.path(), "x").status().message() ==
        directory.File("x") + ": has format 3, of a later release or by damage");
}

TEST_CASE("whatever lies in a state file's place is named, waited for by nobody and replaced") {
  for (const Misplaced& thing : AllMisplaced()) {
    ScratchDirectory directory;
    CAPTURE(thing.name);
    thing.put(directory.File("x"));
    thing.put(directory.File("x.new"));
    const auto read = ReadStateFile(directory.path(), "x");
    CHECK(absl::IsDataLoss(read.status()));
    CHECK(absl::StrContains(read.status().message(), directory.File("x") + ": " + thing.said));
    // A directory in the way of the new file stays an error: it may hold something.
    if (thing.name == "directory") std::filesystem::remove_all(directory.File("x.new"));
    CHECK(WriteStateFile(directory.path(), "x", "x.new", kPayload).ToString() == "OK");
    CHECK(*ReadStateFile(directory.path(), "x") == kPayload);
  }
}

TEST_CASE("a file of somebody else in a directory of ours is not believed") {
  if (geteuid() != 0) return;
  ScratchDirectory directory;
  REQUIRE(WriteStateFile(directory.path(), "x", "x.new", kPayload).ok());
  REQUIRE(chown(directory.File("x").c_str(), 4711, 4711) == 0);
  CHECK(ReadStateFile(directory.path(), "x").status().message() ==
        directory.File("x") + ": belongs to user 4711, not to us");
  // After the program has got another user the whole directory is still believed.
  REQUIRE(chown(directory.path().c_str(), 4711, 4711) == 0);
  CHECK(ReadStateFile(directory.path(), "x").ok());
}

TEST_CASE("reading a regular file opens nothing else, and no more than allowed") {
  ScratchDirectory directory;
  for (const Misplaced& thing : AllMisplaced()) {
    CAPTURE(thing.name);
    if (thing.name == "empty") continue;
    const std::string path = directory.File(std::string(thing.name));
    thing.put(path);
    const auto read = ReadRegularFile(path);
    CHECK(!read.ok());
    CHECK(absl::StrContains(read.status().message(), path));
  }
  directory.Write("big", std::string(1001, 'x'));
  CHECK(absl::IsOutOfRange(ReadRegularFile(directory.File("big"), {.max_bytes = 1000}).status()));
  CHECK(ReadRegularFile(directory.File("big"), {.max_bytes = 1001})->size() == 1001);
  std::filesystem::create_symlink("big", directory.File("link"));
  CHECK(ReadRegularFile(directory.File("link")).ok());
  CHECK(!ReadRegularFile(directory.File("link"), {.follow_links = false}).ok());
}

TEST_CASE("of a file and its copy either may be damaged and nothing is lost") {
  for (const std::string victim : {"x", "x.copy"}) {
    for (const Misplaced& thing : AllMisplaced()) {
      ScratchDirectory directory;
      KeptState state(directory.path(), "x");
      REQUIRE(state.Write("old").ok());
      REQUIRE(state.Write(kPayload).ok());
      CAPTURE(victim, thing.name);
      std::filesystem::remove(directory.File(victim));
      thing.put(directory.File(victim));
      CHECK(*state.Read() == kPayload);
      CHECK(absl::StrContains(state.problem(), directory.File(victim) + ": " + thing.said));
      CHECK(absl::StrContains(state.problem(), "nothing is lost"));
      CHECK(absl::StrContains(state.problem(), "made anew"));
      // Mended: the next start has nothing to say.
      CHECK(*state.Read() == kPayload);
      CHECK(state.problem() == "");
      CHECK(std::filesystem::is_symlink(directory.File(victim)) == false);
    }
  }
}

TEST_CASE("every bit of a kept state may flip, and is named") {
  ScratchDirectory directory;
  KeptState state(directory.path(), "x");
  REQUIRE(state.Write(kPayload).ok());
  const std::string good = directory.Read("x");
  for (size_t bit = 0; bit < good.size() * 8; bit += 3) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
    directory.Write("x", bad);
    CAPTURE(bit);
    CHECK(*state.Read() == kPayload);
    CHECK(state.problem() != "");
    CHECK(directory.Read("x") == good);
  }
}

TEST_CASE("a kept state that is damaged twice names both files") {
  ScratchDirectory directory;
  KeptState state(directory.path(), "x");
  CHECK(absl::IsNotFound(state.Read().status()));
  REQUIRE(state.Write(kPayload).ok());
  directory.Write("x", "");
  directory.Write("x.copy", "junk");
  const auto read = state.Read();
  CHECK(absl::IsDataLoss(read.status()));
  CHECK(read.status().message() ==
        directory.File("x") + ": is empty; " + directory.File("x.copy") + ": is not a state file");
}

TEST_CASE("a file without checksum is read once, after the upgrade") {
  ScratchDirectory directory;
  KeptState state(directory.path(), "x", "old-format 1");
  directory.Write("x", "old-format 1\nline\n");
  CHECK(*state.Read() == "old-format 1\nline\n");
  CHECK(state.problem() == "");
  REQUIRE(state.Write(*state.Read()).ok());
  CHECK(absl::StartsWith(directory.Read("x"), "guideway-state 2 x "));
  CHECK(directory.Read("x") == directory.Read("x.copy"));
}

TEST_CASE("a copy that cannot be written is a problem, and an old one never comes back") {
  ScratchDirectory directory;
  KeptState state(directory.path(), "x");
  REQUIRE(state.Write("old").ok());
  std::filesystem::create_directories(directory.File("x.copy.new/full"));
  REQUIRE(state.Write(kPayload).ok());
  CHECK(absl::StrContains(state.problem(), directory.File("x") + ": is kept once only: "));
  directory.Write("x", "");
  CHECK(absl::IsDataLoss(state.Read().status()));
}

TEST_CASE("the power fails at every step of keeping a state") {
  bool finished = false;
  for (int steps = 0; !finished; ++steps) {
    ScratchDirectory directory;
    CAPTURE(steps);
    KeptState before(directory.path(), "x");
    REQUIRE(before.Write("old").ok());
    PowerLoss::Files files;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      files[entry.path().string()] = directory.Read(entry.path().filename().string());
    }
    PowerLoss failing(files, steps);
    const bool acknowledged = KeptState(directory.path(), "x", "", &failing).Write("new").ok();
    finished = !failing.power_lost();
    for (const PowerLoss::Files& outcome : failing.Outcomes()) {
      for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        std::filesystem::remove_all(entry.path());
      }
      for (const auto& [path, content] : outcome) {
        directory.Write(std::filesystem::path(path).filename().string(), content);
      }
      KeptState after(directory.path(), "x");
      const auto read = after.Read();
      REQUIRE(read.ok());
      CHECK((*read == "new" || (*read == "old" && !acknowledged)));
      CHECK(after.problem() == "");
      CHECK(directory.Read("x") == directory.Read("x.copy"));
    }
  }
}

}  // namespace
}  // namespace guideway
