// Threads that the host does not have are an error in words, and nothing throws.
#include "lib/base/start_thread.h"

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "tests/unit/base/no_threads.h"

namespace guideway {
namespace {

TEST_CASE("start thread: it runs, or it is said why not") {
  bool ran = false;
  std::thread thread;
  {
    const NoThreads none;
    const absl::Status status = StartThread([&] { ran = true; }, &thread);
    CHECK(absl::IsUnavailable(status));
    CHECK(
        absl::StartsWith(status.message(), "starting a thread: Resource temporarily unavailable"));
    CHECK_FALSE(thread.joinable());
    CHECK_FALSE(ran);
  }
  REQUIRE(StartThread([&] { ran = true; }, &thread).ok());
  thread.join();
  CHECK(ran);
}

}  // namespace
}  // namespace guideway
