// A lock that one process holds, and that nobody without privilege takes in advance.
#include "lib/base/named_lock.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/base/temporary_directory.h"

namespace guideway {
namespace {

constexpr uid_t kNobody = 65534;

// Whether `action` succeeds in a process of a user without privileges.
template <typename Action>
bool CanAnybody(const Action& action) {
  const pid_t child = fork();
  if (child == 0) {
    const bool dropped = setresuid(kNobody, kNobody, kNobody) == 0;
    _exit(dropped && action() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_CASE("one holds a lock until it lets go, and is named") {
  const TemporaryDirectory place;
  const std::string directory = place.File("made");
  {
    const auto first = TakeNamedLock(directory, "a");
    INFO(first.status());
    REQUIRE(first.ok());
    const auto second = TakeNamedLock(directory, "a");
    CHECK(absl::IsAlreadyExists(second.status()));
    CHECK(std::string(second.status().message()) == absl::StrCat("process ", getpid()));
    CHECK(TakeNamedLock(directory, "b").ok());
  }
  CHECK(TakeNamedLock(directory, "a").ok());
}

TEST_CASE("each network namespace has its own") {
  if (geteuid() != 0) return;
  const TemporaryDirectory place;
  const auto here = TakeNamedLock(place.path(), "a");
  REQUIRE(here.ok());
  bool entered = false, there = false;
  std::thread([&] {
    entered = unshare(CLONE_NEWNET) == 0;
    there = TakeNamedLock(place.path(), "a").ok();
  }).join();
  REQUIRE(entered);
  CHECK(there);
}

TEST_CASE("whoever has no privilege takes no lock in advance") {
  if (geteuid() != 0) return;
  const TemporaryDirectory place;
  REQUIRE(chmod(place.path().c_str(), 0755) == 0);
  { REQUIRE(TakeNamedLock(place.path(), "a").ok()); }
  const std::string file = std::filesystem::directory_iterator(place.path())->path();
  CHECK_FALSE(CanAnybody([&] { return open(file.c_str(), O_RDONLY | O_CLOEXEC) >= 0; }));
  CHECK_FALSE(CanAnybody(
      [&] { return open(place.File("b").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0; }));
}

// Anybody may have these: the names by which the lock was taken before.
TEST_CASE("a socket of the same name is no hindrance") {
  const TemporaryDirectory place;
  const UniqueFd squatter(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = absl::StrCat("guideway-lock-test-", getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  REQUIRE(bind(squatter.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
  CHECK(TakeNamedLock(place.path(), name).ok());
}

TEST_CASE("a directory that anybody writes to is refused") {
  const TemporaryDirectory place;
  REQUIRE(chmod(place.path().c_str(), 0777) == 0);
  const auto refused = TakeNamedLock(place.path(), "a");
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK_THAT(std::string(refused.status().message()), Catch::Matchers::Contains(place.path()));
}

}  // namespace
}  // namespace guideway
