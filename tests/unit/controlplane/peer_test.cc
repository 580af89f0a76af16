// Who is at the other end of the API's socket, also if it is somebody else.
#include "controlplane/server/peer.h"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "controlplane/server/unix_listener.h"
#include "tests/unit/base/no_threads.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

int Connect(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 ? fd : -1;
}

TEST_CASE("a connection tells user, group and process of its other end") {
  TestDirectory directory;
  const std::string path = directory.File("s");
  std::promise<PeerIdentity> seen;
  auto listener = UnixListener::Start(path, /*most_connections=*/8, [&](UniqueFd connection) {
    seen.set_value(IdentityOf(connection.get()));
    return -1;
  });
  REQUIRE(listener.ok());
  const bool root = geteuid() == 0;
  if (root) {  // let somebody else in
    REQUIRE(chmod(path.c_str(), 0666) == 0);
    REQUIRE(chmod(directory.path().c_str(), 0755) == 0);
  }
  const pid_t child = fork();
  if (child == 0) {
    const gid_t groups[] = {7001, 7002};
    if (root && (setgroups(2, groups) != 0 || setgid(4321) != 0 || setuid(1234) != 0)) _exit(1);
    _exit(Connect(path) >= 0 ? 0 : 2);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  const PeerIdentity identity = seen.get_future().get();
  CHECK(identity.kind == PeerIdentity::kUnixProcess);
  CHECK(identity.uid == (root ? 1234 : getuid()));
  CHECK(identity.gid == (root ? 4321 : getgid()));
  CHECK(identity.pid == child);
  if (root) CHECK(identity.groups == std::vector<uint32_t>{7001, 7002});
  CHECK(identity.ToString() == absl::StrCat("uid ", identity.uid));
}

bool IsClosedByPeer(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  char byte = 0;
  return poll(&waiting, 1, 5000) == 1 && recv(fd, &byte, 1, 0) == 0;
}

TEST_CASE("connections beyond the share are closed at once, until others are") {
  TestDirectory directory;
  const std::string path = directory.File("s");
  std::mutex mutex;
  std::condition_variable came;
  std::vector<UniqueFd> served;
  const auto listener = UnixListener::Start(path, /*most_connections=*/2, [&](UniqueFd connection) {
    const std::lock_guard<std::mutex> guard(mutex);
    served.push_back(std::move(connection));
    came.notify_all();
    return served.back().get();
  });
  REQUIRE(listener.ok());
  const auto await = [&](size_t count) {
    std::unique_lock<std::mutex> lock(mutex);
    return came.wait_for(lock, std::chrono::seconds(5), [&] { return served.size() == count; });
  };
  const UniqueFd first(Connect(path)), second(Connect(path));
  REQUIRE(await(2));
  const UniqueFd third(Connect(path));
  CHECK(IsClosedByPeer(third.get()));
  CHECK((*listener)->refused() == 1);
  {
    const std::lock_guard<std::mutex> guard(mutex);
    served.pop_back();
  }
  const UniqueFd fourth(Connect(path));
  CHECK(await(2));
  CHECK((*listener)->refused() == 1);
}

TEST_CASE("numbers of closed connections are not given to the next ones") {
  UnixPeers peers;
  std::set<int> numbers;
  for (int i = 0; i < 100; ++i) {
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const UniqueFd other(pair[1]);
    const auto registered = peers.Register(UniqueFd(pair[0]));
    REQUIRE(registered.ok());
    numbers.insert(registered->get());
    const PeerIdentity identity = peers.Find(absl::StrCat("fd:", registered->get()));
    CHECK(identity.kind == PeerIdentity::kUnixProcess);
    CHECK(identity.pid == getpid());
  }
  CHECK(numbers.size() == 100);
  CHECK(peers.Find("fd:3").kind == PeerIdentity::kUnknown);
  CHECK(peers.Find("unix:").kind == PeerIdentity::kUnknown);
}

TEST_CASE("what is not a Unix socket is nobody") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK(IdentityOf(ends[0]).kind == PeerIdentity::kUnknown);
  CHECK(IdentityOf(ends[0]).ToString() == "unknown");
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("a listener without a thread is an error in words") {
  const TestDirectory directory;
  const NoThreads none;
  const auto listener =
      UnixListener::Start(directory.File("api.sock"), 10, [](UniqueFd) { return -1; });
  CHECK(absl::IsUnavailable(listener.status()));
  CHECK(listener.status().message().find("starting a thread: ") != std::string::npos);
}

}  // namespace
}  // namespace guideway
