// The registry of backends' indices: its file, what a damaged file does, and when it is full.
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
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
  const std::string path = absl::StrCat(directory, "/backend-indices");
  Bench bench(4);
  bench.Compile();
  bench.Remove(2);
  bench.Compile();
  REQUIRE(bench.registry.Save(path).ok());

  BackendRegistry again(7);
  REQUIRE(again.Load(path, bench.steady_now + absl::Seconds(9), "-").ToString() == "OK");
  for (const auto& [key, record] : bench.registry.records()) {
    const auto& loaded = again.records().at(key);
    CHECK(loaded.index == record.index);
    CHECK(loaded.incarnation == record.incarnation);
    CHECK(loaded.address == record.address);
    CHECK(loaded.lingers() == record.lingers());
  }
  CHECK(again.records().at(Bench::Key(2)).lingers());

  SECTION("a damaged file is named with its line and changes nothing") {
    for (const char* line : {"used 0 1 1 l2 0 web/x/10.0.0.9", "used 9 0 1 l2 0 web/x/10.0.0.9",
                             "used 16384 1 1 l2 0 "
                             "web/x/10.0.0.9",
                             "used 9 1 1 l2 0 web", "garbage", "free 0 7", "first 0"}) {
      REQUIRE(bench.registry.Save(path).ok());
      std::ofstream(path, std::ios::app) << line << "\n";
      const absl::Status status = again.Load(path, bench.steady_now, "-");
      CHECK(absl::IsInvalidArgument(status));
      CHECK(std::string(status.message()).find(absl::StrCat(path, ": line 8")) == 0);
      CHECK(again.records().size() == 4);
    }
  }
  unlink(path.c_str());
  rmdir(directory);
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
  const std::string path = absl::StrCat(directory, "/backend-indices");
  const IpAddress address = *IpAddress::Parse("10.0.0.1");
  const std::string key = "web/a/10.0.0.1";
  const auto removed_at = [&](absl::Duration now, const std::string& boot) {
    BackendRegistry registry(7);
    REQUIRE(registry.Load(path, now, boot).ToString() == "OK");
    return registry.records().at(key).removed_at;
  };
  SECTION("version 2") {
    BackendRegistry registry(7);
    REQUIRE(registry.Load(path, absl::Seconds(50), "this").ok());
    REQUIRE(registry.Use(key, address, {}).ok());
    registry.Retain({}, absl::Seconds(100), absl::InfiniteDuration());
    REQUIRE(registry.Save(path).ok());
    CHECK(removed_at(absl::Seconds(400), "this") == absl::Seconds(100));
    CHECK(removed_at(absl::Seconds(30), "another") == absl::Seconds(30));
    CHECK(removed_at(absl::Seconds(90), "this") == absl::Seconds(90));  // never in the future
  }
  SECTION("a file of version 1, whose times were the wall clock's") {
    std::ofstream(path) << "guideway-backend-indices 1\nfirst 5\nused 3 5 1 l2 1700000000000 "
                        << key << "\n";
    CHECK(removed_at(absl::Seconds(30), "this") == absl::Seconds(30));
  }
  unlink(path.c_str());
  rmdir(directory);
}

}  // namespace
}  // namespace guideway
