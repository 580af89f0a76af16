// The API on a real socket: rights, stale and live sockets, and what changes the configuration.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/cli/client.h"
#include "lib/base/unique_fd.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

UniqueFd Bind(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

absl::Status StartOn(const std::string& path, TestApi* daemon) {
  return ApiServer::Start(path, &daemon->store(), ServiceHooks{}).status();
}

std::vector<std::string> ProblemsOn(const std::string& path, TestApi* daemon) {
  const auto server = ApiServer::Start(path, &daemon->store(), ServiceHooks{});
  REQUIRE(server.ok());
  return (*server)->problems();
}

TEST_CASE("the socket is for owner and group only, and gone afterwards") {
  TestApi daemon;
  struct stat info;
  REQUIRE(stat(daemon.socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
  daemon.Stop();
  CHECK(stat(daemon.socket().c_str(), &info) != 0);
}

TEST_CASE("a live socket is refused by name and goes on working") {
  TestApi daemon;
  const absl::Status status = StartOn(daemon.socket(), &daemon);
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(status.message() ==
        absl::StrCat("socket ", daemon.socket(), ": process ", getpid(), " is listening on it"));
  CHECK(daemon.Run({"status"}).exit_code == 0);
}

TEST_CASE("a dead process's socket is replaced") {
  TestApi daemon;
  const std::string path = daemon.directory().File("dead.sock");
  { const UniqueFd dead = Bind(path); }
  struct stat info;
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK(StartOn(path, &daemon).ok());
}

TEST_CASE("what is not a socket is left alone") {
  TestApi daemon;
  const std::string path = daemon.directory().Write("precious", "data");
  CHECK(ProblemsOn(path, &daemon) == std::vector<std::string>{"socket " + path +
                                                              ": something that is not a socket is "
                                                              "there"});
  CHECK(ReadWhole(path) == "data");
  const std::string too_long = "/tmp/" + std::string(120, 'x');
  CHECK(
      ProblemsOn(too_long, &daemon) ==
      std::vector<std::string>{"socket " + too_long + ": the path must have from 1 to 107 bytes"});
}

TEST_CASE("changes through the API are checked whole") {
  TestApi daemon;
  cli::Client client(daemon.socket());
  using Stub = v1::Guideway::Stub;
  v1::ApplyResponse response;
  SECTION("an invalid configuration names its fields") {
    v1::ApplyRequest request;
    *request.mutable_config() = daemon.store().config();
    request.mutable_config()->mutable_pools(0)->set_table_size(10);
    const absl::Status status = client.Call(&Stub::Apply, request, &response);
    CHECK(absl::IsInvalidArgument(status));
    CHECK(status.message() == "pools[0].table_size: 10 is not a prime; the next one is 11");
  }
  SECTION("an empty message is not a configuration") {
    const absl::Status status = client.Call(&Stub::Apply, v1::ApplyRequest(), &response);
    CHECK(absl::StrContains(status.message(), "flow_hash_secret: is missing"));
  }
  SECTION("a long list of problems arrives") {
    v1::ApplyRequest request;
    *request.mutable_config() = daemon.store().config();
    for (int i = 0; i < 2000; ++i) {
      request.mutable_config()->mutable_pools(0)->add_backends()->set_name(std::string(300, '!'));
    }
    const absl::Status status = client.Call(&Stub::Apply, request, &response);
    CHECK(absl::IsInvalidArgument(status));
    CHECK(status.message().size() > 1000);
  }
  SECTION("defaults are filled in for what an edit leaves out") {
    v1::AddBackendRequest request;
    request.set_pool("web");
    request.mutable_backend()->set_name("new");
    request.mutable_backend()->set_address("10.0.0.9");
    REQUIRE(client.Call(&Stub::AddBackend, request, &response).ok());
    CHECK(response.changes(0) == "pool web: backend new added (10.0.0.9, weight 100, enabled)");
    CHECK(daemon.configs_set() == 1);
    return;
  }
  SECTION("nothing to set") {
    v1::SetBackendRequest request;
    request.set_pool("web");
    request.set_backend("web-1");
    CHECK(absl::IsInvalidArgument(client.Call(&Stub::SetBackend, request, &response)));
  }
  SECTION("a message above the limit") {
    v1::ApplyRequest request;
    request.mutable_config()->set_flow_hash_secret(std::string(17 << 20, 'x'));
    CHECK(absl::IsResourceExhausted(client.Call(&Stub::Apply, request, &response)));
  }
  SECTION("the loop has stopped") {
    daemon.loop_runs = false;
    v1::GetStateResponse state;
    CHECK(absl::IsUnavailable(client.Call(&Stub::GetState, v1::GetStateRequest(), &state)));
  }
  CHECK(daemon.store().version() == 1);
  CHECK(daemon.configs_set() == 0);
}

TEST_CASE("what the data plane refuses is taken back; what it has not yet is warned of") {
  TestApi daemon;
  daemon.commit_outcome = {CommitOutcome::kRefused, "tables refused: out of memory"};
  const auto refused = daemon.Run({"backend", "weight", "web", "web-1", "9"});
  CHECK(refused.exit_code == 1);
  CHECK(absl::StrContains(refused.err, "tables refused: out of memory"));
  CHECK(daemon.configs_set() == 2);  // the old one again
  CHECK(daemon.store().version() == 1);
  daemon.Restart();
  CHECK(daemon.store().config().pools(0).backends(0).weight() == 100);
  daemon.commit_outcome = {CommitOutcome::kNotYet, "no data plane"};
  const auto later = daemon.Run({"backend", "weight", "web", "web-1", "9"});
  CHECK(later.exit_code == 0);
  CHECK(absl::StrContains(later.out, "warning: kept, but not yet in force: no data plane\n"));
  daemon.Restart();
  CHECK(daemon.store().config().pools(0).backends(0).weight() == 9);
}

TEST_CASE("bytes that are not gRPC do no harm") {
  TestApi daemon;
  for (int i = 0; i < 50; ++i) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    daemon.socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
    REQUIRE(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    std::string noise(static_cast<size_t>(i * 37), static_cast<char>(i * 31));
    if (i % 2 == 0) noise = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noise;
    CHECK(send(fd.get(), noise.data(), noise.size(), MSG_NOSIGNAL) >= 0);
  }
  CHECK(daemon.Run({"status"}).exit_code == 0);
}

}  // namespace
}  // namespace guideway
