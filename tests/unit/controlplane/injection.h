// Lets system calls of one thread fail: the n-th call of a name returns an errno of choice.
//
// The executable defines the calls itself, so that libcurl and libssl use them, too
// (injection.cc). Thread safety: each thread has its own plan.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_INJECTION_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_INJECTION_H_

#include <string>
#include <vector>

namespace guideway {

struct Injection {
  std::string call;  // "connect"
  int nth = 1;       // of the thread's calls from Inject() on
  int error = 0;     // errno
};

// The names that Inject() knows.
const std::vector<std::string>& InjectableCalls();
// For the thread that calls. Replaces the plan.
void Inject(const Injection& injection);
// Ends it; whether the call has been made to fail.
bool EndInjection();

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_INJECTION_H_
