// Backup backends: when they take flows, and what comes before failing open.
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "controlplane/compiler/roles.h"
#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

// Two backends and two backups: web-3 and web-4.
class Backups : public Bench {
 public:
  Backups() : Bench(4) {
    backend(3)->set_backup(true);
    backend(4)->set_backup(true);
  }
  void SetHealth(const std::string& states) {  // one letter a backend
    for (size_t i = 0; i < states.size(); ++i) {
      health[Key(static_cast<int>(i) + 1)] = states[i] == 'h'   ? HealthState::kHealthy
                                             : states[i] == 'u' ? HealthState::kUnhealthy
                                                                : HealthState::kUnknown;
    }
  }
  // Who owns slots, such as "12".
  std::string Owners() {
    compiled = Compile();
    std::set<uint16_t> owners;
    for (const auto& slot : *compiled.tables.pools.at(0).slots) owners.insert(slot.current);
    std::string text;
    for (const uint16_t owner : owners) {
      absl::StrAppend(&text, owner == kNoBackend ? 0 : int{owner} + 1);
    }
    return text;
  }
  Compiled compiled;
};

TEST_CASE("backups: by health") {
  struct Row {
    const char* health;
    const char* owners;
    bool backups_serve;
    bool failed_open;
  };
  const Row rows[] = {
      {"hhhh", "12", false, false}, {"huhh", "1", false, false}, {"uuhh", "34", true, false},
      {"uuuh", "4", true, false},   {"??hh", "34", true, false}, {"uu??", "12", false, true},
      {"uuuu", "12", false, true},  {"uhuu", "2", false, false}, {"?uuu", "12", false, true},
  };
  for (const Row& row : rows) {
    INFO(row.health);
    Backups bench;
    bench.SetHealth(row.health);
    CHECK(bench.Owners() == row.owners);
    CHECK(bench.compiled.pools.at("web").backups_serve == row.backups_serve);
    CHECK(bench.compiled.pools.at("web").failed_open == row.failed_open);
  }
}

TEST_CASE("backups: what the operator says comes before health") {
  Backups bench;
  bench.backend(1)->set_state(v1::DRAINED);
  bench.backend(2)->set_weight(0);
  CHECK(bench.Owners() == "34");
  bench.SetHealth("hhuu");  // nobody else could: the backups fail open
  CHECK(bench.Owners() == "34");
  CHECK(bench.compiled.pools.at("web").failed_open);
  bench.backend(3)->set_state(v1::DISABLED);
  bench.backend(4)->set_state(v1::DRAINED);
  CHECK(bench.Owners() == "0");
  CHECK_FALSE(bench.compiled.pools.at("web").failed_open);
}

TEST_CASE("backups: while a pool settles they wait") {
  Backups bench;
  bench.SetHealth("??hh");
  bench.settling = true;
  CHECK(bench.Owners() == "12");
}

TEST_CASE("backups: known flows stay with a healthy backup when the others are back") {
  Backups bench;
  bench.SetHealth("uuhh");
  REQUIRE(bench.Owners() == "34");
  CHECK(bench.compiled.tables.backends.at(0).keeps_known_flows == 0);
  bench.SetHealth("hhhu");
  REQUIRE(bench.Owners() == "12");
  CHECK(bench.compiled.tables.backends.at(2).keeps_known_flows == 1);
  CHECK(bench.compiled.tables.backends.at(3).keeps_known_flows == 0);
}

TEST_CASE("a VIP that is switched: no backend and no pool changes, all in one message") {
  Bench bench(2);
  v1::Pool* green = bench.config.add_pools();
  *green = *bench.pool();
  green->set_name("green");
  green->set_encapsulation(v1::IPIP);
  for (int i = 0; i < 2; ++i) {
    bench.health[absl::StrCat("green/web-", i + 1, "/", Bench::Address(i + 1))] =
        HealthState::kHealthy;
  }
  const Compiled before = bench.Compile();
  bench.config.mutable_vips(0)->set_pool("green");
  const Compiled after = bench.Compile();
  const auto changes = Difference(&before.tables, after.tables);
  REQUIRE(TypesOf(changes) == std::vector<channel::MessageType>{channel::MessageType::kSetVip});
  CHECK(changes[0].request.body.vip.pool == after.pools.at("green").index);
  // The old pool's backends go on: same index, same way to them, and they keep what they know.
  for (int i = 1; i <= 2; ++i) {
    const auto& old_backend = before.backends.at(Bench::Key(i));
    const auto& body = after.tables.backends.at(after.backends.at(Bench::Key(i)).index);
    CHECK(body.index == old_backend.index);
    CHECK(body.incarnation == before.tables.backends.at(old_backend.index).incarnation);
    CHECK(body.encapsulation == channel::Encapsulation::kL2);
    CHECK(body.keeps_known_flows == 1);
  }
}

}  // namespace
}  // namespace guideway
