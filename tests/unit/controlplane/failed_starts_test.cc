// A configuration that kills the process at every start gives way to the version before it.
#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/controlplane/store_fixture.h"

namespace guideway {
namespace {

// As the process is killed: what it noted of its start stays.
struct KilledFixture : StoreFixture {
  std::string Note() const { return state + "/start-attempts"; }
  void Kill() {
    REQUIRE(store != nullptr);
    const std::string note = ReadWhole(Note());
    REQUIRE(!note.empty());
    store.reset();
    CHECK(!std::filesystem::exists(Note()));
    directory.Write("state/below/start-attempts", note);
  }
  void FailStarts(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      REQUIRE(Open().ok());
      Kill();
    }
  }
};

TEST_CASE_METHOD(KilledFixture, "what kills every start gives way to the version before it") {
  REQUIRE(Open().ok());
  SetWeight(7);
  SetWeight(8);  // version 3
  store.reset();
  FailStarts(3);
  REQUIRE(Open().ok());
  CHECK(weight() == 7);
  CHECK(store->version() == 4);
  const std::string says =
      "version 3 failed 3 starts in a row before its tables were in force: back to version 2";
  const auto check = [&] {
    REQUIRE(store->Problems().size() == 1);
    CHECK(store->Problems()[0].kind == ProblemKind::kConfigFellBack);
    CHECK(store->Problems()[0].text == says);
  };
  check();
  SECTION("it stays so, and is said, until something else is ordered") {
    store->StartSucceeded();
    REQUIRE(Open().ok());
    CHECK(weight() == 7);
    CHECK(store->version() == 4);
    check();
    SetWeight(9);
    CHECK(store->Problems().empty());
  }
  SECTION("a FILE that is corrected wins as ever") {
    directory.Write("config.yaml", "# corrected\n" + TestYaml());
    REQUIRE(Open().ok());
    CHECK(weight() == 100);
    CHECK(store->Problems().empty());
  }
  SECTION("and if that kills, too, one more back, never to what is known to kill") {
    Kill();
    FailStarts(2);
    REQUIRE(Open().ok());
    CHECK(weight() == 100);
    CHECK(store->version() == 5);
    CHECK(absl::StrContains(store->Problems()[0].text, "version 4 failed 3 starts"));
    CHECK(absl::StrContains(store->Problems()[0].text, "back to version 1"));
    // There is no other: it is tried for ever.
    Kill();
    FailStarts(5);
    REQUIRE(Open().ok());
    CHECK(weight() == 100);
  }
}

TEST_CASE_METHOD(KilledFixture, "a FILE that kills every start gives way as well") {
  REQUIRE(Open().ok());
  store.reset();
  directory.Write("config.yaml", absl::StrReplaceAll(TestYaml(), {{"weight: 200", "weight: 150"}}));
  const auto weight_3 = [&] { return store->config().pools(0).backends(2).weight(); };
  REQUIRE(Open().ok());
  CHECK(weight_3() == 150);  // kept, then compiled: version 2
  Kill();
  FailStarts(2);
  REQUIRE(Open().ok());
  CHECK(weight_3() == 200);
  CHECK(store->Problems()[0].kind == ProblemKind::kConfigFellBack);
  // It does not come back while it is the same.
  REQUIRE(Open().ok());
  CHECK(weight_3() == 200);
}

TEST_CASE_METHOD(KilledFixture,
                 "an unconfirmed version that kills gives way to where it goes back") {
  REQUIRE(Open().ok());
  SetWeight(7);
  REQUIRE(store->RollBack(1, {}).ok());  // version 3, as 1
  v1::Config config = store->config();
  config.mutable_pools(0)->mutable_backends(0)->set_weight(9);
  REQUIRE(store->Replace(config, {.confirm_within = absl::Hours(1)}).ok());
  store.reset();
  FailStarts(3);
  REQUIRE(Open().ok());
  CHECK(weight() == 100);
  CHECK(!store->unconfirmed().has_value());
  CHECK(absl::StrContains(store->Problems()[0].text, "back to version 3"));
}

TEST_CASE_METHOD(KilledFixture, "starts that succeed, or end in order, are not counted") {
  REQUIRE(Open().ok());
  SetWeight(7);
  store.reset();
  FailStarts(2);
  REQUIRE(Open().ok());
  SECTION("succeeded") {
    store->StartSucceeded();
    CHECK(!std::filesystem::exists(Note()));
    store.reset();
  }
  SECTION("ended in order") { store.reset(); }
  SECTION("what is noted is damaged") {
    Kill();
    directory.Write("state/below/start-attempts", "rubbish");
  }
  SECTION("something else was started with") {
    Kill();
    directory.Write("config.yaml", "# changed\n" + TestYaml());
    REQUIRE(Open().ok());
    CHECK(weight() == 100);
    return;
  }
  FailStarts(2);
  REQUIRE(Open().ok());
  CHECK(weight() == 7);
}

}  // namespace
}  // namespace guideway
