// Two ends at work: a million messages, the arena, full rings, and ends that die.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "lib/channel/controlplane_end.h"
#include "lib/channel/dataplane_end.h"
#include "lib/channel/handshake.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/channel/data_plane_options.h"

namespace guideway::channel {
namespace {

constexpr Capacities kMore = {.request_capacity = 64,
                              .response_capacity = 32,
                              .arena_slot_count = 2,
                              .arena_slot_bytes = 4096};

// Waits until `fd` is readable. A lost wake-up shows as a failure here.
bool Wait(int fd, int timeout_ms = 10'000) {
  pollfd wait = {fd, POLLIN, 0};
  return poll(&wait, 1, timeout_ms) == 1;
}

// Answers every request with its own number until the control plane hangs up. Returns how many.
uint64_t Echo(DataplaneEnd* end) {
  uint64_t answered = 0;
  Request requests[7];
  std::vector<Response> responses;
  while (Wait(end->fd())) {
    const DataplaneEnd::Events events = end->HandleEvents();
    if (events.disconnected) return answered;
    if (!end->connected()) continue;
    const auto count = end->ReadRequests(absl::MakeSpan(requests));
    if (!count.ok()) return answered;
    responses.clear();
    for (size_t i = 0; i < *count; ++i) {
      Response response;
      response.sequence = requests[i].sequence;
      response.value = requests[i].body.commit.generation;
      responses.push_back(response);
    }
    if (!end->SendResponses(responses).ok()) return answered;
    answered += *count;
  }
  return answered;
}

Request Numbered(uint64_t number) {
  Request request;
  request.type = MessageType::kCommit;
  request.body.commit.generation = number;
  return request;
}

TEST_CASE("a million requests and responses, in order, with doorbells") {
  constexpr uint64_t kCount = 1'000'000;
  TemporaryDirectory directory;
  auto dataplane = DataplaneEnd::Listen(OptionsFor(directory.File("channel"), kMore)).value();
  uint64_t answered = 0;
  std::thread thread([&] { answered = Echo(dataplane.get()); });
  {
    auto end = ControlplaneEnd::Connect(directory.File("channel")).value();
    const absl::Status handshake = end->WaitForHandshake(absl::Seconds(10));
    uint64_t sent = 0, received = 0, wrong = 0;
    Response responses[5];
    while (handshake.ok() && received < kCount) {
      uint32_t room = sent < kCount ? *end->Room() : 0;
      if (room > 0) {
        for (; room > 0 && sent < kCount; --room, ++sent) {
          if (!end->Queue(Numbered(sent)).ok()) ++wrong;
        }
        end->Flush();
      }
      if (!Wait(end->doorbell_fd())) break;
      auto count = end->PollResponses(absl::MakeSpan(responses));
      while (count.ok() && *count > 0) {
        for (size_t i = 0; i < *count; ++i) wrong += responses[i].value != received++;
        count = end->PollResponses(absl::MakeSpan(responses));
      }
      if (!count.ok()) break;
    }
    CHECK(handshake.ok());
    CHECK(received == kCount);
    CHECK(wrong == 0);
    CHECK(end->open_requests() == 0);
  }
  thread.join();
  CHECK(answered == kCount);
}

struct Connected {
  Connected() {
    dataplane = DataplaneEnd::Listen(OptionsFor(directory.File("channel"), kMore)).value();
    Reconnect();
  }
  void Reconnect() {
    end = ControlplaneEnd::Connect(directory.File("channel")).value();
    dataplane->HandleEvents();
    dataplane->HandleEvents();
    REQUIRE(end->WaitForHandshake(absl::Seconds(1)).ok());
  }
  TemporaryDirectory directory;
  std::unique_ptr<DataplaneEnd> dataplane;
  std::unique_ptr<ControlplaneEnd> end;
};

TEST_CASE("the control plane cannot owe more requests than the response ring holds") {
  Connected c;
  for (uint32_t i = 0; i < 32; ++i) {
    const auto sequence = c.end->Queue(Numbered(i));
    REQUIRE(sequence.ok());
    CHECK(*sequence == i);
  }
  const absl::Status full = c.end->Queue(Numbered(32)).status();
  CHECK(full.code() == absl::StatusCode::kResourceExhausted);
  CHECK_THAT(std::string(full.message()), Catch::Contains("32 requests"));
}

TEST_CASE("a few requests at a time: the descriptor stays readable while some are left") {
  Connected c;
  c.dataplane->HandleEvents();
  pollfd wait = {c.dataplane->fd(), POLLIN, 0};
  CHECK(poll(&wait, 1, 0) == 0);
  for (uint32_t i = 0; i < 5; ++i) REQUIRE(c.end->Queue(Numbered(i)).ok());
  CHECK(poll(&wait, 1, 0) == 0);
  c.end->Flush();
  Request two[2];
  for (const size_t expected : {2, 2, 1}) {
    REQUIRE(poll(&wait, 1, 0) == 1);
    CHECK(c.dataplane->HandleEvents().requests);
    CHECK(*c.dataplane->ReadRequests(absl::MakeSpan(two)) == expected);
  }
  CHECK(poll(&wait, 1, 0) == 0);
}

TEST_CASE("tables in the arena and counters arrive as written") {
  Connected c;
  const auto slot = c.end->arena_slot(1);
  REQUIRE(slot.size() == 1024);
  for (uint16_t i = 0; i < 1024; ++i) slot[i] = {i, static_cast<uint16_t>(~i)};
  std::vector<MaglevSlot> copy(1024);
  c.dataplane->arena().CopyOut(1, 1024, copy.data());
  for (uint16_t i = 0; i < 1024; ++i) {
    REQUIRE(copy[i].current == i);
    REQUIRE(copy[i].previous == static_cast<uint16_t>(~i));
  }
  c.dataplane->counters()->generation = 9;
  c.dataplane->counters()->backends[kMaxBackends - 1].bytes = 1234;
  const auto counters = std::make_unique<CountersRegion>();
  c.end->ReadCounters(counters.get());
  CHECK(counters->generation == 9);
  CHECK(counters->backends[kMaxBackends - 1].bytes == 1234);
}

TEST_CASE("every connection gets memory of its own, empty") {
  Connected c;
  c.end->arena_slot(0)[0] = {1, 2};
  REQUIRE(c.end->Send(Numbered(1)).ok());
  c.end.reset();
  CHECK(c.dataplane->HandleEvents().disconnected);
  CHECK(c.dataplane->arena().slot_count == 0);
  CHECK(c.dataplane->counters() == nullptr);
  Request request;
  CHECK(c.dataplane->ReadRequests(absl::MakeSpan(&request, 1)).status().code() ==
        absl::StatusCode::kUnavailable);
  CHECK(c.dataplane->SendResponses({}).code() == absl::StatusCode::kUnavailable);
  c.Reconnect();
  CHECK(c.end->arena_slot(0)[0].current == 0);
  CHECK(*c.dataplane->ReadRequests(absl::MakeSpan(&request, 1)) == 0);
}

TEST_CASE("a control plane that takes no responses is disconnected") {
  Connected c;
  const std::vector<Response> many(33);
  CHECK(c.dataplane->SendResponses(absl::MakeSpan(many).subspan(0, 32)).ok());
  CHECK(c.dataplane->SendResponses(absl::MakeSpan(many).subspan(32)).code() ==
        absl::StatusCode::kDataLoss);
  CHECK_FALSE(c.dataplane->connected());
  CHECK(c.end->CheckPeer().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("responses that nobody asked for are reported") {
  Connected c;
  REQUIRE(c.end->Send(Numbered(1)).ok());
  Response response;
  response.sequence = 5;
  REQUIRE(c.dataplane->SendResponses(absl::MakeSpan(&response, 1)).ok());
  CHECK(c.end->PollResponses(absl::MakeSpan(&response, 1)).status().code() ==
        absl::StatusCode::kDataLoss);
}

TEST_CASE("a doorbell blocks nobody, however the peer sets its flags") {
  Doorbell bell = NewDoorbell().value();
  REQUIRE(fcntl(bell.ringer.get(), F_SETFL, 0) == 0);
  REQUIRE(fcntl(bell.listener.get(), F_SETFL, 0) == 0);
  alarm(10);  // kills the test if something blocks
  for (int i = 0; i < 100'000; ++i) RingDoorbell(bell.ringer.get());
  CHECK(Wait(bell.listener.get(), 0));
  for (int i = 0; i < 1000 && Wait(bell.listener.get(), 0); ++i) ClearDoorbell(bell.listener.get());
  CHECK_FALSE(Wait(bell.listener.get(), 0));
  ClearDoorbell(bell.listener.get());  // nothing there
  RingDoorbell(bell.ringer.get());
  CHECK(Wait(bell.listener.get(), 0));
  bell.listener.reset();
  RingDoorbell(bell.ringer.get());  // nobody there
  alarm(0);
}

TEST_CASE("the control plane's process is killed; its successor goes on") {
  TemporaryDirectory directory;
  auto dataplane = DataplaneEnd::Listen(OptionsFor(directory.File("channel"), kMore)).value();
  const pid_t child = fork();
  if (child == 0) {
    auto end = ControlplaneEnd::Connect(directory.File("channel"));
    if (!end.ok() || !(*end)->WaitForHandshake(absl::Seconds(10)).ok()) _exit(1);
    (void)(*end)->Send(Numbered(1));
    while (true) pause();
  }
  bool seen = false;
  Request request;
  while (!seen && Wait(dataplane->fd())) {
    dataplane->HandleEvents();
    const auto count = dataplane->ReadRequests(absl::MakeSpan(&request, 1));
    seen = count.ok() && *count == 1;
  }
  CHECK(seen);
  CHECK(dataplane->peer_process_id() == static_cast<uint32_t>(child));
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  REQUIRE(Wait(dataplane->fd()));
  CHECK(dataplane->HandleEvents().disconnected);
  auto next = ControlplaneEnd::Connect(directory.File("channel")).value();
  dataplane->HandleEvents();
  dataplane->HandleEvents();
  CHECK(next->WaitForHandshake(absl::Seconds(1)).ok());
}

TEST_CASE("the data plane's process is killed; a new one takes its place") {
  TemporaryDirectory directory;
  const auto options = OptionsFor(directory.File("channel"), kMore);
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    auto end = DataplaneEnd::Listen(options);
    if (!end.ok() || write(ready[1], "r", 1) != 1) _exit(1);
    while (Wait((*end)->fd())) (*end)->HandleEvents();
    _exit(1);
  }
  char byte;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  close(ready[0]);
  close(ready[1]);
  auto end = ControlplaneEnd::Connect(directory.File("channel")).value();
  REQUIRE(end->WaitForHandshake(absl::Seconds(10)).ok());
  CHECK(end->CheckPeer().ok());
  kill(child, SIGKILL);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  REQUIRE(Wait(end->socket_fd()));
  CHECK(end->CheckPeer().code() == absl::StatusCode::kUnavailable);
  CHECK(ControlplaneEnd::Connect(directory.File("channel")).status().code() ==
        absl::StatusCode::kUnavailable);
  CHECK(DataplaneEnd::Listen(options).ok());
}

}  // namespace
}  // namespace guideway::channel
