// The registry of backends' indices: its file, what a damaged file does, and when it is full.
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
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
  REQUIRE(again.Load(path).ToString() == "OK");
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
      const absl::Status status = again.Load(path);
      CHECK(absl::IsInvalidArgument(status));
      CHECK(std::string(status.message()).find(absl::StrCat(path, ": line 7")) == 0);
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
  registry.Retain(keys, absl::FromUnixSeconds(1), absl::Hours(1));
  const auto more = registry.Use("p/more/10.0.0.1", address, {});
  REQUIRE(more.ok());
  CHECK((*more)->index == 77);
  CHECK((*more)->incarnation == 6);
}

}  // namespace
}  // namespace guideway
