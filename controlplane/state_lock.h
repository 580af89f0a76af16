// One control plane at a time uses a state directory. The kernel frees the lock when its process
// ends, however it ends; one that hangs loses it to the next.
//
// Thread safety: none.
#ifndef GUIDEWAY_CONTROLPLANE_STATE_LOCK_H_
#define GUIDEWAY_CONTROLPLANE_STATE_LOCK_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

class StateLock {
 public:
  // A directory that cannot be locked is used all the same, and problem() says so.
  // FailedPrecondition if another process has it, unless `holder_hangs` (null: never) says that it
  // does: then it is taken from it.
  absl::Status Take(const std::string& directory, const std::function<bool()>& holder_hangs);
  // False: another process has taken it from this one, which must end.
  bool IsHeld() const;
  // The same, but locks the directory anew if somebody has removed the lock's file, or all of it.
  bool Keep();
  // Why the file itself is not locked; empty: it is.
  const std::string& problem() const { return problem_; }

 private:
  void Open(const std::string& directory);
  // What was opened. False: another process has it.
  bool Lock();

  std::string directory_;
  std::string path_;  // empty: the directory itself is locked, and cannot be taken away
  UniqueFd lock_;
  std::string problem_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATE_LOCK_H_
