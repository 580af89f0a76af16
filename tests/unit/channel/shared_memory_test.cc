// The shared memory: ranges of the capacities, no overlaps, size and seals.
#include "lib/channel/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <limits>

#include "lib/channel/ring.h"

namespace guideway::channel {
namespace {

constexpr uint32_t kHuge = std::numeric_limits<uint32_t>::max();
constexpr Capacities kSmall = {.request_capacity = 8,
                               .response_capacity = 16,
                               .arena_slot_count = 3,
                               .arena_slot_bytes = 4097};

TEST_CASE("capacities out of range are refused by name") {
  const struct {
    const char* field;
    uint32_t Capacities::*member;
    std::vector<uint32_t> bad;
  } cases[] = {
      {"request_capacity", &Capacities::request_capacity, {0, 1, 3, 1000, 131072, kHuge}},
      {"response_capacity", &Capacities::response_capacity, {0, 1, 3, 1000, 131072, kHuge}},
      {"arena_slot_count", &Capacities::arena_slot_count, {0, 4097, kHuge}},
      {"arena_slot_bytes", &Capacities::arena_slot_bytes, {0, 11, (64 << 20) + 1, kHuge}},
  };
  for (const auto& c : cases) {
    for (const uint32_t bad : c.bad) {
      Capacities capacities;
      capacities.*c.member = bad;
      const absl::Status status = Geometry::Compute(capacities).status();
      INFO(c.field << " " << bad);
      REQUIRE(status.code() == absl::StatusCode::kInvalidArgument);
      CHECK_THAT(std::string(status.message()), Catch::StartsWith(c.field));
      CHECK_THAT(std::string(status.message()), Catch::Contains(std::to_string(bad)));
    }
  }
  CHECK(Geometry::Compute(Capacities{}).ok());
}

TEST_CASE("the parts do not overlap and end within the memory") {
  const Geometry g = *Geometry::Compute(kSmall);
  CHECK(g.request_ring >= sizeof(Welcome));
  CHECK(g.response_ring >= g.request_ring + RingBytes<Request>(8));
  CHECK(g.counters >= g.response_ring + RingBytes<Response>(16));
  CHECK(g.arena >= g.counters + sizeof(CountersRegion));
  CHECK(g.arena_slot_stride == 8192);
  CHECK(g.total_bytes == g.arena + 3 * 8192);
  for (const size_t at : {g.request_ring, g.response_ring, g.counters, g.arena}) {
    CHECK(at % 4096 == 0);
  }
}

TEST_CASE("what one end writes the other end sees; arena slots outside are empty") {
  const SharedMemory mine = *SharedMemory::Create(kSmall);
  const SharedMemory theirs = *SharedMemory::Attach(UniqueFd(dup(mine.file())), kSmall);
  REQUIRE(theirs.arena_slot(2).size() == 1024);
  theirs.arena_slot(2)[1023] = {7, 9};
  MaglevSlot copy[1024];
  mine.arena().CopyOut(2, 1024, copy);
  CHECK(copy[1023].current == 7);
  CHECK(copy[1023].previous == 9);
  CHECK(theirs.arena_slot(3).empty());
  CHECK(theirs.arena_slot(kHuge).empty());
  CHECK(SharedMemory().arena_slot(0).empty());
  CHECK(SharedMemory().arena().slot_count == 0);
  CHECK(SharedMemory().counters() == nullptr);
}

TEST_CASE("nobody can change the size of the memory") {
  const SharedMemory memory = *SharedMemory::Create(kSmall);
  const auto bytes = static_cast<off_t>(memory.geometry().total_bytes);
  CHECK(ftruncate(memory.file(), 4096) != 0);
  CHECK(ftruncate(memory.file(), bytes * 2) != 0);
  CHECK(fcntl(memory.file(), F_ADD_SEALS, F_SEAL_WRITE) != 0);
}

TEST_CASE("a descriptor without seals or of another size is refused") {
  const SharedMemory good = *SharedMemory::Create(kSmall);
  Capacities other = kSmall;
  other.arena_slot_count = 4;
  const absl::Status size = SharedMemory::Attach(UniqueFd(dup(good.file())), other).status();
  CHECK_THAT(std::string(size.message()), Catch::Contains("bytes, expected are"));

  const auto bytes = static_cast<off_t>(good.geometry().total_bytes);
  UniqueFd unsealed(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(ftruncate(unsealed.get(), bytes) == 0);
  REQUIRE(fcntl(unsealed.get(), F_ADD_SEALS, F_SEAL_GROW) == 0);
  const absl::Status seals = SharedMemory::Attach(std::move(unsealed), kSmall).status();
  CHECK_THAT(std::string(seals.message()), Catch::Contains("seals"));

  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const UniqueFd writer(ends[1]);
  CHECK_FALSE(SharedMemory::Attach(UniqueFd(ends[0]), kSmall).ok());
}

}  // namespace
}  // namespace guideway::channel
