// A host that has no threads left: as long as an object of this lives, no thread of this process
// can be started, for want of room for its stack.
//
// Thread safety: one at a time.
#ifndef GUIDEWAY_TESTS_UNIT_BASE_NO_THREADS_H_
#define GUIDEWAY_TESTS_UNIT_BASE_NO_THREADS_H_

#include <pthread.h>

#include <catch2/catch.hpp>
#include <cstddef>

namespace guideway {

class NoThreads {
 public:
  NoThreads() {
    REQUIRE(pthread_getattr_default_np(&former_) == 0);
    pthread_attr_t huge = former_;
    // More than there are addresses.
    REQUIRE(pthread_attr_setstacksize(&huge, size_t{1} << 60) == 0);
    REQUIRE(pthread_setattr_default_np(&huge) == 0);
  }
  ~NoThreads() { pthread_setattr_default_np(&former_); }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t former_ = {};
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_BASE_NO_THREADS_H_
