// The handshake, good and bad, from both sides; who may listen and who may connect.
#include "lib/channel/handshake.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/channel/controlplane_end.h"
#include "lib/channel/dataplane_end.h"
#include "lib/channel/unix_socket.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/channel/data_plane_options.h"

namespace guideway::channel {
namespace {

struct Fixture {
  Fixture() {
    DataplaneEnd::Options options = OptionsFor(path());
    options.worker_count = 2;
    options.ports.resize(1);
    std::strcpy(options.ports[0].name, "eth0");
    options.log = [this](const std::string& line) { log.push_back(line); };
    dataplane = DataplaneEnd::Listen(options).value();
  }
  std::string path() const { return directory.File("channel"); }
  // Lets the data plane handle whatever is there: everything a local socket was sent is.
  DataplaneEnd::Events Handle() {
    DataplaneEnd::Events all;
    pollfd wait = {dataplane->fd(), POLLIN, 0};
    for (int i = 0; i < 4 && poll(&wait, 1, 0) > 0; ++i) {
      const auto events = dataplane->HandleEvents();
      all.connected |= events.connected;
      all.disconnected |= events.disconnected;
      all.requests |= events.requests;
    }
    return all;
  }
  std::unique_ptr<ControlplaneEnd> Connect() {
    auto end = ControlplaneEnd::Connect(path()).value();
    CHECK(Handle().connected);
    REQUIRE(*end->FinishHandshake());
    return end;
  }
  // What the data plane answers to these bytes; empty if it hangs up.
  std::string AnswerTo(const void* bytes, size_t length) {
    const UniqueFd socket = ConnectTo(path()).value();
    REQUIRE(send(socket.get(), bytes, length, MSG_NOSIGNAL) == static_cast<ssize_t>(length));
    Handle();
    Welcome welcome;
    const auto packet = ReceivePacket(socket.get(), BytesOf(&welcome));
    if (!packet.ok() || packet->bytes != sizeof(Welcome)) return "";
    return welcome.accepted != 0 ? "accepted" : welcome.refusal;
  }
  TemporaryDirectory directory;
  std::vector<std::string> log;
  std::unique_ptr<DataplaneEnd> dataplane;
};

Hello GoodHello() {
  Hello hello;
  hello.sizes = OwnSizes();
  return hello;
}

TEST_CASE("the handshake tells the control plane all about the data plane") {
  Fixture f;
  f.dataplane->SetGeneration(42);
  auto end = ControlplaneEnd::Connect(f.path()).value();
  CHECK_FALSE(*end->FinishHandshake());
  CHECK(end->Send({}).status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(f.Handle().connected);
  REQUIRE(*end->FinishHandshake());
  CHECK(end->welcome().instance == f.dataplane->instance());
  CHECK(end->welcome().generation == 42);
  CHECK(end->welcome().worker_count == 2);
  CHECK(end->welcome().port_count == 1);
  CHECK(end->welcome().ports[0].name == std::string("eth0"));
  CHECK(end->arena_slot_count() == 2);
  CHECK(f.dataplane->peer_process_id() == static_cast<uint32_t>(getpid()));
  struct stat info;
  REQUIRE(stat(f.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
}

TEST_CASE("a hello that differs in any field is refused by the field's name and both values") {
  Fixture f;
  const struct {
    const char* field;
    std::function<void(Hello*)> change;
  } cases[] = {
      {"magic", [](Hello* h) { h->magic ^= 1; }},
      {"protocol version", [](Hello* h) { h->version += 99; }},
      {"request_bytes", [](Hello* h) { h->sizes.request_bytes += 99; }},
      {"response_bytes", [](Hello* h) { h->sizes.response_bytes += 99; }},
      {"slot_bytes", [](Hello* h) { h->sizes.slot_bytes += 99; }},
      {"counters_bytes", [](Hello* h) { h->sizes.counters_bytes += 99; }},
      {"vitals_bytes", [](Hello* h) { h->sizes.vitals_bytes += 99; }},
      {"counter_count", [](Hello* h) { h->sizes.counter_count += 99; }},
      {"drop_reason_count", [](Hello* h) { h->sizes.drop_reason_count += 99; }},
  };
  for (const auto& c : cases) {
    Hello hello = GoodHello();
    c.change(&hello);
    const std::string answer = f.AnswerTo(&hello, sizeof(hello));
    INFO(answer);
    CHECK_THAT(answer, Catch::StartsWith(std::string(c.field) + ": the control plane has "));
    CHECK_THAT(answer, Catch::Contains("expected is "));
    CHECK_FALSE(f.dataplane->connected());
    CHECK_THAT(f.log.back(), Catch::Contains(answer));
  }
  Hello hello = GoodHello();
  hello.sizes.slot_bytes = 8;
  CHECK(f.AnswerTo(&hello, sizeof(hello)) == "slot_bytes: the control plane has 8, expected is 4");
  hello = GoodHello();
  CHECK(f.AnswerTo(&hello, sizeof(hello)) == "accepted");
}

TEST_CASE("hellos of another length, empty ones and garbage are refused") {
  Fixture f;
  Hello hello = GoodHello();
  CHECK_THAT(f.AnswerTo(&hello, 3), Catch::StartsWith("hello: the control plane has 3 bytes"));
  CHECK_THAT(f.AnswerTo(&hello, sizeof(hello) - 4), Catch::StartsWith("hello: "));
  CHECK(f.AnswerTo(&hello, 0).empty());
  std::string longer(reinterpret_cast<const char*>(&hello), sizeof(hello));
  longer.resize(5000, 'x');
  CHECK_THAT(f.AnswerTo(longer.data(), longer.size()), Catch::Contains("5000 bytes"));
  const std::string garbage(1000, '\xff');
  CHECK_THAT(f.AnswerTo(garbage.data(), garbage.size()), Catch::StartsWith("magic: "));
  CHECK(f.Connect()->ready());
}

TEST_CASE("peers that connect and say nothing neither block nor pile up") {
  Fixture f;
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(ConnectTo(f.path()).value());
    f.Handle();
  }
  const auto end = f.Connect();
  CHECK(end->ready());
  // The first ones were hung up on.
  char byte;
  CHECK(recv(silent.front().get(), &byte, 1, MSG_DONTWAIT) == 0);
}

TEST_CASE("a second control plane is refused with the process id of the first") {
  Fixture f;
  auto first = f.Connect();
  auto second = ControlplaneEnd::Connect(f.path()).value();
  f.Handle();
  const absl::Status status = second->FinishHandshake().status();
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK_THAT(std::string(status.message()),
             Catch::Contains("connected already: process " + std::to_string(getpid())));
  CHECK(first->CheckPeer().ok());
  // Once the first is gone there is room, also if both are noticed at once.
  first.reset();
  auto third = ControlplaneEnd::Connect(f.path()).value();
  const auto events = f.Handle();
  CHECK(events.disconnected);
  CHECK(events.connected);
  CHECK(*third->FinishHandshake());
}

TEST_CASE("a packet after the handshake ends the connection") {
  Fixture f;
  auto end = f.Connect();
  REQUIRE(send(end->socket_fd(), "?", 1, MSG_NOSIGNAL) == 1);
  CHECK(f.Handle().disconnected);
  CHECK_FALSE(f.dataplane->connected());
  CHECK(end->CheckPeer().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("who may listen") {
  TemporaryDirectory directory;
  DataplaneEnd::Options options;
  options.socket_path = directory.File("channel");
  SECTION("not where another data plane listens") {
    const auto live = DataplaneEnd::Listen(options).value();
    const absl::Status status = DataplaneEnd::Listen(options).status();
    CHECK(status.code() == absl::StatusCode::kAlreadyExists);
    CHECK_THAT(std::string(status.message()),
               Catch::Contains("process " + std::to_string(getpid()) + " listens there already"));
    CHECK(access(options.socket_path.c_str(), F_OK) == 0);
  }
  SECTION("but where a dead one has") {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    options.socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    UniqueFd dead(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    REQUIRE(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    dead.reset();
    CHECK(DataplaneEnd::Listen(options).ok());
    CHECK(access(options.socket_path.c_str(), F_OK) != 0);  // and it is removed at the end
  }
  SECTION("not where a file is") {
    std::ofstream(options.socket_path) << "precious";
    const absl::Status status = DataplaneEnd::Listen(options).status();
    CHECK_THAT(std::string(status.message()), Catch::EndsWith("exists and is not a socket"));
    CHECK(access(options.socket_path.c_str(), F_OK) == 0);
  }
  SECTION("not at a path that is too long, and not with bad options") {
    options.socket_path = "/tmp/" + std::string(200, 'x');
    CHECK(DataplaneEnd::Listen(options).status().code() == absl::StatusCode::kInvalidArgument);
    options.socket_path = directory.File("channel");
    options.worker_count = kMaxWorkers + 1;
    CHECK_THAT(std::string(DataplaneEnd::Listen(options).status().message()),
               Catch::StartsWith("worker_count"));
  }
}

TEST_CASE("no data plane: unavailable, with the path") {
  TemporaryDirectory directory;
  const absl::Status status = ControlplaneEnd::Connect(directory.File("none")).status();
  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK_THAT(std::string(status.message()), Catch::Contains(directory.File("none")));
}

// Plays a data plane that answers `welcome` and gives the memory and two eventfds.
absl::Status AnswerWith(const Welcome& welcome, int descriptors = 3, bool header = true) {
  TemporaryDirectory directory;
  const UniqueFd listener = ListenOn(directory.File("channel")).value();
  auto end = ControlplaneEnd::Connect(directory.File("channel")).value();
  const UniqueFd peer(accept(listener.get(), nullptr, nullptr));
  const SharedMemory memory = *SharedMemory::Create(kSmall);
  if (header) std::memcpy(memory.header(), &welcome, sizeof(welcome));
  const UniqueFd bell(eventfd(0, EFD_NONBLOCK));
  const std::vector<int> fds = {memory.file(), bell.get(), bell.get()};
  REQUIRE(SendPacket(peer.get(), BytesOf(welcome),
                     absl::MakeSpan(fds).subspan(0, static_cast<size_t>(descriptors)))
              .ok());
  return end->FinishHandshake().status();
}

TEST_CASE("a welcome that does not fit is refused by the field's name") {
  Welcome good;
  good.accepted = 1;
  good.sizes = OwnSizes();
  good.worker_count = 1;
  good.port_count = 1;
  good.request_capacity = kSmall.request_capacity;
  good.response_capacity = kSmall.response_capacity;
  good.arena_slot_count = kSmall.arena_slot_count;
  good.arena_slot_bytes = kSmall.arena_slot_bytes;
  REQUIRE(AnswerWith(good).ok());
  const std::string wrong_version =
      absl::StrCat("protocol version: the data plane has 999, expected is ", kProtocolVersion);
  const struct {
    const char* text;
    std::function<void(Welcome*)> change;
  } cases[] = {
      {"magic: the data plane has", [](Welcome* w) { w->magic ^= 1; }},
      {wrong_version.c_str(), [](Welcome* w) { w->version = 999; }},
      {"accepted: ", [](Welcome* w) { w->accepted = 2; }},
      {"not today", [](Welcome* w) { w->accepted = 0, std::strcpy(w->refusal, "not today"); }},
      {"slot_bytes: the data plane has 5", [](Welcome* w) { w->sizes.slot_bytes = 5; }},
      {"worker_count: ", [](Welcome* w) { w->worker_count = kMaxWorkers + 1; }},
      {"port_count: ", [](Welcome* w) { w->port_count = kMaxPorts + 1; }},
      {"ports[0]: ", [](Welcome* w) { std::memset(w->ports[0].name, 'x', 64); }},
      {"request_capacity is 3", [](Welcome* w) { w->request_capacity = 3; }},
      {"response_capacity is 0", [](Welcome* w) { w->response_capacity = 0; }},
      {"arena_slot_count is 0", [](Welcome* w) { w->arena_slot_count = 0; }},
      {"bytes, expected are", [](Welcome* w) { w->arena_slot_count = 5; }},
      {"arena_slot_bytes is 1", [](Welcome* w) { w->arena_slot_bytes = 1; }},
  };
  for (const auto& c : cases) {
    Welcome welcome = good;
    c.change(&welcome);
    const absl::Status status = AnswerWith(welcome);
    CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
    CHECK_THAT(std::string(status.message()), Catch::Contains(c.text));
  }
  CHECK_THAT(std::string(AnswerWith(good, 2).message()), Catch::StartsWith("descriptors: "));
  CHECK_THAT(std::string(AnswerWith(good, 3, false).message()), Catch::StartsWith("header: "));
}

}  // namespace
}  // namespace guideway::channel
