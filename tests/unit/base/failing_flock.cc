// See failing_flock.h. The C library's own function is found behind this one by dlsym().
#include "tests/unit/base/failing_flock.h"

#include <dlfcn.h>
#include <sys/file.h>

#include <cerrno>

namespace guideway {
namespace {

thread_local int planned_error = 0, calls_left = 0;

}  // namespace

FailingFlock::FailingFlock(int error, int times) {
  planned_error = error;
  calls_left = times;
}

FailingFlock::~FailingFlock() { calls_left = 0; }

}  // namespace guideway

extern "C" int flock(int fd, int operation) noexcept {
  static auto* const real = reinterpret_cast<decltype(flock)*>(dlsym(RTLD_NEXT, "flock"));
  if (guideway::calls_left == 0) return real(fd, operation);
  --guideway::calls_left;
  errno = guideway::planned_error;
  return -1;
}
