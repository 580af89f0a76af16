// Each state that the kernel has for a neighbour, and what becomes of a MAC address.
#include "controlplane/resolver/neighbour_state.h"

#include <linux/neighbour.h>

#include <catch2/catch.hpp>

namespace guideway {
namespace {

constexpr char kPeerMac[] = "02:00:00:00:0b:01";

TEST_CASE("every state of a neighbour has its decision") {
  struct Row {
    uint16_t state;
    bool usable, ask_if_old, may_doubt;
  };
  const Row rows[] = {{NUD_NONE, false, false, false},    {NUD_INCOMPLETE, false, false, false},
                      {NUD_REACHABLE, true, false, true}, {NUD_STALE, true, true, true},
                      {NUD_DELAY, true, false, false},    {NUD_PROBE, true, false, false},
                      {NUD_FAILED, false, false, false},  {NUD_NOARP, true, false, false},
                      {NUD_PERMANENT, true, false, false}};
  CHECK(NeighbourStates().size() == std::size(rows));
  for (const Row& row : rows) {
    const NeighbourStateInfo& info = InfoOfNeighbourState(row.state);
    INFO(info.name);
    CHECK(info.state == row.state);
    CHECK(info.usable == row.usable);
    CHECK(info.ask_if_old == row.ask_if_old);
    CHECK(info.may_doubt == row.may_doubt);
  }
  CHECK(InfoOfNeighbourState(0x4000).state == NUD_NONE);
}

TEST_CASE("what becomes of a MAC address when its neighbour is lost") {
  NeighbourEntry entry;
  const MacAddress mac = *MacAddress::Parse(kPeerMac);
  const auto at = [&](double seconds, uint16_t state, bool deleted = false) {
    const bool has_mac = InfoOfNeighbourState(state).usable;
    entry.Take({1, {}, has_mac ? mac : MacAddress{}, state}, deleted, absl::Seconds(seconds));
  };
  at(0, NUD_REACHABLE);
  SECTION("flushed, and asked in vain") {
    at(10, NUD_FAILED);
    at(10, NUD_FAILED, /*deleted=*/true);
    CHECK(entry.mac() == mac);
    CHECK_FALSE(entry.failed());
    at(10.1, NUD_FAILED);  // flushed again
    CHECK(entry.mac() == mac);
    at(13, NUD_FAILED);
    CHECK(entry.mac().IsZero());
    CHECK(entry.failed());
  }
  SECTION("flushed, and the kernel says nothing more") {
    at(10, NUD_FAILED);
    CHECK(entry.keep_until() == absl::Seconds(15));
    CHECK_FALSE(entry.Expire(absl::Seconds(14.9)));
    CHECK(entry.Expire(absl::Seconds(15)));
    CHECK(entry.failed());
    CHECK(entry.keep_until() == absl::InfiniteDuration());
  }
  SECTION("asked by the kernel, and no answer") {
    at(10, NUD_PROBE);
    at(13, NUD_FAILED);
    CHECK(entry.mac().IsZero());
  }
  SECTION("dropped by the kernel for want of room") {
    at(10, NUD_STALE, /*deleted=*/true);
    CHECK(entry.mac() == mac);
    CHECK(entry.keep_until() == absl::InfiniteDuration());
    at(20, NUD_INCOMPLETE);
    CHECK(entry.mac() == mac);
    at(23, NUD_FAILED);
    CHECK(entry.mac().IsZero());
  }
  SECTION("forgotten with its link") {
    entry.Forget();
    CHECK(entry.mac() == mac);
    CHECK_FALSE(entry.usable());
    at(12, NUD_PERMANENT);
    entry.Forget();
    CHECK(entry.usable());
  }
}

}  // namespace
}  // namespace guideway
