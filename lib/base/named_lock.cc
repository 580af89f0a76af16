// Who may lock a file is who may open it, so nobody else may.
#include "lib/base/named_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "lib/base/status.h"

namespace guideway {
namespace {

// The namespace of this thread, as a number that no other one has meanwhile.
absl::StatusOr<uint64_t> NetworkNamespace() {
  struct stat info {};
  const char* path = "/proc/thread-self/ns/net";
  if (stat(path, &info) != 0) return ErrnoStatus(errno, path);
  return info.st_ino;
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("making the directory of locks ", path));
  }
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info {};
  if (!directory.valid() || fstat(directory.get(), &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("opening the directory of locks ", path));
  }
  if ((info.st_mode & S_IWOTH) == 0) return directory;
  return absl::FailedPreconditionError(absl::StrCat(
      path, ": anybody can write to this directory, so its locks are worth nothing: chmod o-w ",
      path));
}

// A full disk takes nothing away but the name.
void WriteHolder(int file) {
  const std::string process = absl::StrCat(getpid(), "\n");
  if (ftruncate(file, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = pwrite(file, process.data(), process.size(), 0);
}

// What the holder has written.
std::string Holder(int file) {
  char text[16] = {};
  const ssize_t length = pread(file, text, sizeof(text) - 1, 0);
  const int process = length > 0 ? std::atoi(text) : 0;
  return process > 0 ? absl::StrCat("process ", process) : "another process";
}

}  // namespace

absl::StatusOr<UniqueFd> TakeNamedLock(const std::string& directory, const std::string& name) {
  GW_ASSIGN_OR_RETURN(const uint64_t network, NetworkNamespace());
  GW_ASSIGN_OR_RETURN(const UniqueFd place, OpenDirectory(directory));
  const std::string file = absl::StrCat(name, "-", network, ".lock");
  const std::string what = absl::StrCat("locking ", directory, "/", file);
  // Without O_NONBLOCK a FIFO in its place would be waited for.
  UniqueFd lock(openat(place.get(), file.c_str(),
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!lock.valid()) return ErrnoStatus(errno, what);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, what);
    return absl::AlreadyExistsError(Holder(lock.get()));
  }
  WriteHolder(lock.get());
  return lock;
}

}  // namespace guideway
