// Pools that are gone, found in kept versions.
#include "controlplane/former_pools.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/config/load.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {
namespace {

struct Kept {
  // Version `number` is the test's configuration with its pool and VIP named so, and this weight.
  void Keep(uint64_t number, const std::string& pool, uint32_t table_size) {
    KeptVersion kept;
    kept.info.version = number;
    kept.config = base;
    v1::Pool* changed = kept.config.mutable_pools(0);
    changed->set_name(pool);
    changed->set_table_size(table_size);
    for (v1::Vip& vip : *kept.config.mutable_vips()) vip.set_pool(pool);
    REQUIRE(VersionStore(directory.path()).Write(kept).ToString() == "OK");
  }
  v1::Config Find(std::set<std::string> names) const {
    FormerPools search(directory.path(), std::move(names));
    while (search.Step()) {
    }
    return search.Take();
  }

  TestDirectory directory;
  const v1::Config base = ParseConfig(TestYaml(), "test").value();
};

TEST_CASE("a pool that is gone is found as it was last, with its VIPs") {
  Kept kept;
  kept.Keep(1, "blue", 1009);
  kept.Keep(2, "blue", 2003);
  kept.Keep(3, "green", 1009);
  kept.Keep(4, "green", 1009);
  const v1::Config found = kept.Find({"blue"});
  REQUIRE(found.pools_size() == 1);
  CHECK(found.pools(0).name() == "blue");
  CHECK(found.pools(0).table_size() == 2003);
  CHECK(found.pools(0).backends_size() == 0);
  REQUIRE(found.vips_size() == kept.base.vips_size());
  CHECK(found.vips(0).pool() == "blue");
}

TEST_CASE("versions that are damaged or missing are passed over") {
  Kept kept;
  kept.Keep(1, "blue", 1009);
  kept.Keep(2, "red", 1009);
  kept.Keep(3, "green", 1009);
  kept.directory.Write("versions/0000000002", "rubbish");
  kept.directory.Write("versions/newest.copy", "rubbish");
  CHECK(kept.Find({"blue", "red", "never"}).pools_size() == 1);
  CHECK(Kept().Find({"blue"}).pools_size() == 0);
}

}  // namespace
}  // namespace guideway
