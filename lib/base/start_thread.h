// Starting a thread where the host may have none left: std::thread throws then, which would end the
// process.
//
// Thread safety: safe.
#ifndef GUIDEWAY_LIB_BASE_START_THREAD_H_
#define GUIDEWAY_LIB_BASE_START_THREAD_H_

#include <functional>
#include <thread>

#include "absl/status/status.h"

namespace guideway {

// Runs `work` on a new thread, which `*thread`, not joinable before, then is. Unavailable, in
// words: there is no thread, and `work` is not called.
absl::Status StartThread(std::function<void()> work, std::thread* thread);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_START_THREAD_H_
