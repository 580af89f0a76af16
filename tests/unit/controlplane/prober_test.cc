// Probes against real servers on 127.0.0.1: those that accept, refuse, hang, answer well or badly.
#include "controlplane/health/prober.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/closed_port.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {
namespace {

using Outcome = ProbeResult::Outcome;

ProbeRequest Request(uint16_t port, bool http) {
  ProbeRequest request;
  request.address = *IpAddress::Parse("127.0.0.1");
  request.port = port;
  request.timeout = absl::Milliseconds(300);
  request.kind = http ? ProbeKind::kHttp : ProbeKind::kTcp;
  request.path = "/health?x=1";
  return request;
}

ProbeResult Run(LoopThread* thread, const ProbeRequest& request) {
  std::unique_ptr<ProbeStarter> starter;
  std::unique_ptr<Probe> probe;
  bool done = false;
  ProbeResult result;
  thread->On([&] {
    const auto finish = [&](const ProbeResult& r) {
      result = r;
      done = true;
      probe.reset();  // as users do
    };
    starter = std::make_unique<ProbeStarter>(thread->loop());
    probe = starter->Start(request, finish);
  });
  CHECK(thread->Await([&] { return done; }));
  thread->On([&] {
    probe.reset();
    starter.reset();
  });
  return result;
}

TEST_CASE("TCP probe: accepted, refused, not answered") {
  LoopThread thread;
  SECTION("accepted") {
    std::unique_ptr<LocalServer> server;
    thread.On([&] { server = std::make_unique<LocalServer>(thread.loop(), std::nullopt); });
    const ProbeResult result = Run(&thread, Request(server->port(), false));
    CHECK(result.outcome == Outcome::kSuccess);
    CHECK(result.reason == "connected");
    thread.On([&] { server.reset(); });
  }
  SECTION("refused") {
    const ClosedPort port;
    const ProbeResult result = Run(&thread, Request(port.port, false));
    CHECK(result.outcome == Outcome::kFailure);
    CHECK(result.reason == "connect: Connection refused");
  }
  SECTION("a server whose queue is full answers no SYN") {
    const ClosedPort port;
    REQUIRE(listen(port.fd(), 0) == 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const UniqueFd filler(socket(AF_INET, SOCK_STREAM, 0));
    REQUIRE(connect(filler.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0);
    const ProbeResult result = Run(&thread, Request(port.port, false));
    CHECK(result.outcome == Outcome::kFailure);
    CHECK(result.reason == "timed out after 300 ms");
  }
}

TEST_CASE("timeouts are told in whole units") {
  CHECK(TimeoutReason(absl::Seconds(3)) == "timed out after 3 s");
  CHECK(TimeoutReason(absl::Milliseconds(1500)) == "timed out after 1500 ms");
}

TEST_CASE("HTTP probe: the status decides") {
  struct Row {
    std::optional<std::string> reply;
    Outcome outcome;
    std::string reason;  // a prefix
  };
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: ";
  const auto row = GENERATE_COPY(values<Row>({
      {ok + "2\r\n\r\nhi", Outcome::kSuccess, "HTTP status 200"},
      {"HTTP/1.0 204 No Content\r\n\r\n", Outcome::kSuccess, "HTTP status 204"},
      {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
       Outcome::kSuccess, "HTTP status 302"},  // not followed
      {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", Outcome::kFailure,
       "HTTP status 503"},
      {ok + "200000\r\n\r\n" + std::string(200000, 'x'), Outcome::kSuccess, "HTTP status 200"},
      {ok + "100\r\n\r\nshort", Outcome::kFailure, "HTTP: "},
      {"ghjkl qwert\r\n\r\n", Outcome::kFailure, "HTTP: "},
      {"", Outcome::kFailure, "HTTP: "},
      {std::nullopt, Outcome::kFailure, "timed out after 300 ms"},
  }));
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  thread.On([&] { server = std::make_unique<LocalServer>(thread.loop(), row.reply); });
  ProbeRequest request = Request(server->port(), true);
  const ProbeResult result = Run(&thread, request);
  INFO(row.reply.value_or("(none)").substr(0, 40) << " -> " << result.reason);
  CHECK(result.outcome == row.outcome);
  CHECK(result.reason.substr(0, row.reason.size()) == row.reason);
  thread.On([&] { server.reset(); });
}

TEST_CASE("HTTP probe: request line, Host header, refused connection") {
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(),
                                           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  ProbeRequest request = Request(server->port(), true);
  setenv("http_proxy", "http://127.0.0.1:1", 1);  // must not be used
  CHECK(Run(&thread, request).outcome == Outcome::kSuccess);
  unsetenv("http_proxy");
  CHECK(server->last_request().find("GET /health?x=1 HTTP/1.1\r\n") == 0);
  CHECK(server->last_request().find(absl::StrCat("\r\nHost: 127.0.0.1:", server->port())) !=
        std::string::npos);
  request.host = "www.example.org";
  CHECK(Run(&thread, request).outcome == Outcome::kSuccess);
  CHECK(server->last_request().find("\r\nHost: www.example.org\r\n") != std::string::npos);
  request.status_min = request.status_max = 200;
  CHECK(Run(&thread, request).outcome == Outcome::kSuccess);
  request.status_min = request.status_max = 201;
  CHECK(Run(&thread, request).outcome == Outcome::kFailure);
  request.status_min = request.status_max = 199;
  CHECK(Run(&thread, request).outcome == Outcome::kFailure);
  thread.On([&] { server.reset(); });

  const ClosedPort port;
  const ProbeResult refused = Run(&thread, Request(port.port, true));
  CHECK(refused.outcome == Outcome::kFailure);
  CHECK(refused.reason == "connect: Connection refused");
}

BackendProbes Target(uint16_t port, bool http) {
  ProbeTarget target;
  target.request = Request(port, http);
  target.interval = absl::Milliseconds(100);
  return {.probes = {target}};
}

// A way that says what it is told to say, and whose sockets are otherwise as always.
struct FakePath : ProbePath {
  absl::Status Prepare(int socket) override {
    ++prepared;
    int type = 0;
    socklen_t size = sizeof(type);
    is_tcp_socket =
        getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
    return prepare_status;
  }
  absl::Status Check() override { return check_status; }
  absl::Status prepare_status, check_status;
  int prepared = 0;
  bool is_tcp_socket = false;
};

TEST_CASE("a probe's own way: what it cannot do is not the backend's fault") {
  const bool http = GENERATE(false, true);
  INFO((http ? "HTTP" : "TCP"));
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(),
                                           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  const ClosedPort closed;
  const auto path = std::make_shared<FakePath>();
  const auto run = [&](uint16_t port) {
    ProbeRequest request = Request(port, http);
    request.via = path;
    return Run(&thread, request);
  };
  CHECK(run(server->port()).outcome == Outcome::kSuccess);
  CHECK(path->prepared == 1);
  CHECK(path->is_tcp_socket);
  CHECK(run(closed.port).outcome == Outcome::kFailure);
  // Success as well as failure, if the packets went elsewhere.
  path->check_status = absl::UnavailableError("went elsewhere");
  for (const uint16_t port : {server->port(), closed.port}) {
    const ProbeResult result = run(port);
    CHECK(result.outcome == Outcome::kNotRun);
    CHECK(result.reason == "went elsewhere");
  }
  path->prepare_status = absl::UnavailableError("no device");
  const int accepted = server->accepted();
  const ProbeResult not_run = run(server->port());
  CHECK(not_run.outcome == Outcome::kNotRun);
  CHECK(not_run.reason == "no device");
  path->prepare_status = absl::FailedPreconditionError("no route");
  const ProbeResult failed = run(server->port());
  CHECK(failed.outcome == Outcome::kFailure);
  CHECK(failed.reason == "no route");
  CHECK(server->accepted() == accepted);
  thread.On([&] { server.reset(); });
}

TEST_CASE("prober: what is not probed says why and keeps its state") {
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  const auto path = std::make_shared<FakePath>();
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    BackendProbes target = Target(server->port(), false);
    target.probes[0].request.via = path;
    prober->SetTargets({{"a", target}});
  });
  CHECK(thread.Await([&] { return prober->Find("a")->state() == HealthState::kHealthy; }));
  int prepared = 0;
  thread.On([&] {
    path->prepare_status = absl::UnavailableError("no device");
    prepared = path->prepared;
  });
  CHECK(thread.Await([&] { return path->prepared > prepared + 4; }));  // more than `fall`
  thread.On([&] {
    CHECK(prober->Find("a")->state() == HealthState::kHealthy);
    CHECK(prober->Find("a")->reason() == "not probed: no device");
    prober.reset();
    server.reset();
  });
}

TEST_CASE("prober: verdicts, a server that comes back, state kept over new targets") {
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  std::vector<std::string> changes;
  const ClosedPort closed;
  uint16_t port = 0;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
    port = server->port();
    prober = std::make_unique<Prober>(thread.loop(),
                                      [&](const std::string& key) { changes.push_back(key); });
    prober->SetTargets({{"good", Target(port, false)}, {"bad", Target(closed.port, true)}});
  });
  const auto is = [&](const char* key, HealthState state) {
    return thread.Await([&, key, state] {
      const BackendHealth* health = prober->Find(key);
      return health != nullptr && health->state() == state;
    });
  };
  CHECK(is("good", HealthState::kHealthy));
  CHECK(is("bad", HealthState::kUnhealthy));
  thread.On([&] {
    CHECK(changes.size() == 2);
    CHECK(prober->Find("other") == nullptr);
    server.reset();
  });
  CHECK(is("good", HealthState::kUnhealthy));
  thread.On([&] {
    CHECK(prober->Find("good")->reason() == "connect: Connection refused");
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt, "127.0.0.1", port);
  });
  CHECK(is("good", HealthState::kHealthy));
  absl::Duration since;
  thread.On([&] {
    since = prober->Find("good")->since();
    BackendProbes other = Target(port, false);
    other.probes[0].request.host = "other";
    BackendProbes patient = Target(port, false);
    patient.probes[0].request.timeout += absl::Seconds(1);
    prober->SetTargets({{"good", Target(port, false)},
                        {"alias", Target(port, false)},
                        {"patient", patient},
                        {"new", other}});
    CHECK(prober->Find("good")->state() == HealthState::kHealthy);
    CHECK(prober->Find("good")->since() == since);
    // It is asked what "good" is asked, so the answers are known.
    CHECK(prober->Find("alias")->state() == HealthState::kHealthy);
    CHECK(prober->Find("patient")->state() == HealthState::kHealthy);
    CHECK(prober->Find("new")->state() == HealthState::kUnknown);
    CHECK(prober->Find("bad") == nullptr);
  });
  CHECK(is("new", HealthState::kHealthy));
  thread.On([&] {
    prober.reset();  // with probes in flight
    server.reset();
  });
}

TEST_CASE("prober: probes keep their interval") {
  LoopThread thread;
  std::unique_ptr<LocalServer> server;
  std::unique_ptr<Prober> prober;
  thread.On([&] {
    server = std::make_unique<LocalServer>(thread.loop(), std::nullopt);
    prober = std::make_unique<Prober>(thread.loop(), [](const std::string&) {});
    prober->SetTargets({{"a", Target(server->port(), false)}});
  });
  absl::Duration first, last;
  REQUIRE(thread.Await([&] { return server->accepted() >= 1; }));
  thread.On([&] { first = thread.loop()->Now(); });
  REQUIRE(thread.Await([&] { return server->accepted() >= 11; }));
  thread.On([&] { last = thread.loop()->Now(); });
  // Ten intervals of 100 ms with 10% jitter; late wake-ups of a busy machine only add.
  CHECK(last - first >= absl::Milliseconds(890));
  CHECK(last - first < absl::Milliseconds(3000));
  thread.On([&] {
    prober.reset();
    server.reset();
  });
}

}  // namespace
}  // namespace guideway
