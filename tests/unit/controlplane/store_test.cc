// The configuration in force over restarts, changes of FILE, damage and refusals.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "controlplane/state_file.h"
#include "lib/config/load.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

struct StoreFixture {
  TestDirectory directory;
  std::string file = directory.Write("config.yaml", TestYaml());
  std::string state = directory.File("state/below");
  bool force = false;
  std::unique_ptr<ConfigStore> store;

  absl::Status Open() {
    store.reset();
    auto opened =
        ConfigStore::Open({.config_file = file, .state_directory = state, .force = force});
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
    return absl::OkStatus();
  }
  // As an edit through the API.
  void SetWeight(uint32_t weight) {
    v1::Config config = store->config();
    config.mutable_pools(0)->mutable_backends(0)->set_weight(weight);
    REQUIRE(store->Replace(config, false, false).ok());
  }
  // The only version that is kept is this.
  void Damage(const std::string& content) const {
    std::filesystem::remove_all(state + "/versions");
    std::filesystem::create_directory(state + "/versions");
    directory.Write("state/below/versions/0000000002", content);
  }
  uint32_t weight() const { return store->config().pools(0).backends(0).weight(); }
};

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
    CHECK(
        absl::StrContains(store->Problems()[0].text, file + ": not taken at the start: no VIP is left"));
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
  state = directory.Write("not-a-directory", "");
  CHECK(absl::StrContains(Open().message(), "not-a-directory: is not a directory"));
}

TEST_CASE_METHOD(StoreFixture, "one process at a time uses a state directory") {
  REQUIRE(Open().ok());
  const auto second = ConfigStore::Open({.config_file = file, .state_directory = state});
  CHECK(absl::StrContains(second.status().message(), "is in use by another control plane"));
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
