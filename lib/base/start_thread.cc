// See start_thread.h.
#include "lib/base/start_thread.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace guideway {

absl::Status StartThread(std::function<void()> work, std::thread* thread) {
  try {
    *thread = std::thread(std::move(work));
  } catch (const std::system_error& error) {
    return absl::UnavailableError(
        absl::StrCat("starting a thread: ", error.code().message(), " (threads, memory)"));
  }
  return absl::OkStatus();
}

}  // namespace guideway
