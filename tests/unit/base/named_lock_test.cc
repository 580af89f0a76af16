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

// Without a problem.
absl::StatusOr<UniqueFd> Take(const std::string& directory, const std::string& name) {
  std::string problem;
  auto lock = TakeNamedLock(directory, name, &problem);
  CHECK(problem.empty());
  return lock;
}

constexpr uid_t kNobody = 65534;

uint64_t NetworkNamespaceNumber() {
  struct stat info {};
  REQUIRE(stat("/proc/thread-self/ns/net", &info) == 0);
  return info.st_ino;
}

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
    const auto first = Take(directory, "a");
    INFO(first.status());
    REQUIRE(first.ok());
    const auto second = Take(directory, "a");
    CHECK(absl::IsAlreadyExists(second.status()));
    CHECK(std::string(second.status().message()) == absl::StrCat("process ", getpid()));
    CHECK(Take(directory, "b").ok());
  }
  CHECK(Take(directory, "a").ok());
}

TEST_CASE("each network namespace has its own") {
  if (geteuid() != 0) return;
  const TemporaryDirectory place;
  const auto here = Take(place.path(), "a");
  REQUIRE(here.ok());
  bool entered = false, there = false;
  std::thread([&] {
    entered = unshare(CLONE_NEWNET) == 0;
    there = Take(place.path(), "a").ok();
  }).join();
  REQUIRE(entered);
  CHECK(there);
}

TEST_CASE("whoever has no privilege takes no lock in advance") {
  if (geteuid() != 0) return;
  const TemporaryDirectory place;
  REQUIRE(chmod(place.path().c_str(), 0755) == 0);
  { REQUIRE(Take(place.path(), "a").ok()); }
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
  CHECK(Take(place.path(), name).ok());
}

TEST_CASE("where there is no lock to be had work goes on, and why is said") {
  const TemporaryDirectory place;
  std::string directory = place.path(), problem;
  SECTION("anybody could take it in advance") { REQUIRE(chmod(directory.c_str(), 0777) == 0); }
  SECTION("something else than a directory is there") { directory = "/dev/null"; }
  SECTION("it cannot be made") { directory = "/proc/guideway"; }
  SECTION("something else than a file is there") {
    const std::string file = absl::StrCat("a-", NetworkNamespaceNumber(), ".lock");
    REQUIRE(mkdir(place.File(file.c_str()).c_str(), 0755) == 0);
  }
  const auto lock = TakeNamedLock(directory, "a", &problem);
  REQUIRE(lock.ok());
  CHECK_FALSE(lock->valid());
  CHECK_THAT(problem, Catch::Matchers::Contains(directory));
  CHECK_THAT(problem, Catch::Matchers::Contains("; another process would not be kept away"));
}

TEST_CASE("a lock whose file was removed is taken anew, on a file that others see") {
  const TemporaryDirectory place;
  const auto first = Take(place.path(), "a");
  REQUIRE(first.ok());
  std::filesystem::remove(std::filesystem::directory_iterator(place.path())->path());
  const auto second = Take(place.path(), "a");
  CHECK(second.ok());
  CHECK(absl::IsAlreadyExists(Take(place.path(), "a").status()));
}

TEST_CASE("a lock's file belongs to whom its directory belongs") {
  if (geteuid() != 0) return;
  const TemporaryDirectory place;
  REQUIRE(chown(place.path().c_str(), kNobody, kNobody) == 0);
  { REQUIRE(Take(place.path(), "a").ok()); }
  const std::string& directory = place.path();
  CHECK(CanAnybody([&] {
    std::string problem;
    const auto lock = TakeNamedLock(directory, "a", &problem);
    return lock.ok() && lock->valid();
  }));
}

}  // namespace
}  // namespace guideway
