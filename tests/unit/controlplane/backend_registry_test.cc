// The registry of backends' indices: its file, what a damaged file does, and when it is full.
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
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
  REQUIRE(again.Load(&state, bench.steady_now + absl::Seconds(9), "-").ToString() == "OK");
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
      const absl::Status status = again.Load(&state, bench.steady_now, "-");
      CHECK(absl::IsInvalidArgument(status));
      CHECK(std::string(status.message()).find("backend-indices: line 8") == 0);
      CHECK(again.records().size() == 4);
    }
  }
  SECTION("what a release without checksum left is read once, then has one") {
    const std::string text = *state.Read();
    for (const char* name : {"/backend-indices", "/backend-indices.copy"}) {
      std::filesystem::remove(directory + std::string(name));
    }
    // That release had no line with the boot.
    const size_t rest = text.find("\nfirst ");
    REQUIRE(rest != std::string::npos);
    std::ofstream(directory + std::string("/backend-indices"))
        << "guideway-backend-indices 1" << text.substr(rest);
    BackendRegistry upgraded(8);
    REQUIRE(upgraded.Load(&state, bench.steady_now, "-").ok());
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
      REQUIRE(damaged.Load(&state, bench.steady_now, "-").ok());
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

TEST_CASE("who is removed while this process does not run: health before does not count") {
  char directory[] = "/tmp/guideway_registry_XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  KeptState state = BackendRegistry::StateIn(directory);
  Bench bench(3);
  bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
  bench.Compile();
  bench.backend(3)->set_state(v1::DISABLED);
  REQUIRE(bench.registry.Save(&state).ok());
  bench.Compile();
  CHECK(bench.registry.dirty());  // the operator's word must last
  REQUIRE(bench.registry.Save(&state).ok());
  // Well again, and nothing is written for that.
  bench.health[Bench::Key(2)] = HealthState::kHealthy;
  bench.Compile();
  CHECK_FALSE(bench.registry.dirty());

  Bench again(1);
  REQUIRE(again.registry.Load(&state, again.steady_now, "-").ok());
  again.health = bench.health;
  const auto keeps = [&](int i) {
    const Compiled compiled = again.Compile();
    const uint16_t index = again.registry.records().at(Bench::Key(i)).index;
    return compiled.tables.backends.at(index).keeps_known_flows == 1;
  };
  CHECK(keeps(2));
  CHECK_FALSE(keeps(3));
  again.health[Bench::Key(2)] = HealthState::kUnhealthy;
  CHECK_FALSE(keeps(2));
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
  registry.Retain(keys, absl::Seconds(1), absl::InfiniteDuration());
  const auto more = registry.Use("p/more/10.0.0.2", *IpAddress::Parse("10.0.0.2"), {});
  REQUIRE(more.ok());
  CHECK((*more)->index == 77);
  CHECK((*more)->incarnation == 6);
}

TEST_CASE("whoever has no flows gives way first, and who had to is named") {
  BackendRegistry registry(5);
  const IpAddress address = *IpAddress::Parse("10.0.0.1");
  const IpAddress other = *IpAddress::Parse("10.0.0.2");
  std::set<std::string> keys;
  for (uint32_t i = 0; i < channel::kMaxBackends; ++i) {
    const std::string key = absl::StrCat("p/b", i, "/10.0.0.1");
    REQUIRE(registry.Use(key, address, {}).ok());
    keys.insert(key);
  }
  for (const int second : {1, 2, 3}) {
    keys.erase(absl::StrCat("p/b", second, "/10.0.0.1"));
    registry.Retain(keys, absl::Seconds(second), absl::InfiniteDuration());
  }
  // An attacker keeps a flow of the first two alive for a year.
  const auto count = [](uint16_t index) { return std::optional<uint64_t>(index == 3 ? 0 : 1); };
  registry.ObserveFlows(count, absl::Hours(24 * 365));
  CHECK(registry.lingering_count() == 3);
  const auto index_of_next = [&](int i) {
    const auto record = registry.Use(absl::StrCat("q/b", i, "/10.0.0.2"), other, {});
    REQUIRE(record.ok());
    return (*record)->index;
  };
  CHECK(index_of_next(1) == 3);
  CHECK(registry.evictions().count == 0);
  CHECK(index_of_next(2) == 1);
  CHECK(registry.evictions().count == 1);
  CHECK(registry.evictions().last_key == "p/b1/10.0.0.1");
  CHECK(index_of_next(3) == 2);
  CHECK(registry.evictions().count == 2);
  CHECK(absl::IsResourceExhausted(registry.Use("q/b4/10.0.0.2", other, {}).status()));
}

TEST_CASE("time over restarts: of this process it goes on, of the host it begins anew") {
  char directory[] = "/tmp/guideway_registry_XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  KeptState state = BackendRegistry::StateIn(directory);
  const IpAddress address = *IpAddress::Parse("10.0.0.1");
  const std::string key = "web/a/10.0.0.1";
  const auto removed_at = [&](absl::Duration now, const std::string& boot) {
    BackendRegistry registry(7);
    REQUIRE(registry.Load(&state, now, boot).ToString() == "OK");
    return registry.records().at(key).removed_at;
  };
  SECTION("version 2") {
    BackendRegistry registry(7);
    REQUIRE(registry.Load(&state, absl::Seconds(50), "this").ok());
    REQUIRE(registry.Use(key, address, {}).ok());
    registry.Retain({}, absl::Seconds(100), absl::InfiniteDuration());
    REQUIRE(registry.Save(&state).ok());
    CHECK(removed_at(absl::Seconds(400), "this") == absl::Seconds(100));
    CHECK(removed_at(absl::Seconds(30), "another") == absl::Seconds(30));
    CHECK(removed_at(absl::Seconds(90), "this") == absl::Seconds(90));  // never in the future
  }
  SECTION("a file of version 1, whose times were the wall clock's") {
    std::ofstream(absl::StrCat(directory, "/backend-indices"))
        << "guideway-backend-indices 1\nfirst 5\nused 3 5 1 l2 1700000000000 " << key << "\n";
    CHECK(removed_at(absl::Seconds(30), "this") == absl::Seconds(30));
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace guideway
