// Signs of life: boards that are read whole or not at all, silence that only looks can tell, and a
// control plane that hangs and gives way.
#include "lib/channel/vitals.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lib/channel/beat_watch.h"
#include "lib/channel/controlplane_end.h"
#include "lib/channel/dataplane_end.h"
#include "tests/unit/base/temporary_directory.h"

namespace guideway::channel {
namespace {

TEST_CASE("a board is read whole, while it is written as well") {
  struct Value {
    uint64_t words[64] = {};
  };
  auto board = std::make_unique<Board<Value>>();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint64_t turn = 1; !stop; ++turn) {
      Value value;
      for (uint64_t& word : value.words) word = turn;
      board->Write(turn, value);
    }
  });
  uint64_t last = 0;
  for (int reads = 0; reads < 1000;) {
    Value value;
    if (!board->Read(&value)) continue;
    ++reads;
    for (const uint64_t word : value.words) REQUIRE(word == value.words[0]);
    REQUIRE(value.words[0] >= last);
    last = value.words[0];
  }
  stop = true;
  writer.join();
}

TEST_CASE("a board whose writer has stopped in the middle is not read, and does not change") {
  Board<ControlplaneVitals> board;
  board.Write(1, {.turns = 7});
  uint64_t half = 3;
  std::memcpy(static_cast<void*>(&board), &half, sizeof(half));  // as between the two stores
  ControlplaneVitals value{.turns = 9};
  CHECK_FALSE(board.Read(&value));
  CHECK(value.turns == 9);
  CHECK(board.turn() == board.turn());
}

TEST_CASE("silence is what was looked at") {
  BeatWatch watch;
  absl::Duration now = absl::Hours(1);
  watch.Look(0, now);
  CHECK(watch.silence() == absl::ZeroDuration());
  for (int i = 0; i < 10; ++i) watch.Look(0, now += absl::Milliseconds(100));
  CHECK(watch.silence() == absl::Seconds(1));
  // Who was stopped himself for an hour has not seen an hour of silence.
  watch.Look(0, now += absl::Hours(1));
  CHECK(watch.silence() == absl::Seconds(1) + BeatWatch::kLongestGap);
  watch.Look(1, now += absl::Milliseconds(100));
  CHECK(watch.silence() == absl::ZeroDuration());
  // A clock that is set back (a bad one) gives nothing.
  watch.Look(1, now -= absl::Hours(2));
  CHECK(watch.silence() == absl::ZeroDuration());
}

struct Fixture {
  Fixture() {
    DataplaneEnd::Options options;
    options.socket_path = directory.File("channel");
    options.capacities = {.request_capacity = 8,
                          .response_capacity = 8,
                          .arena_slot_count = 2,
                          .arena_slot_bytes = 4096};
    options.worker_count = 2;
    options.ports.resize(1);
    options.log = [this](const std::string& line) { log.push_back(line); };
    dataplane = DataplaneEnd::Listen(options).value();
  }
  DataplaneEnd::Events Handle() {
    DataplaneEnd::Events all;
    pollfd wait = {dataplane->fd(), POLLIN, 0};
    for (int i = 0; i < 4 && poll(&wait, 1, 0) > 0; ++i) {
      const auto events = dataplane->HandleEvents();
      all.connected |= events.connected;
      all.disconnected |= events.disconnected;
    }
    return all;
  }
  std::unique_ptr<ControlplaneEnd> Connect() {
    auto end = ControlplaneEnd::Connect(directory.File("channel")).value();
    Handle();
    return end;
  }
  // Looks for `time`, ten times a second.
  void Look(absl::Duration time) {
    for (absl::Duration looked; looked < time; looked += absl::Milliseconds(100)) {
      dataplane->LookAtPeer(now += absl::Milliseconds(100));
    }
  }
  TemporaryDirectory directory;
  std::vector<std::string> log;
  std::unique_ptr<DataplaneEnd> dataplane;
  absl::Duration now = absl::Hours(1);
};

TEST_CASE("the data plane's board reaches the control plane, and only a terminated name") {
  Fixture f;
  const auto end = f.Connect();
  REQUIRE(*end->FinishHandshake());
  DataplaneVitals sent;
  sent.worker_silent_ms[1] = 1234;
  const uint64_t before = end->vitals_turn();
  f.dataplane->Beat(sent);
  CHECK(end->vitals_turn() != before);
  DataplaneVitals got;
  REQUIRE(end->ReadVitals(&got));
  CHECK(got.worker_silent_ms[1] == 1234);
  std::memset(sent.ports[3].kernel_interface, 'x', sizeof(sent.ports[3].kernel_interface));
  f.dataplane->Beat(sent);
  CHECK_FALSE(end->ReadVitals(&got));
}

TEST_CASE("a control plane that moves keeps its place") {
  Fixture f;
  const auto first = f.Connect();
  REQUIRE(*first->FinishHandshake());
  for (int i = 0; i < 40; ++i) {
    first->Beat();
    f.Look(absl::Milliseconds(100));
  }
  CHECK_FALSE(f.dataplane->peer_hangs());
  const auto second = f.Connect();
  CHECK_THAT(std::string(second->FinishHandshake().status().message()),
             Catch::Contains("connected already"));
  CHECK(first->CheckPeer().ok());
}

TEST_CASE("a control plane that hangs is replaced by the next one, and told so") {
  Fixture f;
  const auto first = f.Connect();
  REQUIRE(*first->FinishHandshake());
  first->Beat();
  f.Look(kControlplaneSilenceLimit + absl::Milliseconds(200));
  CHECK(f.dataplane->peer_hangs());
  auto second = ControlplaneEnd::Connect(f.directory.File("channel")).value();
  const auto events = f.Handle();
  CHECK(events.disconnected);
  CHECK(events.connected);
  CHECK(*second->FinishHandshake());
  CHECK_FALSE(f.dataplane->peer_hangs());
  CHECK_THAT(f.log[f.log.size() - 2], Catch::Contains("replaced by process"));
  const absl::Status told = first->CheckPeer();
  CHECK(told.code() == absl::StatusCode::kAborted);
  CHECK_THAT(std::string(told.message()),
             Catch::Contains("process " + std::to_string(getpid()) + " has taken the place"));
  CHECK(second->CheckPeer().ok());
}

}  // namespace
}  // namespace guideway::channel
