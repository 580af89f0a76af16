// Kept versions whose files are damaged, gone, or something else than files.
#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/misplaced.h"
#include "tests/unit/controlplane/version_fixture.h"

namespace guideway {
namespace {

TEST_CASE_METHOD(VersionFixture, "a damaged newest version gives way to the last good one") {
  Open();
  REQUIRE(SetWeight(7).ok());
  REQUIRE(SetWeight(8).ok());
  const std::string newest = PathOf(3);
  const std::string good = ReadWhole(newest);
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), good + "x",
                                 absl::StrReplaceAll(good, {{"weight: 8", "weight: 9"}})}) {
    store.reset();
    directory.Write("state/versions/0000000003", bad);
    directory.Write("state/versions/newest.copy", bad);
    Open();
    CHECK(weight() == 7);
    REQUIRE(store->Problems().size() == 1);
    CHECK(absl::StrContains(store->Problems()[0].text, newest + ": "));
    CHECK(absl::StrContains(store->Problems()[0].text, "; version 2 was the last good one"));
  }
  // A number is never used twice, and history shows the damage.
  REQUIRE(SetWeight(9).ok());
  CHECK(store->version() == 4);
  const auto history = store->History();
  REQUIRE(history.size() == 4);
  CHECK(history[0].first == 4);
  CHECK(!history[1].second.ok());
  Open();
  CHECK(weight() == 9);
  CHECK(store->Problems().empty());
}

TEST_CASE_METHOD(VersionFixture, "damage to the newest version alone loses nothing") {
  Open();
  REQUIRE(SetWeight(7).ok());
  REQUIRE(SetWeight(8).ok());
  const std::string good = ReadWhole(PathOf(3));
  std::string flipped = good;
  flipped[good.size() / 2] ^= 1;
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), flipped}) {
    store.reset();
    directory.Write("state/versions/0000000003", bad);
    Open();
    CHECK(weight() == 8);
    CHECK(store->version() == 3);
    REQUIRE(store->Problems().size() == 1);
    CHECK(store->Problems()[0].kind == ProblemKind::kStateDamaged);
    CHECK(absl::StrContains(store->Problems()[0].text, PathOf(3) + ": "));
    CHECK(absl::StrContains(store->Problems()[0].text, "nothing is lost"));
    CHECK(ReadWhole(PathOf(3)) == good);
    Open();
    CHECK(store->Problems().empty());
  }
  // A copy of what was taken back is none of what comes after it.
  const ConfigStore::Snapshot before = store->TakeSnapshot();
  REQUIRE(SetWeight(9).ok());
  store->Restore(before);
  const std::string copy = ReadWhole(state + "/versions/newest.copy");
  CHECK(absl::StrContains(copy, "weight: 8"));
  CHECK(!absl::StrContains(copy, "weight: 9"));
}

TEST_CASE_METHOD(VersionFixture, "the newest version's file is gone: its copy serves") {
  Open();
  REQUIRE(SetWeight(7).ok());
  REQUIRE(SetWeight(8).ok());
  const std::string good = ReadWhole(PathOf(3));
  const bool all_gone = GENERATE(false, true);
  store.reset();
  for (const uint64_t version : {3, 2, 1}) {
    if (version == 3 || all_gone) std::filesystem::remove(PathOf(version));
  }
  CHECK(VersionStore(state).HasAny());
  Open();
  CHECK(weight() == 8);
  CHECK(store->version() == 3);
  REQUIRE(store->Problems().size() == 1);
  CHECK(store->Problems()[0].kind == ProblemKind::kStateDamaged);
  CHECK(absl::StrContains(store->Problems()[0].text, PathOf(3) + ": is gone; nothing is lost"));
  CHECK(ReadWhole(PathOf(3)) == good);
  Open();
  CHECK(store->Problems().empty());
}

TEST_CASE_METHOD(VersionFixture, "a copy alone that is damaged is no version") {
  Open();
  store.reset();
  std::filesystem::remove(PathOf(1));
  const std::string copy = ReadWhole(state + "/versions/newest.copy");
  directory.Write("state/versions/newest.copy", copy.substr(0, copy.size() - 1));
  CHECK_FALSE(VersionStore(state).HasAny());
  Open();
  CHECK(store->version() == 1);
  CHECK(store->Problems().empty());
}

TEST_CASE_METHOD(VersionFixture, "what is forgotten on purpose does not come back by its copy") {
  Open();
  REQUIRE(SetWeight(7).ok());
  REQUIRE(SetWeight(8).ok());
  VersionStore versions(state);
  store.reset();
  REQUIRE(versions.RemoveAfter(2).ok());
  std::vector<std::string> problems;
  const auto newest = versions.ReadNewest(&problems);
  REQUIRE(newest.ok());
  CHECK(newest->info.version == 2);
  CHECK(problems.empty());
  // The copy goes first: while it cannot be removed no version goes.
  Open();
  REQUIRE(SetWeight(9).ok());
  store.reset();
  const std::string copy = state + "/versions/newest.copy";
  std::filesystem::remove(copy);
  std::filesystem::create_directories(copy + "/in-the-way");
  CHECK_FALSE(versions.RemoveAfter(2).ok());
  CHECK(std::filesystem::exists(PathOf(3)));
}

TEST_CASE_METHOD(VersionFixture, "anything in the place of the files of a state directory") {
  for (const std::string name :
       {"lock", "start-attempts", "versions/0000000003", "versions/newest.copy", "versions", "."}) {
    for (const Misplaced& thing : AllMisplaced()) {
      CAPTURE(name, thing.name);
      store.reset();
      std::filesystem::remove_all(state);
      Open();
      REQUIRE(SetWeight(7).ok());
      REQUIRE(SetWeight(8).ok());
      store.reset();
      const std::string path = name == "." ? state : state + "/" + name;
      std::filesystem::remove_all(path);
      thing.put(path);
      Open();
      const bool lost = name == "versions" || name == ".";
      CHECK(weight() == (lost ? 100 : 8));
      const bool harmless = (thing.name == "empty" && name == "lock") ||
                            (thing.name == "directory" && lost) || name == "versions/newest.copy";
      CHECK((!store->Problems().empty() || harmless));
      store.reset();
      if (name == ".") std::filesystem::remove_all(state);
    }
  }
}

}  // namespace
}  // namespace guideway
