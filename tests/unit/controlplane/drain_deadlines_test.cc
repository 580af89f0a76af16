// Ends of drains, while the clock is set under them.
#include "controlplane/drain_deadlines.h"

#include <catch2/catch.hpp>

#include "lib/config/formats.h"

namespace guideway {
namespace {

// A backend whose drain ends in an hour.
struct Drain {
  Drain() {
    v1::Backend* backend = config.add_pools()->add_backends();
    backend->set_name("web-1");
    backend->set_state(v1::DRAINED);
    backend->set_disable_at(TimeText(start + absl::Hours(1)));
    At(absl::ZeroDuration());
  }
  // What it is after so long, with the clock set by that much.
  v1::AdminState At(absl::Duration passed, absl::Duration clock_set_by = {}) {
    const absl::Duration now = kMonotonicStart + passed;
    deadlines.Apply(start + passed + clock_set_by, now, &config);
    if (!is_over()) CHECK(deadlines.next() > now);
    return backend()->state();
  }
  bool is_over() { return backend()->state() == v1::DISABLED; }
  v1::Backend* backend() { return config.mutable_pools(0)->mutable_backends(0); }

  static constexpr absl::Duration kMonotonicStart = absl::Hours(7);
  const absl::Time start = absl::FromUnixSeconds(1'800'000'000);
  v1::Config config;
  DrainDeadlines deadlines;
};

TEST_CASE("a drain ends at its time") {
  Drain drain;
  CHECK(drain.At(absl::Minutes(59.5)) == v1::DRAINED);
  CHECK(drain.deadlines.next() == Drain::kMonotonicStart + absl::Hours(1));
  CHECK(drain.At(absl::Hours(1)) == v1::DISABLED);
  CHECK(drain.deadlines.next() == absl::InfiniteDuration());
}

TEST_CASE("a clock that is set ahead does not end it") {
  Drain drain;
  CHECK(drain.At(absl::Minutes(10), absl::Hours(2)) == v1::DRAINED);
  CHECK(drain.At(absl::Minutes(59.9), absl::Hours(2)) == v1::DRAINED);
  CHECK(drain.At(absl::Minutes(60), absl::Hours(2)) == v1::DISABLED);
}

TEST_CASE("a clock that is set back makes it longer, until the clock is right again") {
  Drain drain;
  CHECK(drain.At(absl::Minutes(10), -absl::Hours(2)) == v1::DRAINED);
  CHECK(drain.At(absl::Minutes(61), -absl::Hours(2)) == v1::DRAINED);
  CHECK(drain.deadlines.next() <= Drain::kMonotonicStart + absl::Minutes(62));
  CHECK(drain.At(absl::Minutes(62)) == v1::DISABLED);
}

TEST_CASE("what has ended stays so when a configuration comes again, whatever the clock says") {
  Drain drain;
  CHECK(drain.At(absl::Hours(1)) == v1::DISABLED);
  drain.backend()->set_state(v1::DRAINED);
  CHECK(drain.At(absl::Hours(1), -absl::Hours(2)) == v1::DISABLED);
  // A new deadline is another drain.
  drain.backend()->set_state(v1::DRAINED);
  drain.backend()->set_disable_at(TimeText(drain.start + absl::Hours(3)));
  CHECK(drain.At(absl::Hours(1)) == v1::DRAINED);
  CHECK(drain.At(absl::Hours(3)) == v1::DISABLED);
}

TEST_CASE(
    "a clock that was behind when the drain began, and is right since, makes it a day longer") {
  Drain drain;
  drain.backend()->set_disable_at(TimeText(drain.start + absl::Hours(20)));
  drain.At(absl::ZeroDuration(), -absl::Hours(24 * 365));  // of a host that has just started
  CHECK(drain.At(absl::Hours(20)) == v1::DRAINED);
  CHECK(drain.At(absl::Hours(43)) == v1::DRAINED);
  CHECK(drain.At(absl::Hours(44)) == v1::DISABLED);
}

TEST_CASE("another name of the backend does not end it") {
  Drain drain;
  CHECK(drain.At(absl::Minutes(10), absl::Hours(2)) == v1::DRAINED);
  drain.backend()->set_name("web-2");
  CHECK(drain.At(absl::Minutes(11), absl::Hours(2)) == v1::DRAINED);
}

TEST_CASE("a time that has passed at the start is over at once") {
  Drain drain;
  drain.backend()->set_disable_at(TimeText(drain.start - absl::Seconds(1)));
  CHECK(drain.At(absl::Seconds(1)) == v1::DISABLED);
}

}  // namespace
}  // namespace guideway
