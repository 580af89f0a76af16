// Outlier detection with a simulated clock: who is ejected, for how long, and who is not.
#include "controlplane/health/outlier.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace guideway {
namespace {

// A pool of backends called "0", "1" ... whose counters grow by what a window brings.
struct Pool {
  explicit Pool(int count) : members(count) {
    for (int i = 0; i < count; ++i) members[i].key = absl::StrCat(i);
    Observe();
  }
  FlowSigns& operator[](int i) { return members[i].total; }
  // New flows for everybody who gets some.
  void Flows(uint64_t count) {
    for (auto& member : members) {
      if (detector.Find(member.key) == nullptr && !member.unhealthy) {
        member.total.new_flows += count;
      }
    }
  }
  std::vector<OutlierDetector::Change> Observe() {
    return detector.Observe(settings, members, now);
  }
  std::vector<OutlierDetector::Change> Window() {
    now += settings.window;
    return Observe();
  }
  // A window in which 100 flows go to each, and this one answers none.
  std::vector<OutlierDetector::Change> BadWindow(int i) {
    Flows(100);
    members[i].total.syn_retransmissions += 100;
    return Window();
  }
  std::set<std::string> Ejected() const {
    std::set<std::string> ejected;
    for (const auto& member : members) {
      if (detector.Find(member.key) != nullptr) ejected.insert(member.key);
    }
    return ejected;
  }
  using Keys = std::set<std::string>;

  OutlierSettings settings;
  std::vector<OutlierDetector::Member> members;
  OutlierDetector detector;
  absl::Duration now = absl::Seconds(1000);
};
using Keys = Pool::Keys;

TEST_CASE("who answers no SYN is ejected at the end of the window, and returns") {
  Pool pool(4);
  pool.Flows(100);
  pool[2].syn_retransmissions += 92;
  pool[1].syn_retransmissions += 3;
  pool.now += pool.settings.window - absl::Seconds(1);
  CHECK(pool.Observe().empty());
  pool.now += absl::Seconds(1);
  const auto changes = pool.Observe();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].key == "2");
  CHECK(changes[0].ejected);
  CHECK(changes[0].text ==
        "ejected for 30s: 92 SYNs sent again per 100 new flows, the others have 1");
  REQUIRE(pool.Ejected() == Keys{"2"});
  const OutlierDetector::Ejection& ejection = *pool.detector.Find("2");
  CHECK(ejection.until == pool.now + absl::Seconds(30));
  CHECK(ejection.times == 1);
  CHECK(ejection.reason == "92 SYNs sent again per 100 new flows, the others have 1");
  pool.now += absl::Seconds(30) - absl::Milliseconds(1);
  CHECK(pool.detector.Return(pool.now).empty());
  pool.now += absl::Milliseconds(1);
  const auto returns = pool.detector.Return(pool.now);
  REQUIRE(returns.size() == 1);
  CHECK(returns[0].key == "2");
  CHECK_FALSE(returns[0].ejected);
  CHECK(pool.Ejected().empty());
}

TEST_CASE("each sign has its threshold, which must be exceeded, and 0 turns it off") {
  const struct {
    uint64_t FlowSigns::*count;
    uint32_t OutlierSettings::*limit;
    const char* words;
  } kSigns[] = {{&FlowSigns::syn_retransmissions, &OutlierSettings::max_syn_retransmissions_percent,
                 "SYNs sent again"},
                {&FlowSigns::unanswered_flows, &OutlierSettings::max_unanswered_percent,
                 "flows without a second packet"},
                {&FlowSigns::client_resets, &OutlierSettings::max_client_resets_percent,
                 "resets by clients"}};
  for (const auto& sign : kSigns) {
    for (const uint32_t limit : {0u, 20u, 60u}) {
      for (const uint64_t count : {20u, 30u, 31u, 70u, 71u, 100u}) {
        Pool pool(3);
        pool.settings.max_syn_retransmissions_percent = pool.settings.max_unanswered_percent =
            pool.settings.max_client_resets_percent = 0;
        pool.settings.*sign.limit = limit;
        pool.Flows(100);
        for (int i = 0; i < 3; ++i) pool[i].*sign.count += i == 1 ? count : 10;
        const auto changes = pool.Window();
        CAPTURE(sign.words, limit, count);
        CHECK(pool.Ejected() == (limit != 0 && count > limit + 10 ? Keys{"1"} : Keys{}));
        if (!changes.empty()) CHECK(absl::StrContains(changes[0].text, sign.words));
      }
    }
  }
}

TEST_CASE("what happens to all of them ejects nobody") {
  Pool pool(4);
  for (int window = 0; window < 5; ++window) {
    pool.Flows(1000);
    for (int i = 0; i < 4; ++i) {
      pool[i].syn_retransmissions += 900;
      pool[i].unanswered_flows += 950;
    }
    CHECK(pool.Window().empty());
  }
}

TEST_CASE("few flows say nothing: of the backend, or of the others") {
  Pool pool(3);
  for (const bool own : {true, false}) {
    for (const uint64_t count : {49u, 50u}) {
      Pool p(3);
      p[0].new_flows += own ? count : 1000;
      p[1].new_flows += own ? 1000 : count / 2;
      p[2].new_flows += own ? 1000 : count - count / 2;
      p[0].syn_retransmissions += p[0].new_flows;
      p.Window();
      CAPTURE(own, count);
      CHECK(p.Ejected() == (count == 50 ? Keys{"0"} : Keys{}));
    }
  }
  // Nobody to compare with.
  Pool alone(1);
  CHECK(alone.BadWindow(0).empty());
}

TEST_CASE("the ejection time doubles up to its limit, and starts again after a good while") {
  Pool pool(4);
  for (const int64_t seconds : {30, 60, 120, 240, 300, 300}) {
    REQUIRE(pool.BadWindow(1).size() == 1);
    REQUIRE(pool.detector.Find("1")->until - pool.now == absl::Seconds(seconds));
    pool.now += absl::Seconds(seconds);
    REQUIRE(pool.detector.Return(pool.now).size() == 1);
    // The window that goes on has begun before the return: it brings few flows of the returned.
    pool.Flows(1);
    pool.Window();
  }
  pool.now += absl::Minutes(5) - 2 * pool.settings.window;  // then it has been in for 5 min
  pool.Observe();
  REQUIRE(pool.BadWindow(1).size() == 1);
  CHECK(pool.detector.Find("1")->times == 1);
  CHECK(pool.detector.Find("1")->until - pool.now == absl::Seconds(30));
}

TEST_CASE("a window in which a backend was out, or came back, does not count") {
  Pool pool(4);
  pool.settings.base_ejection_time = absl::Seconds(5);
  REQUIRE(pool.BadWindow(1).size() == 1);
  // The tables follow a little later, and clients go on for a while.
  pool[1].new_flows += 100;
  pool[1].syn_retransmissions += 100;
  pool.Flows(100);
  const auto changes = pool.Window();
  REQUIRE(changes.size() == 1);
  CHECK_FALSE(changes[0].ejected);
  CHECK(pool.BadWindow(1).size() == 1);
}

TEST_CASE("no more than the share of the pool is out, the worst first; unhealthy ones count") {
  Pool pool(10);
  const auto bad = [&](std::vector<std::pair<int, uint64_t>> backends) {
    pool.Flows(100);
    for (const auto& [i, count] : backends) pool[i].syn_retransmissions += count;
    return pool.Window();
  };
  // 30% of 10.
  CHECK(bad({{1, 80}, {2, 100}, {3, 90}, {4, 95}}).size() == 3);
  CHECK(pool.Ejected() == Keys{"2", "3", "4"});
  CHECK(bad({{5, 100}}).empty());
  pool.now += absl::Seconds(30);
  pool.Observe();
  CHECK(pool.Ejected().empty());
  pool.members[7].unhealthy = pool.members[8].unhealthy = true;
  pool.Window();
  CHECK(bad({{1, 80}, {2, 100}}).size() == 1);
  CHECK(pool.Ejected() == Keys{"2"});

  Pool small(2);  // one always may be
  CHECK(small.BadWindow(0).size() == 1);
  CHECK(small.BadWindow(1).empty());
  Pool half(2);  // but not if nobody is left
  half.members[1].unhealthy = true;
  half[1].new_flows += 100;
  CHECK(half.BadWindow(0).empty());
}

TEST_CASE("what was unanswered before an ejection is not held against the backend after it") {
  Pool pool(4);
  pool.settings.base_ejection_time = absl::Seconds(10);
  const auto window = [&] {
    pool.Flows(100);
    pool[1].unanswered_flows += 100;
    return pool.Window();
  };
  REQUIRE(window().size() == 1);
  const absl::Duration ejected = pool.now;
  REQUIRE(window().size() == 1);  // returns
  REQUIRE(pool.Ejected().empty());
  while (pool.Ejected().empty()) {
    REQUIRE(pool.now < ejected + absl::Minutes(2));
    window();
  }
  // Windows that began 46 s after it or later count: the first ends within two windows of that.
  CHECK(pool.now > ejected + absl::Seconds(46) + pool.settings.window);
  CHECK(pool.now <= ejected + absl::Seconds(46) + 2 * pool.settings.window);
}

TEST_CASE("another data plane that begins to count anew, and members that come and go") {
  Pool pool(4);
  for (int i = 0; i < 4; ++i) pool[i] = {1000, 0, 0, 0};
  pool[1].syn_retransmissions = 1000;
  pool.members[1].total = {};  // begins anew in the middle of the window
  pool.Window();
  pool[1] = {500, 400, 0, 0};
  for (const int i : {0, 2, 3}) pool[i].new_flows += 500;
  pool.members[1].total.new_flows = 600;
  CHECK(pool.Window().size() == 1);  // compared from the window's begin on
  CHECK(pool.Ejected() == Keys{"1"});
  // Less than at the begin of the window: says nothing.
  Pool restarted(3);
  restarted.Flows(1000);
  restarted.Window();
  restarted[0] = {10, 10, 10, 10};
  for (const int i : {1, 2}) restarted[i].new_flows += 100;
  CHECK(restarted.Window().empty());
  // A backend that is new in the middle of a window is looked at from the next one on.
  restarted.members.push_back({.key = "new", .unhealthy = false, .total = {500, 500, 0, 0}});
  CHECK(restarted.Window().empty());
  restarted.Flows(100);
  restarted.members[3].total.syn_retransmissions += 100;
  restarted.Window();
  CHECK(restarted.detector.Find("new") != nullptr);
  restarted.members.pop_back();  // drained, or removed
  restarted.Observe();
  CHECK(restarted.detector.Find("new") == nullptr);
}

TEST_CASE("the last one stays, though each is worse than the others in its own way") {
  Pool pool(2);
  pool.settings.max_ejected_percent = 100;
  pool.settings.max_client_resets_percent = 20;
  pool.Flows(100);
  pool[0].syn_retransmissions += 100;
  pool[1].client_resets += 90;
  CHECK(pool.Window().size() == 1);
  CHECK(pool.Ejected() == Keys{"0"});
}

}  // namespace
}  // namespace guideway
