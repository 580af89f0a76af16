// Kept versions in a directory of their own, opened as often as a test likes.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_VERSION_FIXTURE_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_VERSION_FIXTURE_H_

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "controlplane/config_store.h"
#include "tests/unit/controlplane/power_loss.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {

struct VersionFixture {
  TestDirectory directory;
  std::string file = directory.Write("config.yaml", TestYaml());
  std::string state = directory.File("state");
  FileOperations* operations = FileOperations::System();
  std::unique_ptr<ConfigStore> store;

  void Open() {
    store.reset();
    auto opened = ConfigStore::Open(
        {.config_file = file, .state_directory = state, .operations = operations});
    REQUIRE(opened.ok());
    store = *std::move(opened);
  }
  v1::Config WithWeight(uint32_t weight) const {
    v1::Config config = store->config();
    config.mutable_pools(0)->mutable_backends(0)->set_weight(weight);
    return config;
  }
  absl::StatusOr<ConfigStore::Change> SetWeight(uint32_t weight,
                                                absl::Duration confirm_within = {}) {
    return store->Replace(WithWeight(weight), {false, false, confirm_within});
  }
  uint32_t weight() const { return store->config().pools(0).backends(0).weight(); }
  std::string PathOf(uint64_t version) const {
    return absl::StrCat(state, "/versions/", absl::Dec(version, absl::kZeroPad10));
  }
  PowerLoss::Files Files() const {
    PowerLoss::Files files;
    for (const auto& entry : std::filesystem::directory_iterator(state + "/versions")) {
      files[entry.path().string()] = ReadWhole(entry.path().string());
    }
    return files;
  }
  void Materialize(const PowerLoss::Files& files) const {
    std::filesystem::remove_all(state + "/versions");
    std::filesystem::create_directories(state + "/versions");
    for (const auto& [path, content] : files) {
      directory.Write(std::filesystem::relative(path, directory.path()).string(), content);
    }
  }
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_VERSION_FIXTURE_H_
