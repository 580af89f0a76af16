// The server from outside: what it answers, what it refuses, what its headers say.
#include "controlplane/metrics/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

// Sends bytes, returns all that comes back.
std::string Exchange(uint16_t port, const std::string& request) {
  UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  timeval patience = {10, 0};
  setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  send(client.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string reply;
  char buffer[4096];
  for (ssize_t got; (got = read(client.get(), buffer, sizeof(buffer))) > 0;) {
    reply.append(buffer, static_cast<size_t>(got));
  }
  return reply;
}

std::string Get(uint16_t port, const std::string& path, const std::string& host = "localhost",
                const std::string& method = "GET") {
  return Exchange(port, absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: ", host, "\r\n\r\n"));
}

std::unique_ptr<HttpServer> Start(const std::string& address = "127.0.0.1:0") {
  auto server = HttpServer::Start(*HttpAddress::Parse(address), [](const std::string& path) {
    if (path != "/known") return HttpResponse{404, "text/plain", "no"};
    return HttpResponse{200, "text/plain", "body"};
  });
  REQUIRE(server.ok());
  return *std::move(server);
}

TEST_CASE("addresses") {
  for (const char* right : {"127.0.0.1:9487", "[::1]:9487", "0.0.0.0:1", "[2001:db8::1]:65535"}) {
    INFO(right);
    const auto address = HttpAddress::Parse(right);
    REQUIRE(address.ok());
    CHECK(address->ToString() == right);
    CHECK(address->IsLoopback() ==
          (absl::StrContains(right, "127") || absl::StartsWith(right, "[::1")));
  }
  for (const char* wrong :
       {"", "9487", ":9487", "localhost:9487", "127.0.0.1", "127.0.0.1:", "::1:80",
        "[127.0.0.1]:80", "127.0.0.1:65536", "127.0.0.1:80,443s", "127.0.0.1:-1", "127.0.0.1:+80",
        "127.0.0.1: 80", "[::1]", "[::1]:80r", "127.0.0.1:80 "}) {
    INFO(wrong);
    CHECK_FALSE(HttpAddress::Parse(wrong).ok());
  }
}

TEST_CASE("answers and headers") {
  const auto server = Start();
  const std::string reply = Get(server->port(), "/known");
  CHECK(absl::StartsWith(reply, "HTTP/1.1 200 OK\r\n"));
  CHECK(absl::EndsWith(reply, "\r\n\r\nbody"));
  CHECK(absl::StrContains(reply, "\r\nContent-Length: 4\r\n"));
  CHECK(absl::StrContains(reply, "\r\nContent-Security-Policy: default-src 'none';"));
  CHECK(absl::StrContains(reply, "\r\nX-Content-Type-Options: nosniff\r\n"));
  CHECK(absl::StrContains(reply, "\r\nCache-Control: no-store\r\n"));
  const std::string head = Get(server->port(), "/known", "localhost", "HEAD");
  CHECK(absl::StrContains(head, "\r\nContent-Length: 4\r\n"));
  CHECK(absl::EndsWith(head, "\r\n\r\n"));
  CHECK(absl::StartsWith(Get(server->port(), "/known?a=b"), "HTTP/1.1 200 "));
}

TEST_CASE("nothing but what is there, and nothing but reading") {
  const auto server = Start();
  for (const char* path : {"/", "/etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                           "/known/", "/known/more"}) {
    INFO(path);
    const std::string reply = Get(server->port(), path);
    CHECK_FALSE(absl::StartsWith(reply, "HTTP/1.1 200"));
    CHECK_FALSE(absl::StrContains(reply, "root:"));
  }
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    INFO(method);
    CHECK_FALSE(
        absl::StartsWith(Get(server->port(), "/known", "localhost", method), "HTTP/1.1 200"));
  }
  CHECK(absl::StartsWith(Get(server->port(), "/known", "localhost", "POST"), "HTTP/1.1 405 "));
}

TEST_CASE("on loopback only addresses and localhost are names for it") {
  const auto server = Start();
  for (const char* host :
       {"localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:9487", "[::1]:9487"}) {
    INFO(host);
    CHECK(absl::StartsWith(Get(server->port(), "/known", host), "HTTP/1.1 200 "));
  }
  for (const char* host : {"evil.example", "localhost.evil.example:9487", "[", "[evil]"}) {
    INFO(host);
    CHECK_FALSE(absl::StartsWith(Get(server->port(), "/known", host), "HTTP/1.1 200 "));
  }
}

TEST_CASE("elsewhere any name will do") {
  const auto server = Start("0.0.0.0:0");
  CHECK(absl::StartsWith(Get(server->port(), "/known", "lb.example"), "HTTP/1.1 200 "));
}

TEST_CASE("garbage is answered or hung up on, and the server goes on") {
  const auto server = Start();
  Exchange(server->port(), std::string(100'000, 'x') + "\r\n\r\n");
  Exchange(server->port(), std::string("\0\r\n\r\n", 5));
  Exchange(server->port(), "GET /known HTTP/9.9\r\n\r\n");
  CHECK(absl::StartsWith(Get(server->port(), "/known"), "HTTP/1.1 200 "));
}

TEST_CASE("a port in use is an error that names it") {
  const auto server = Start();
  const std::string taken = absl::StrCat("127.0.0.1:", server->port());
  const auto second = HttpServer::Start(*HttpAddress::Parse(taken), nullptr);
  REQUIRE_FALSE(second.ok());
  CHECK(absl::StrContains(second.status().ToString(), taken));
}

}  // namespace
}  // namespace guideway
