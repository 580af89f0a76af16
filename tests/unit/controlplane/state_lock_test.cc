// The state directory's lock where it cannot be had: only another process keeps a start away.
#include "controlplane/state_lock.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>

#include "absl/strings/match.h"
#include "tests/unit/base/failing_flock.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {
namespace {

TEST_CASE("state lock: a file system without locks keeps no control plane from starting") {
  const TestDirectory directory;
  const int error = GENERATE(ENOLCK, EBADF, ENOSYS, EOPNOTSUPP, EIO);
  CAPTURE(error);
  const FailingFlock failing(error);
  StateLock lock;
  CHECK(lock.Take(directory.path(), [] { return true; }).ok());
  CHECK(absl::StrContains(lock.problem(), directory.path() + "/lock: cannot be locked: "));
  CHECK(lock.IsHeld());
  CHECK(std::filesystem::remove(directory.path() + "/lock"));
  CHECK(lock.Keep());
  CHECK(absl::StrContains(lock.problem(), directory.path() + "/lock: cannot be locked: "));
}

TEST_CASE("state lock: an interrupted call is made again") {
  const TestDirectory directory;
  const FailingFlock failing(EINTR, 3);
  StateLock lock, second;
  CHECK(lock.Take(directory.path(), nullptr).ok());
  CHECK(lock.problem().empty());
  CHECK(absl::IsFailedPrecondition(second.Take(directory.path(), nullptr)));
}

}  // namespace
}  // namespace guideway
