// The fragment table by itself: full sets, released fragments.
#include "dataplane/path/fragment_table.h"

#include <catch2/catch.hpp>

namespace guideway {
namespace {

FragmentDecision Decided(uint64_t tag, BackendId backend) {
  FragmentDecision decision;
  decision.tag = tag;
  decision.backend = backend;
  return decision;
}

TEST_CASE("released fragments of several ports come port by port") {
  FragmentTable table;
  int buffers[4];
  for (uint16_t i = 0; i < 4; ++i) {
    table.Wait({.buffer = &buffers[i], .tag = 9, .receive_port = static_cast<uint16_t>(i / 3)}, 5);
  }
  table.Decide(Decided(9, 0), 5);
  CHECK(table.waiting() == 0);
  CHECK(table.released() == 4);
  WaitingFragment out[2];
  CHECK(table.TakeReleased(absl::MakeSpan(out)) == 2);
  CHECK(out[1].buffer == &buffers[1]);
  CHECK(table.TakeReleased(absl::MakeSpan(out)) == 1);
  CHECK(table.TakeReleased(absl::MakeSpan(out)) == 1);
  CHECK(out[0].buffer == &buffers[3]);
  CHECK(table.TakeReleased(absl::MakeSpan(out)) == 0);
}

TEST_CASE("decisions: a full set loses its oldest, and a tag has one entry") {
  FragmentTable table;
  const auto tag = [](uint64_t i) { return i << 32 | 77; };  // all of one set
  for (uint32_t i = 1; i <= FragmentTable::kWays; ++i) {
    table.Decide(Decided(tag(i), i), 100 + i);
  }
  table.Decide(Decided(tag(1), 42), 110);  // the same again: nobody goes
  for (uint32_t i = 1; i <= FragmentTable::kWays; ++i) CHECK(table.Find(tag(i), 120) != nullptr);
  CHECK(table.Find(tag(1), 120)->backend == 42);
  table.Decide(Decided(tag(9), 9), 120);
  CHECK(table.Find(tag(2), 120) == nullptr);
  for (const uint64_t i : {1, 3, 4, 9}) CHECK(table.Find(tag(i), 120) != nullptr);
}

}  // namespace
}  // namespace guideway
