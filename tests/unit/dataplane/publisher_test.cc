// Publishing a snapshot: who is waited for, and when the former one's memory comes back.
#include "dataplane/manager/publisher.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <ctime>
#include <future>
#include <memory>
#include <utility>

#include "dataplane/tables/snapshot_builder.h"
#include "tests/unit/dataplane/worker_bench.h"

namespace guideway {
namespace {

std::unique_ptr<OwnedSnapshot> Build(uint64_t generation, TableMemory* memory) {
  TableState tables;
  tables.generation = generation;
  return OwnedSnapshot::Build(tables, memory).value();
}

struct Fixture {
  Fixture() {
    StartEal();
    publisher = std::make_unique<Publisher>(1);
  }
  std::future<void> PublishLater(uint64_t generation) {
    return std::async(std::launch::async, [this, generation] {
      publisher->Publish(Build(generation, &memory), absl::Seconds(30));
    });
  }
  HeapTableMemory memory{1 << 20};
  std::unique_ptr<Publisher> publisher;
};

TEST_CASE("a worker that may still read the former snapshot is waited for") {
  Fixture f;
  rte_rcu_qsbr* quiescence = f.publisher->quiescence();
  rte_rcu_qsbr_thread_register(quiescence, 0);
  f.publisher->Publish(Build(1, &f.memory), absl::Seconds(1));
  const size_t of_one = f.memory.used_bytes();
  rte_rcu_qsbr_thread_online(quiescence, 0);
  const Snapshot* reading = f.publisher->pointer()->load();
  CHECK(reading->generation == 1);

  std::future<void> published = f.PublishLater(2);
  while (f.publisher->pointer()->load()->generation != 2) std::this_thread::yield();
  CHECK(published.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
  CHECK(reading->generation == 1);
  CHECK(f.memory.used_bytes() == 2 * of_one);

  rte_rcu_qsbr_quiescent(quiescence, 0);
  published.get();
  CHECK(f.memory.used_bytes() == 2 * of_one);  // until there is time
  f.publisher->FreeFormer();
  CHECK(f.memory.used_bytes() == of_one);
  rte_rcu_qsbr_thread_offline(quiescence, 0);
  rte_rcu_qsbr_thread_unregister(quiescence, 0);
}

TEST_CASE("a worker that sleeps is not waited for") {
  Fixture f;
  rte_rcu_qsbr* quiescence = f.publisher->quiescence();
  rte_rcu_qsbr_thread_register(quiescence, 0);
  rte_rcu_qsbr_thread_online(quiescence, 0);
  rte_rcu_qsbr_thread_offline(quiescence, 0);
  f.publisher->Publish(Build(1, &f.memory), absl::Seconds(1));
  f.publisher->Publish(Build(2, &f.memory), absl::Seconds(1));
  CHECK_FALSE(f.publisher->Awaited());
  rte_rcu_qsbr_thread_online(quiescence, 0);
  CHECK(f.publisher->pointer()->load()->generation == 2);
  rte_rcu_qsbr_thread_offline(quiescence, 0);
  rte_rcu_qsbr_thread_unregister(quiescence, 0);
}

TEST_CASE("a worker that does not move is not waited for without end, and named") {
  Fixture f;
  rte_rcu_qsbr* quiescence = f.publisher->quiescence();
  rte_rcu_qsbr_thread_register(quiescence, 0);
  f.publisher->Publish(Build(1, &f.memory), absl::Seconds(1));
  const size_t of_one = f.memory.used_bytes();
  rte_rcu_qsbr_thread_online(quiescence, 0);
  f.publisher->Publish(Build(2, &f.memory), absl::Milliseconds(20));
  CHECK(f.publisher->Awaited() == 0u);
  // It may still read them.
  f.publisher->FreeFormer();
  CHECK(f.memory.used_bytes() == 2 * of_one);
  rte_rcu_qsbr_quiescent(quiescence, 0);
  CHECK_FALSE(f.publisher->Awaited());
  f.publisher->FreeFormer();
  CHECK(f.memory.used_bytes() == of_one);
  rte_rcu_qsbr_thread_offline(quiescence, 0);
  rte_rcu_qsbr_thread_unregister(quiescence, 0);
}

TEST_CASE("a worker that was stopped in its sleep has not taken anything") {
  StartEal();
  uint64_t beat_ns = 0;
  HeapTableMemory memory{1 << 20};
  Publisher publisher(1, [&](uint32_t) { return beat_ns; });
  rte_rcu_qsbr_thread_register(publisher.quiescence(), 0);
  publisher.Publish(Build(1, &memory), absl::Milliseconds(20));
  CHECK_FALSE(publisher.Awaited());  // it has not begun
  beat_ns = 1;
  publisher.Publish(Build(2, &memory), absl::Milliseconds(20));
  CHECK(publisher.Awaited() == 0u);
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  beat_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  CHECK_FALSE(publisher.Awaited());
  rte_rcu_qsbr_thread_unregister(publisher.quiescence(), 0);
}

}  // namespace
}  // namespace guideway
