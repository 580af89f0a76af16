// What takes so much away that it needs force, and what may always be done.
#include "lib/config/shrink.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "lib/config/load.h"

namespace guideway {
namespace {

using Lines = std::vector<std::string>;

// Pool web of `count` backends behind a VIP, pool spare of two behind none.
v1::Config WithBackends(int count, const std::string& more = "") {
  std::string yaml =
      absl::StrCat("flow_hash_secret: 0123456789abcdef\n", more,
                   "vips:\n- {name: v, address: 192.0.2.1, protocol: tcp, pool: web}\n"
                   "pools:\n- name: spare\n  backends:\n"
                   "  - {name: s1, address: 10.1.0.1}\n"
                   "  - {name: s2, address: 10.1.0.2}\n"
                   "- name: web\n  backends:\n");
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&yaml, "  - {name: b", i, ", address: 10.0.0.", i + 1, "}\n");
  }
  auto config = ParseConfig(yaml, "test");
  REQUIRE(config.ok());
  return *config;
}

enum class How { kRemoved, kDrained, kDisabled, kWeightless, kReaddressed };

void TakeAway(int count, How how, v1::Config* config) {
  auto* backends = config->mutable_pools(1)->mutable_backends();
  if (how == How::kRemoved) {
    backends->DeleteSubrange(0, count);
    return;
  }
  for (int i = 0; i < count; ++i) {
    v1::Backend* backend = backends->Mutable(i);
    if (how == How::kDrained) backend->set_state(v1::DRAINED);
    if (how == How::kDisabled) backend->set_state(v1::DISABLED);
    if (how == How::kWeightless) backend->set_weight(0);
    if (how == How::kReaddressed) backend->set_address(absl::StrCat("10.9.0.", i + 1));
  }
}

TEST_CASE("a share of a pool may go, and one backend always if another is left") {
  struct Case {
    int had, taken;
    bool allowed;
  };
  for (const Case& c : {Case{2, 1, true},
                        {3, 1, true},
                        {3, 2, false},
                        {4, 1, true},
                        {4, 2, false},
                        {6, 2, false},
                        {7, 2, true},
                        {10, 3, true},
                        {10, 4, false}}) {
    for (const How how :
         {How::kRemoved, How::kDrained, How::kDisabled, How::kWeightless, How::kReaddressed}) {
      const v1::Config before = WithBackends(c.had);
      v1::Config after = before;
      TakeAway(c.taken, how, &after);
      CAPTURE(c.had, c.taken, static_cast<int>(how));
      CHECK(DangerousShrinks(before, after).empty() == c.allowed);
    }
  }
  const v1::Config before = WithBackends(10);
  v1::Config after = before;
  TakeAway(4, How::kDrained, &after);
  CHECK(
      DangerousShrinks(before, after) ==
      Lines{"pool web: 4 of 10 backends (40%) would take no new flows any more; allowed are 30%"});
  CHECK(DangerousShrinks(after, before).empty());
}

TEST_CASE("the share is that of the configuration in force") {
  const v1::Config strict = WithBackends(10, "change_safety: {max_removed_percent: 0}\n");
  const v1::Config generous = WithBackends(10, "change_safety: {max_removed_percent: 100}\n");
  v1::Config after = generous;
  TakeAway(2, How::kRemoved, &after);
  CHECK(
      DangerousShrinks(strict, after) ==
      Lines{"pool web: 2 of 10 backends (20%) would take no new flows any more; allowed is one at "
            "a time"});
  CHECK(DangerousShrinks(generous, after).empty());
  TakeAway(7, How::kRemoved, &after);
  CHECK(DangerousShrinks(generous, after).empty());
  TakeAway(1, How::kRemoved, &after);  // the last one
  CHECK(DangerousShrinks(generous, after) ==
        Lines{"pool web: no backend is left that takes new flows"});
}

TEST_CASE("an empty pool counts when a VIP leads to it, and once") {
  v1::Config before = WithBackends(1);
  v1::Config after = before;
  TakeAway(1, How::kDrained, &after);
  CHECK(DangerousShrinks(before, after) ==
        Lines{"pool web: no backend is left that takes new flows"});
  CHECK(DangerousShrinks(after, after).empty());  // it is so already
  // Nobody uses the pool spare: it may become empty, or go.
  after = before;
  after.mutable_pools(0)->clear_backends();
  CHECK(DangerousShrinks(before, after).empty());
  after.mutable_pools()->DeleteSubrange(0, 1);
  CHECK(DangerousShrinks(before, after).empty());
  // A VIP that is led to an empty pool.
  after = before;
  after.mutable_pools(0)->clear_backends();
  after.mutable_vips(0)->set_pool("spare");
  CHECK(DangerousShrinks(before, after) ==
        Lines{"pool spare: a VIP leads to it, and no backend takes new flows"});
}

TEST_CASE("VIPs and the pools they lead to") {
  const v1::Config before = WithBackends(3);
  v1::Config after = before;
  after.mutable_vips(0)->set_pool("spare");
  CHECK(DangerousShrinks(before, after).empty());  // a switch; web lives on for its flows
  after.mutable_pools()->DeleteSubrange(1, 1);
  CHECK(DangerousShrinks(before, after) ==
        Lines{"pool web, which a VIP leads to, would be gone with 3 backends"});
  after = before;
  after.clear_vips();
  CHECK(DangerousShrinks(before, after) == Lines{"no VIP is left"});
  after.clear_pools();
  CHECK(DangerousShrinks(before, after).size() == 2);
}

}  // namespace
}  // namespace guideway
