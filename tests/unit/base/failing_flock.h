// Lets flock() fail in an executable that is built with failing_flock.cc, which defines the call.
//
// Thread safety: each thread has its own plan.
#ifndef GUIDEWAY_TESTS_UNIT_BASE_FAILING_FLOCK_H_
#define GUIDEWAY_TESTS_UNIT_BASE_FAILING_FLOCK_H_

namespace guideway {

// As long as it lives, the thread's next `times` calls of flock() fail with this errno.
class FailingFlock {
 public:
  explicit FailingFlock(int error, int times = 1000);
  ~FailingFlock();
  FailingFlock(const FailingFlock&) = delete;
  FailingFlock& operator=(const FailingFlock&) = delete;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_BASE_FAILING_FLOCK_H_
