// The registry of backends' indices: its file, what a damaged file does, and when it is full.
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

TEST_CASE("indices outlast the process") {
  char directory[] = "/tmp/guideway_registry_XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  KeptState state = BackendRegistry::StateIn(directory);
  Bench bench(4);
  bench.Compile();
  bench.Remove(2);
  bench.Compile();
  REQUIRE(bench.registry.Save(&state).ok());

  BackendRegistry again(7);
  REQUIRE(again.Load(&state).ToString() == "OK");
  for (const auto& [key, record] : bench.registry.records()) {
    const auto& loaded = again.records().at(key);
    CHECK(loaded.index == record.index);
    CHECK(loaded.incarnation == record.incarnation);
    CHECK(loaded.address == record.address);
    CHECK(loaded.lingers() == record.lingers());
  }
  CHECK(again.records().at(Bench::Key(2)).lingers());

  SECTION("what makes no sense is named with its line and changes nothing") {
    const std::string good = *state.Read();
    for (const char* line : {"used 0 1 1 l2 0 web/x/10.0.0.9", "used 9 0 1 l2 0 web/x/10.0.0.9",
                             "used 16384 1 1 l2 0 "
                             "web/x/10.0.0.9",
                             "used 9 1 1 l2 0 web", "garbage", "free 0 7", "first 0"}) {
      REQUIRE(state.Write(absl::StrCat(good, line, "\n")).ok());
      const absl::Status status = again.Load(&state);
      CHECK(absl::IsInvalidArgument(status));
      CHECK(std::string(status.message()).find("backend-indices: line 7") == 0);
      CHECK(again.records().size() == 4);
    }
  }
  SECTION("what a release without checksum left is read once, then has one") {
    const std::string text = *state.Read();
    for (const char* name : {"/backend-indices", "/backend-indices.copy"}) {
      std::filesystem::remove(directory + std::string(name));
    }
    std::ofstream(directory + std::string("/backend-indices")) << text;
    BackendRegistry upgraded(8);
    REQUIRE(upgraded.Load(&state).ok());
    CHECK(upgraded.records().size() == 4);
    CHECK(state.problem() == "");
    REQUIRE(upgraded.Save(&state).ok());
    for (const char* name : {"/backend-indices", "/backend-indices.copy"}) {
      std::ifstream file(directory + std::string(name));
      std::string word;
      file >> word;
      CHECK(word == "guideway-state");
    }
  }
  SECTION("a flipped bit anywhere costs no index") {
    std::ifstream file(directory + std::string("/backend-indices"));
    const std::string good((std::istreambuf_iterator<char>(file)), {});
    for (size_t bit = 0; bit < good.size() * 8; bit += 5) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
      std::ofstream(directory + std::string("/backend-indices")) << bad;
      BackendRegistry damaged(8);
      CAPTURE(bit);
      REQUIRE(damaged.Load(&state).ok());
      REQUIRE(damaged.records().size() == 4);
      for (const auto& [key, record] : bench.registry.records()) {
        CHECK(damaged.records().at(key).index == record.index);
        CHECK(damaged.records().at(key).incarnation == record.incarnation);
      }
      CHECK(state.problem() != "");
    }
  }
  std::filesystem::remove_all(directory);
}

TEST_CASE("VIPs keep their indices, and so their counters, over changes and restarts") {
  char directory[] = "/tmp/guideway_registry_XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  KeptState state = VipRegistry::StateIn(directory);
  const auto add = [](Bench* bench, const std::string& name) {
    v1::Vip* vip = bench->config.add_vips();
    *vip = bench->config.vips(0);
    vip->set_name(name);
    vip->set_address(absl::StrCat("192.0.2.", bench->config.vips_size() + 10));
  };
  std::map<std::string, uint32_t> before;
  {
    Bench bench(2);
    for (const char* name : {"a", "b", "c"}) add(&bench, name);
    before = bench.Compile().vip_indices;
    REQUIRE(before.size() == 4);
    REQUIRE(bench.compiler.vips()->Save(&state).ok());
  }
  // Started again after "www" was taken out of FILE, the first of them, and "d" put in.
  Bench bench(2);
  REQUIRE(bench.compiler.vips()->Load(&state).ok());
  for (const char* name : {"d", "c", "b", "a"}) add(&bench, name);
  v1::Vip first = bench.config.vips(0);
  bench.config.mutable_vips()->DeleteSubrange(0, 1);
  std::map<std::string, uint32_t> now = bench.Compile().vip_indices;
  for (const char* name : {"a", "b", "c"}) CHECK(now.at(name) == before.at(name));
  CHECK(now.at("d") == 4);
  // Who comes back goes on counting.
  *bench.config.add_vips() = first;
  now = bench.Compile().vip_indices;
  CHECK(now.at("www") == before.at("www"));
  REQUIRE(bench.compiler.vips()->Save(&state).ok());

  SECTION("what makes no sense is named and changes nothing") {
    const std::string good = *state.Read();
    VipRegistry registry;
    for (const char* line : {"0 0 x", "x 0 y", "9 x y", "9 0", "9 0 www", ""}) {
      REQUIRE(state.Write(absl::StrCat(good, line, "\n")).ok());
      CHECK(absl::IsInvalidArgument(registry.Load(&state)));
    }
    CHECK(registry.Use("z") == 0);
  }
  SECTION("not more than so many that are gone are remembered, the latest") {
    VipRegistry registry;
    for (size_t i = 0; i <= VipRegistry::kFormer; ++i) {
      const std::string name = absl::StrCat("vip-", i);
      registry.Retain({name});
      CHECK(registry.Use(name) == i);
    }
    registry.Retain({"last"});
    CHECK(registry.Use("last") == 0);  // vip-0's
    CHECK(registry.Use("vip-1") == 1);
  }
  std::filesystem::remove_all(directory);
}

TEST_CASE("a full registry lets the backend go that has lingered longest") {
  BackendRegistry registry(5);
  const IpAddress address = *IpAddress::Parse("10.0.0.1");
  std::set<std::string> keys;
  for (uint32_t i = 0; i < channel::kMaxBackends; ++i) {
    const std::string key = absl::StrCat("p/b", i, "/10.0.0.1");
    REQUIRE(registry.Use(key, address, {}).ok());
    keys.insert(key);
  }
  CHECK(absl::IsResourceExhausted(registry.Use("p/more/10.0.0.1", address, {}).status()));
  keys.erase("p/b77/10.0.0.1");
  registry.Retain(keys, absl::FromUnixSeconds(1), absl::Hours(1));
  const auto more = registry.Use("p/more/10.0.0.1", address, {});
  REQUIRE(more.ok());
  CHECK((*more)->index == 77);
  CHECK((*more)->incarnation == 6);
}

}  // namespace
}  // namespace guideway
