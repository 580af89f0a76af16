// A ConfigStore in a directory of its own, opened as often as a test likes.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_STORE_FIXTURE_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_STORE_FIXTURE_H_

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "controlplane/config_store.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {

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

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_STORE_FIXTURE_H_
