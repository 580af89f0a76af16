// The ring: order, full, empty, wrap-around, and indices that cannot be.
#include "lib/channel/ring.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

namespace guideway::channel {
namespace {

struct Message {
  uint64_t value = 0;
  uint64_t copy = 0;
};

constexpr uint32_t kCapacity = 8;

struct Pair {
  alignas(kCacheLineBytes) uint8_t memory[RingBytes<Message>(kCapacity)] = {};
  RingProducer<Message> producer{memory, kCapacity, "test ring"};
  RingConsumer<Message> consumer{memory, kCapacity, "test ring"};
  RingIndices* indices = reinterpret_cast<RingIndices*>(memory);
};

TEST_CASE("an empty ring gives nothing, a full one takes nothing") {
  Pair ring;
  Message into[kCapacity + 1];
  CHECK(*ring.consumer.Pop(absl::MakeSpan(into)) == 0);
  for (uint64_t i = 0; i < kCapacity; ++i) REQUIRE(ring.producer.Push({i, i}).ok());
  CHECK(*ring.producer.Room() == 0);
  CHECK(ring.producer.Push({}).code() == absl::StatusCode::kResourceExhausted);
  CHECK(*ring.consumer.Available() == kCapacity);
  CHECK(*ring.consumer.Pop(absl::MakeSpan(into)) == kCapacity);
  for (uint64_t i = 0; i < kCapacity; ++i) CHECK(into[i].value == i);
  CHECK(*ring.producer.Room() == kCapacity);
}

TEST_CASE("messages come in order around the end of the ring, a few at a time") {
  Pair ring;
  uint64_t sent = 0, taken = 0;
  Message into[3];
  for (int round = 0; round < 1000; ++round) {
    while (ring.producer.Push({sent, ~sent}).ok()) ++sent;
    const size_t count = *ring.consumer.Pop(absl::MakeSpan(into));
    REQUIRE(count == 3);
    for (size_t i = 0; i < count; ++i, ++taken) {
      REQUIRE(into[i].value == taken);
      REQUIRE(into[i].copy == ~taken);
    }
  }
}

TEST_CASE("an index that is more than the capacity away is corruption, and is named") {
  Pair ring;
  REQUIRE(ring.producer.Push({1, 1}).ok());
  Message into[kCapacity];
  for (const uint64_t bad : {uint64_t{kCapacity + 1}, uint64_t{1} << 32, ~uint64_t{0}}) {
    ring.indices->written = bad;
    const auto popped = ring.consumer.Pop(absl::MakeSpan(into));
    REQUIRE(popped.status().code() == absl::StatusCode::kDataLoss);
    CHECK_THAT(std::string(popped.status().message()), Catch::Contains("test ring is corrupt"));
  }
  // The producer has written one message: 2 read is one too many, 2^64 - 8 is nine too few.
  for (const uint64_t bad : {uint64_t{2}, uint64_t{1} << 32, ~uint64_t{7}}) {
    ring.indices->read = bad;
    CHECK(ring.producer.Push({}).code() == absl::StatusCode::kDataLoss);
    CHECK(ring.producer.Room().status().code() == absl::StatusCode::kDataLoss);
  }
}

TEST_CASE("an end believes its own index, not the one in shared memory") {
  Pair ring;
  REQUIRE(ring.producer.Push({1, 1}).ok());
  ring.indices->written = 0;  // as the peer may
  REQUIRE(ring.producer.Push({2, 2}).ok());
  CHECK(ring.indices->written == 2);
  Message into[kCapacity];
  REQUIRE(*ring.consumer.Pop(absl::MakeSpan(into).subspan(0, 1)) == 1);
  ring.indices->read = 0;
  REQUIRE(*ring.consumer.Pop(absl::MakeSpan(into)) == 1);
  CHECK(into[0].value == 2);
  CHECK(ring.indices->read == 2);
}

}  // namespace
}  // namespace guideway::channel
