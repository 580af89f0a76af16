// Each kind of probe against a real server of its kind: openssl s_server, the gRPC library's health
// service, the kernel's ping. All on loopback. Programs: program_probe_test.cc.
#include <fcntl.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/probe_runner.h"

namespace guideway {
namespace {

using Outcome = ProbeResult::Outcome;

// A program that is killed at the end. Its standard output can be waited on.
class Server {
 public:
  explicit Server(std::vector<std::string> arguments) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    output_.reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, write_end.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, write_end.get(), STDERR_FILENO);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    REQUIRE(posix_spawnp(&pid_, pointers[0], &files, nullptr, pointers.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&files);
  }
  ~Server() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  void AwaitOutput(const std::string& text) {
    std::string seen;
    char buffer[256];
    while (seen.find(text) == std::string::npos) {
      const ssize_t got = read(output_.get(), buffer, sizeof(buffer));
      if (got <= 0) FAIL("ended early: " << seen);
      seen.append(buffer, static_cast<size_t>(got));
    }
  }
  int Wait() {
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_ = 0;
  UniqueFd output_;
};

uint16_t FreePort() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(local);
  REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) == 0);
  REQUIRE(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
  return ntohs(local.sin_port);
}

void MakeCertificate(const ProbeDirectory& directory, const std::string& name) {
  Server openssl({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
                  directory.File(name + ".key"), "-out", directory.File(name + ".pem"), "-subj",
                  "/CN=" + name, "-addext", "subjectAltName=DNS:" + name});
  REQUIRE(openssl.Wait() == 0);
}

TEST_CASE("https probe: certificate, name, SNI, against openssl s_server") {
  const ProbeDirectory directory;
  MakeCertificate(directory, "other.test");
  MakeCertificate(directory, "web.test");
  const uint16_t port = FreePort();
  // The certificate of web.test is shown only to whoever asks for that name (SNI).
  Server server({"openssl", "s_server", "-accept", absl::StrCat("127.0.0.1:", port), "-www",
                 "-cert", directory.File("other.test.pem"), "-key",
                 directory.File("other.test.key"), "-servername", "web.test", "-cert2",
                 directory.File("web.test.pem"), "-key2", directory.File("web.test.key")});
  server.AwaitOutput("ACCEPT");
  ProbeRunner runner;
  ProbeRequest request = Request(ProbeKind::kHttps, port);
  request.tls_ca_file = directory.File("web.test.pem");
  request.tls_name = "web.test";
  CHECK(runner.Run(request).outcome == Outcome::kSuccess);
  request.expect = "s_server";  // its page has its command line
  ProbeResult result = runner.Run(request);
  INFO(result.reason);
  CHECK(result.outcome == Outcome::kSuccess);
  request.expect = "no such text";
  CHECK(runner.Run(request).reason == "HTTP status 200, body without what is expected");
  request.expect.clear();

  request.tls_name.clear();
  request.host = "web.test:443";  // the name is taken from there
  CHECK(runner.Run(request).outcome == Outcome::kSuccess);
  request.host.clear();
  result = runner.Run(request);  // the address is not in the certificate of other.test
  CHECK(result.outcome == Outcome::kFailure);
  CHECK(absl::StartsWith(result.reason, "TLS: "));
  request.tls_verify = false;
  CHECK(runner.Run(request).outcome == Outcome::kSuccess);
  request.tls_verify = true;
  request.tls_name = "web.test";
  request.tls_ca_file.clear();  // this host's: nobody there vouches for web.test
  CHECK(absl::StartsWith(runner.Run(request).reason, "TLS: "));
  request.tls_ca_file = directory.File("missing.pem");
  result = runner.Run(request);
  CHECK(result.outcome == Outcome::kNotRun);
  CHECK(absl::StartsWith(result.reason, "cannot read certificates of "));
}

TEST_CASE("https probe: a server that speaks no TLS") {
  ProbeRunner runner;
  std::unique_ptr<LocalServer> server;
  runner.thread.On(
      [&] { server = std::make_unique<LocalServer>(runner.thread.loop(), std::string("hello")); });
  ProbeRequest request = Request(ProbeKind::kHttps, server->port());
  request.timeout = absl::Milliseconds(300);
  CHECK(runner.Run(request).outcome == Outcome::kFailure);
  runner.thread.On([&] { server.reset(); });
}

// Answers each datagram with `reply`; without one it stays silent.
class UdpServer {
 public:
  UdpServer(LoopThread* thread, std::optional<std::string> reply)
      : thread_(thread), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(local);
    REQUIRE(bind(socket_.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) == 0);
    REQUIRE(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
    port = ntohs(local.sin_port);
    thread_->On([this, reply] {
      thread_->loop()->Watch(socket_.get(), EPOLLIN, [this, reply](uint32_t) {
        char buffer[4096];
        sockaddr_in from{};
        socklen_t from_size = sizeof(from);
        const ssize_t got = recvfrom(socket_.get(), buffer, sizeof(buffer), 0,
                                     reinterpret_cast<sockaddr*>(&from), &from_size);
        if (got < 0) return;
        received.assign(buffer, static_cast<size_t>(got));
        source = ntohl(from.sin_addr.s_addr);
        for (const auto& text : {first, reply}) {
          if (!text.has_value()) continue;
          sendto(socket_.get(), text->data(), text->size(), 0, reinterpret_cast<sockaddr*>(&from),
                 from_size);
        }
      });
    });
  }
  ~UdpServer() {
    thread_->On([this] { thread_->loop()->Unwatch(socket_.get()); });
  }
  uint16_t port = 0;
  std::string received;
  std::optional<std::string> first;  // sent before the reply
  uint32_t source = 0;

 private:
  LoopThread* thread_;
  UniqueFd socket_;
};

TEST_CASE("udp probe: answers, silence, refusal") {
  ProbeRunner runner;
  SECTION("answers") {
    const std::string bytes("\x00\x01ok\xff", 5);
    UdpServer server(&runner.thread, bytes);
    ProbeRequest request = Request(ProbeKind::kUdp, server.port);
    request.timeout = absl::Milliseconds(200);
    request.send = std::string("ask\0me", 6);
    CHECK(runner.Run(request).reason == "answer of 5 bytes");
    CHECK(server.received == request.send);
    request.expect = bytes.substr(0, 2);
    CHECK(runner.Run(request).outcome == Outcome::kSuccess);
    server.first = "late";  // somebody else's answer
    CHECK(runner.Run(request).outcome == Outcome::kSuccess);
    request.expect = "OK";
    const ProbeResult result = runner.Run(request);
    CHECK(result.outcome == Outcome::kFailure);
    CHECK(result.reason == "an answer of 5 bytes without what is expected");
    request.expect.clear();
    request.source = *IpAddress::Parse("127.0.0.9");
    CHECK(runner.Run(request).outcome == Outcome::kSuccess);
    CHECK(server.source == 0x7f000009);
    request.source = *IpAddress::Parse("192.0.2.1");  // nobody's here
    CHECK(runner.Run(request).outcome == Outcome::kNotRun);
  }
  SECTION("silence") {
    const UdpServer server(&runner.thread, std::nullopt);
    ProbeRequest request = Request(ProbeKind::kUdp, server.port);
    request.timeout = absl::Milliseconds(200);
    CHECK(runner.Run(request).reason == "timed out after 200 ms");
    request.silent = true;
    const ProbeResult result = runner.Run(request);
    CHECK(result.outcome == Outcome::kSuccess);
    CHECK(result.reason == "not refused");
  }
  SECTION("an ICMP error is a refusal, and comes at once") {
    ProbeRequest request = Request(ProbeKind::kUdp, FreePort());
    request.timeout = absl::Seconds(60);
    request.silent = true;
    const ProbeResult result = runner.Run(request);
    CHECK(result.outcome == Outcome::kFailure);
    CHECK(result.reason == "answer: Connection refused");
  }
}

TEST_CASE("tcp and http probes come from their source address") {
  ProbeRunner runner;
  std::unique_ptr<LocalServer> server;
  runner.thread.On([&] {
    server = std::make_unique<LocalServer>(runner.thread.loop(),
                                           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  });
  for (const ProbeKind kind : {ProbeKind::kTcp, ProbeKind::kHttp}) {
    ProbeRequest request = Request(kind, server->port());
    request.source = *IpAddress::Parse("127.0.0.7");
    CHECK(runner.Run(request).outcome == Outcome::kSuccess);
    runner.thread.On([&] { CHECK(server->last_peer() == "127.0.0.7"); });
    request.source = *IpAddress::Parse("192.0.2.1");
    CHECK(runner.Run(request).outcome == Outcome::kNotRun);
  }
  ProbeRequest request = Request(ProbeKind::kHttp, server->port());
  request.expect = "hi";
  CHECK(runner.Run(request).outcome == Outcome::kSuccess);
  request.expect = "ho";
  CHECK(runner.Run(request).outcome == Outcome::kFailure);
  runner.thread.On([&] { server.reset(); });
}

bool WriteSysctl(const std::string& name, const std::string& value) {
  std::ofstream file("/proc/sys/net/" + name);  // of the thread's namespace
  file << value << std::flush;
  return static_cast<bool>(file);
}

void SetLoopbackUp() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  CHECK(ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
}

TEST_CASE("icmp probe: the kernel answers, or does not, by ping socket and by raw socket") {
  bool entered = false;
  ProbeRunner runner([&entered] { entered = unshare(CLONE_NEWNET) == 0; });
  runner.thread.On([] {});
  if (!entered) {
    WARN("needs the right to make a network namespace");
    return;
  }
  const bool ping_socket = GENERATE(false, true);
  INFO((ping_socket ? "ping socket" : "raw socket"));
  runner.thread.On([&] {
    SetLoopbackUp();
    // Nobody, which is the default; or everybody.
    CHECK(WriteSysctl("ipv4/ping_group_range", ping_socket ? "0 2147483647" : "1 0"));
  });
  for (const char* address : {"127.0.0.1", "127.0.0.5", "::1"}) {
    INFO(address);
    const ProbeResult result = runner.Run(Request(ProbeKind::kIcmp, 0, address));
    CHECK(result.outcome == Outcome::kSuccess);
    CHECK(result.reason == "echo reply");
  }
  runner.thread.On([] {
    CHECK(WriteSysctl("ipv4/icmp_echo_ignore_all", "1"));
    CHECK(WriteSysctl("ipv6/icmp/echo_ignore_all", "1"));
  });
  for (const char* address : {"127.0.0.1", "::1"}) {
    ProbeRequest request = Request(ProbeKind::kIcmp, 0, address);
    request.timeout = absl::Milliseconds(200);
    CHECK(runner.Run(request).reason == "timed out after 200 ms");
  }
  const ProbeResult no_route = runner.Run(Request(ProbeKind::kIcmp, 0, "192.0.2.1"));
  CHECK(no_route.outcome == Outcome::kNotRun);
  CHECK(no_route.reason == "connect: Network is unreachable");
}

TEST_CASE("grpc probe, against the gRPC library's health service") {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  // A server wants a service beside the health service: one that implements nothing.
  grpc::CallbackGenericService nothing;
  builder.RegisterCallbackGenericService(&nothing);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  REQUIRE(server != nullptr);
  const std::string long_name(200, 'n'), name_128(128, 'n');
  grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
  health->SetServingStatus("up", true);
  health->SetServingStatus(long_name, true);
  health->SetServingStatus(name_128, true);
  health->SetServingStatus("down", false);
  ProbeRunner runner;
  ProbeRequest request = Request(ProbeKind::kGrpc, static_cast<uint16_t>(port));
  struct Row {
    std::string service;
    Outcome outcome;
    std::string reason;
  };
  const std::vector<Row> rows = {
      {"", Outcome::kSuccess, "SERVING"},         {"up", Outcome::kSuccess, "SERVING"},
      {long_name, Outcome::kSuccess, "SERVING"},  {name_128, Outcome::kSuccess, "SERVING"},
      {"down", Outcome::kFailure, "NOT_SERVING"}, {"none", Outcome::kFailure, "gRPC status 5"}};
  for (const Row& row : rows) {
    request.grpc_service = row.service;
    const ProbeResult result = runner.Run(request);
    INFO(row.service << " -> " << result.reason);
    CHECK(result.outcome == row.outcome);
    CHECK(result.reason.substr(0, row.reason.size()) == row.reason);
  }
  health->SetServingStatus(false);
  request.grpc_service.clear();
  CHECK(runner.Run(request).reason == "NOT_SERVING");
  server->Shutdown();
  CHECK(runner.Run(request).reason == "connect: Connection refused");
}

TEST_CASE("grpc probe over TLS, and without a health service") {
  const ProbeDirectory directory;
  MakeCertificate(directory, "grpc.test");
  const auto read = [&](const std::string& name) {
    std::ifstream file(directory.File(name));
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  grpc::EnableDefaultHealthCheckService(false);
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({read("grpc.test.key"), read("grpc.test.pem")});
  grpc::ServerBuilder builder;
  int port = 0;
  // A server wants a service beside the health service: one that implements nothing.
  grpc::CallbackGenericService nothing;
  builder.RegisterCallbackGenericService(&nothing);
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port);
  const bool has_service = GENERATE(false, true);
  grpc::EnableDefaultHealthCheckService(has_service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  REQUIRE(server != nullptr);
  ProbeRunner runner;
  ProbeRequest request = Request(ProbeKind::kGrpcs, static_cast<uint16_t>(port));
  request.tls_ca_file = directory.File("grpc.test.pem");
  request.tls_name = "grpc.test";
  const ProbeResult result = runner.Run(request);
  INFO(result.reason);
  CHECK(result.outcome == (has_service ? Outcome::kSuccess : Outcome::kFailure));
  // The server may answer before it has read the request, and reset the stream in the same breath:
  // then libcurl does not hand over the answer.
  const bool refused = absl::StartsWith(result.reason, "gRPC status 12") ||
                       result.reason == "HTTP: the server reset the stream";
  if (!has_service) CHECK(refused);
  request.tls_name = "other.test";
  CHECK(absl::StartsWith(runner.Run(request).reason, "TLS: "));
}

TEST_CASE("grpc probe: a server that speaks HTTP/1.1 only") {
  ProbeRunner runner;
  std::unique_ptr<LocalServer> server;
  runner.thread.On([&] {
    server = std::make_unique<LocalServer>(runner.thread.loop(),
                                           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  });
  ProbeRequest request = Request(ProbeKind::kGrpc, server->port());
  request.timeout = absl::Milliseconds(300);
  CHECK(runner.Run(request).outcome == Outcome::kFailure);
  runner.thread.On([&] { server.reset(); });
}

}  // namespace
}  // namespace guideway
