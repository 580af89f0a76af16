// See state_lock.h.
#include "controlplane/state_lock.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "controlplane/state_file.h"
#include "lib/base/file_identity.h"
#include "lib/base/file_lock.h"
#include "lib/base/regular_file.h"
#include "lib/base/status.h"

namespace guideway {

void StateLock::Open(const std::string& directory) {
  directory_ = directory;
  path_ = absl::StrCat(directory, "/lock");
  problem_.clear();
  const std::string misplaced = WhatIsInThePlaceOf(path_, /*follow_links=*/false);
  if (misplaced.empty()) {
    lock_.reset(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640));
    // A full or read-only disk: what is there can be locked without writing to it.
    if (!lock_.valid()) {
      lock_.reset(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    }
    if (lock_.valid()) return;
  } else {
    problem_ = absl::StrCat(path_, ": is ", misplaced,
                            ", not a regular file; the directory is locked instead");
  }
  lock_.reset(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock_.valid()) {
    problem_ = std::string(ErrnoStatus(errno, "cannot lock " + path_).message());
  }
  path_.clear();
  if (!problem_.empty()) LOG(ERROR) << problem_;
}

bool StateLock::Lock() {
  if (!lock_.valid()) return true;
  const int error = TryToLock(lock_.get());
  if (error == EWOULDBLOCK) return false;
  if (error == 0) return true;
  problem_ =
      absl::StrCat(path_.empty() ? directory_ : path_, ": cannot be locked: ", std::strerror(error),
                   "; another control plane would not be kept away");
  LOG(ERROR) << problem_;
  return true;
}

absl::Status StateLock::Take(const std::string& directory,
                             const std::function<bool()>& holder_hangs) {
  Open(directory);
  if (Lock()) return absl::OkStatus();
  // A file of the same name takes its place: the one that hangs sees that when it wakes up.
  if (!path_.empty() && holder_hangs && holder_hangs() && IsHeld() && unlink(path_.c_str()) == 0) {
    LOG(WARNING) << "state directory " << directory
                 << ": the control plane that uses it hangs; its place is taken";
    Open(directory);
    if (Lock()) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("state directory ", directory, ": is in use by another control plane"));
}

bool StateLock::Keep() {
  if (path_.empty() || !IsGone(path_)) return IsHeld();
  if (!MakeDirectories(directory_).ok()) return true;  // whoever writes there says so
  LOG(WARNING) << path_ << ": was removed while it is in use; made anew";
  Open(std::string(directory_));
  return Lock();
}

bool StateLock::IsHeld() const {
  if (path_.empty()) return true;
  const std::optional<FileIdentity> own = FileIdentityOf(lock_.get());
  const std::optional<FileIdentity> there = FileIdentityAt(path_);
  // What cannot be looked at, or was removed by hand, is nobody else's.
  return !own.has_value() || !there.has_value() || own == there;
}

}  // namespace guideway
