// The configuration in force over restarts, changes of FILE, damage and refusals.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "controlplane/state_file.h"
#include "lib/config/load.h"
#include "tests/unit/controlplane/misplaced.h"
#include "tests/unit/controlplane/store_fixture.h"

namespace guideway {
namespace {

TEST_CASE_METHOD(StoreFixture, "an edit lasts over a restart while FILE is the same") {
  REQUIRE(Open().ok());
  CHECK(weight() == 100);
  CHECK(store->source() == file);
  const uint64_t version = store->version();
  SetWeight(7);
  CHECK(store->version() == version + 1);
  CHECK(store->source() == file + ", changed through the API");
  REQUIRE(Open().ok());
  CHECK(weight() == 7);
  CHECK(store->version() == version + 1);
  REQUIRE(Open().ok());
  CHECK(weight() == 7);
}

TEST_CASE_METHOD(StoreFixture, "FILE wins at the start once it has changed") {
  REQUIRE(Open().ok());
  SetWeight(7);
  directory.Write("config.yaml", "# changed\n" + TestYaml());
  REQUIRE(Open().ok());
  CHECK(weight() == 100);
  CHECK(store->source() == file);
  CHECK(store->version() == 3);
}

TEST_CASE_METHOD(StoreFixture, "applying what FILE says by now counts as reading it again") {
  REQUIRE(Open().ok());
  SetWeight(7);
  directory.Write("config.yaml", absl::StrReplaceAll(TestYaml(), {{"10.0.0.1", "10.0.0.9"}}));
  const absl::StatusOr<v1::Config> of_file = LoadConfigFile(file);
  REQUIRE(of_file.ok());
  REQUIRE(store->Replace(*of_file, false, false).ok());
  CHECK(store->source() == file);
  SetWeight(9);
  CHECK(store->source() == file + ", changed through the API");
  REQUIRE(Open().ok());
  CHECK(weight() == 9);
  CHECK(store->config().pools(0).backends(0).address() == "10.0.0.9");
  // What differs from FILE is an edit of what was read last, and FILE wins.
  directory.Write("config.yaml", "# changed\n" + TestYaml());
  SetWeight(11);
  REQUIRE(Open().ok());
  CHECK(weight() == 100);
}

TEST_CASE_METHOD(StoreFixture, "reading FILE again drops edits, all or nothing") {
  REQUIRE(Open().ok());
  SetWeight(7);
  directory.Write("config.yaml", TestYaml() + "nonsense: 1\n");
  const auto refused = store->Reload();
  CHECK(absl::StrContains(refused.status().message(), "config.yaml:16:1: nonsense: unknown"));
  CHECK(weight() == 7);
  directory.Write("config.yaml", TestYaml());
  const auto change = store->Reload();
  REQUIRE(change.ok());
  CHECK(change->changes == std::vector<std::string>{"pool web: backend web-1: weight 7 -> 100"});
  CHECK(change->warnings ==
        std::vector<std::string>{absl::StrCat("changes made by commands since ", file,
                                              " was read last are taken back")});
  CHECK(weight() == 100);
  CHECK(store->source() == file);
  directory.Write("config.yaml", "# nothing else\n" + TestYaml());
  const auto again = store->Reload();
  REQUIRE(again.ok());
  CHECK(again->warnings.empty());
}

TEST_CASE_METHOD(StoreFixture, "reading FILE again does not shrink wildly") {
  REQUIRE(Open().ok());
  directory.Write("config.yaml", "flow_hash_secret: 0123456789abcdef\n");
  const auto refused = store->Reload();
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK(absl::StrContains(refused.status().message(), "no VIP is left"));
  CHECK(store->config().vips_size() == 1);
}

TEST_CASE_METHOD(StoreFixture, "every damage to the kept file is noticed, and FILE used") {
  REQUIRE(Open().ok());
  SetWeight(7);
  const std::string path = state + "/versions/0000000002";
  std::filesystem::remove(state + "/versions/0000000001");  // nothing else to fall back to
  const std::string good = ReadWhole(path);
  for (size_t i = 0; i < good.size(); i += 7) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    store.reset();
    Damage(bad);
    REQUIRE(Open().ok());
    REQUIRE(weight() == 100);
  }
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), good + "x"}) {
    store.reset();
    Damage(bad);
    REQUIRE(Open().ok());
    REQUIRE(weight() == 100);
  }
  store.reset();
  Damage(good);
  REQUIRE(Open().ok());
  CHECK(weight() == 7);
}

TEST_CASE_METHOD(StoreFixture, "what cannot be kept is refused") {
  REQUIRE(Open().ok());
  // A directory in the way of the temporary file: works for root, too.
  std::filesystem::create_directory(state + "/versions/next.new");
  v1::Config config = store->config();
  config.mutable_pools(0)->mutable_backends(0)->set_weight(9);
  const auto refused = store->Replace(config, false, false);
  CHECK(absl::StrContains(refused.status().message(), "cannot keep the configuration: open "));
  CHECK(weight() == 100);
}

TEST_CASE_METHOD(StoreFixture, "a start serves also if nothing can be kept, and says so") {
  REQUIRE(Open().ok());
  SetWeight(7);
  std::filesystem::create_directory(state + "/versions/next.new");
  REQUIRE(Open().ok());
  CHECK(weight() == 7);
  REQUIRE(store->Problems().size() == 1);
  CHECK(absl::StrContains(store->Problems()[0].text, "next.new: Is a directory"));
  // Also with a FILE that has changed.
  directory.Write("config.yaml", "# changed\n" + TestYaml());
  REQUIRE(Open().ok());
  CHECK(weight() == 100);
  CHECK(store->Problems().size() == 1);
  // Over as soon as there is room again; what is in force is kept then.
  std::filesystem::remove(state + "/versions/next.new");
  CHECK(store->Problems().empty());
  SetWeight(8);
  REQUIRE(Open().ok());
  CHECK(weight() == 8);
}

TEST_CASE_METHOD(StoreFixture, "a start does not shrink wildly unless forced") {
  REQUIRE(Open().ok());
  SetWeight(7);
  const uint64_t version = store->version();
  const std::string empty = "flow_hash_secret: 0123456789abcdef\n";
  directory.Write("config.yaml", empty);
  for (int start = 0; start < 2; ++start) {  // the guard holds at every start
    REQUIRE(Open().ok());
    CHECK(weight() == 7);
    CHECK(store->version() == version);
    CHECK(store->source() == "the kept copy, not " + file);
    REQUIRE(store->Problems().size() == 1);
    CHECK(absl::StrContains(store->Problems()[0].text,
                            file + ": not taken at the start: no VIP is left"));
  }
  const ConfigStore::Snapshot before = store->TakeSnapshot();
  v1::Config smaller = store->config();
  smaller.clear_vips();
  smaller.clear_pools();
  REQUIRE(store->Replace(smaller, /*force=*/true, false).ok());
  CHECK(store->Problems().empty());
  store->Restore(before);
  CHECK(store->Problems().size() == 1);
  force = true;
  REQUIRE(Open().ok());
  CHECK(store->config().vips_size() == 0);
  CHECK(store->Problems().empty());
  CHECK(store->source() == file);
}

TEST_CASE_METHOD(StoreFixture, "errors at the start name the file") {
  directory.Write("config.yaml", "flow_hash_secret: short\n");
  CHECK(absl::StrContains(Open().message(), file + ":1:19: flow_hash_secret: "));
  file = directory.File("missing.yaml");
  CHECK(absl::StrContains(Open().message(), "missing.yaml"));
  file = directory.Write("config.yaml", TestYaml());
}

TEST_CASE_METHOD(StoreFixture, "FILE is served although the state directory cannot be used") {
  state = directory.Write("not-a-directory", "");
  REQUIRE(Open().ok());
  CHECK(weight() == 100);
  REQUIRE(store->Problems().size() == 1);
  CHECK(store->Problems()[0].kind == ProblemKind::kStateNotKept);
  CHECK(absl::StrContains(store->Problems()[0].text, "not-a-directory: is not a directory"));
}

TEST_CASE_METHOD(StoreFixture, "one process at a time uses a state directory") {
  REQUIRE(Open().ok());
  const auto second = ConfigStore::Open({.config_file = file, .state_directory = state});
  CHECK(absl::StrContains(second.status().message(), "is in use by another control plane"));
}

TEST_CASE_METHOD(StoreFixture, "a FILE that cannot be taken never takes the service along") {
  REQUIRE(Open().ok());
  SetWeight(7);
  const uint64_t version = store->version();
  const std::string good = TestYaml();
  const auto check = [&](const std::string& says,
                         ProblemKind kind = ProblemKind::kConfigFileRefused) {
    REQUIRE(Open().ok());
    CHECK(weight() == 7);
    CHECK(store->version() == version);
    REQUIRE(store->Problems().size() == 1);
    const ProblemNote problem = store->Problems()[0];
    CHECK(problem.kind == kind);
    CHECK(problem.thing == file);
    CHECK(absl::StrContains(problem.text, says));
  };
  SECTION("half of it") {
    // Cut within a line; and at one's end, so that what is left is good, but has no VIP.
    const size_t within = GENERATE(size_t{0}, size_t{3});
    directory.Write("config.yaml", good.substr(0, good.find("- name: idle") + within));
    const std::string says = within == 0 ? file + ": not taken at the start: no VIP is left"
                                         : "not taken: " + file + ":";
    const ProblemKind kind =
        within == 0 ? ProblemKind::kConfigHeld : ProblemKind::kConfigFileRefused;
    check(says, kind);
    // Also a second time, and a file that is mended comes into force.
    check(says, kind);
    directory.Write("config.yaml", absl::StrReplaceAll(good, {{"weight: 200", "weight: 150"}}));
    REQUIRE(store->Reload().ok());
    CHECK(store->Problems().empty());
    CHECK(weight() == 100);
    REQUIRE(Open().ok());
    CHECK(store->Problems().empty());
    CHECK(weight() == 100);
  }
  SECTION("line and column") {
    directory.Write("config.yaml", good + "nonsense: 1\n");
    check("config.yaml:16:1: nonsense: unknown");
  }
  SECTION("it is gone, or was never named") {
    std::filesystem::remove(file);
    check(file + ": No such file or directory");
    file = "";
    check("--config: FILE is missing");
    CHECK(store->source() == "the kept copy, without --config");
  }
  SECTION("something else in its place") {
    for (const Misplaced& thing : AllMisplaced()) {
      CAPTURE(thing.name);
      std::filesystem::remove(file);
      thing.put(file);
      check(thing.name == "empty" ? "" : file + ": ");
    }
  }
  SECTION("and none of the kept versions is good either") {
    store.reset();
    directory.Write("config.yaml", "nonsense: 1\n");
    Damage("rubbish");
    const std::string error(Open().message());
    CHECK(absl::StrContains(error, "config.yaml:1:1: nonsense"));
    CHECK(absl::StrContains(error, "none of the kept versions can be used"));
  }
}

TEST_CASE_METHOD(StoreFixture, "a reload that is refused is a problem until a change succeeds") {
  REQUIRE(Open().ok());
  directory.Write("config.yaml", TestYaml() + "nonsense: 1\n");
  CHECK(!store->Reload().ok());
  REQUIRE(store->Problems().size() == 1);
  CHECK(store->Problems()[0].kind == ProblemKind::kConfigFileRefused);
  CHECK(absl::StartsWith(
      store->Problems()[0].text,
      "not taken: " + file + ":16:1: nonsense: unknown field \"nonsense\" allowed here: "));
  const ConfigStore::Snapshot before = store->TakeSnapshot();
  SECTION("by a command") {
    SetWeight(7);
    CHECK(store->Problems().empty());
    // Unless the data plane does not take it.
    store->Restore(before);
    CHECK(store->Problems().size() == 1);
  }
  SECTION("by a good file, also if it is as before") {
    directory.Write("config.yaml", TestYaml());
    REQUIRE(store->Reload().ok());
    CHECK(store->Problems().empty());
  }
}

TEST_CASE("a state file is replaced whole and readable by its group only") {
  TestDirectory directory;
  REQUIRE(WriteStateFile(directory.path(), "x", "x.new", "one").ok());
  REQUIRE(WriteStateFile(directory.path(), "x", "x.new", std::string("t\0w\no", 5)).ok());
  CHECK(*ReadStateFile(directory.path(), "x") == std::string("t\0w\no", 5));
  CHECK(absl::IsNotFound(ReadStateFile(directory.path(), "y").status()));
  struct stat info;
  REQUIRE(stat(directory.File("x").c_str(), &info) == 0);
  CHECK((info.st_mode & 07) == 0);
  CHECK(!std::filesystem::exists(directory.File("x.new")));
  // NIST's example for SHA-256.
  CHECK(Sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace guideway
