// Who may lock a file is who may open it, so nobody else may.
#include "lib/base/named_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "lib/base/file_identity.h"
#include "lib/base/file_lock.h"
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

// Makes it if there is none.
absl::StatusOr<struct stat> CheckDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("making the directory of locks ", path));
  }
  const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info {};
  if (!directory.valid() || fstat(directory.get(), &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("opening the directory of locks ", path));
  }
  if ((info.st_mode & S_IWOTH) == 0) return info;
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

absl::StatusOr<UniqueFd> Lock(const std::string& path, const std::string& name) {
  GW_ASSIGN_OR_RETURN(const uint64_t network, NetworkNamespace());
  GW_ASSIGN_OR_RETURN(const struct stat info, CheckDirectory(path));
  const std::string file = absl::StrCat(path, "/", name, "-", network, ".lock");
  for (;;) {
    // Without O_NONBLOCK a FIFO in its place would be waited for.
    UniqueFd lock(open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    const int error = lock.valid() ? TryToLock(lock.get()) : errno;
    if (error == EWOULDBLOCK && lock.valid()) return absl::AlreadyExistsError(Holder(lock.get()));
    if (error != 0) return ErrnoStatus(error, absl::StrCat("locking ", file));
    // Somebody may have removed it before it was locked.
    if (FileIdentityAt(file) != FileIdentityOf(lock.get())) continue;
    WriteHolder(lock.get());
    // The next process may be another user's, to whom the directory belongs.
    if (geteuid() == 0) {
      [[maybe_unused]] const int given = fchown(lock.get(), info.st_uid, info.st_gid);
    }
    return lock;
  }
}

}  // namespace

absl::StatusOr<UniqueFd> TakeNamedLock(const std::string& directory, const std::string& name,
                                       std::string* problem) {
  absl::StatusOr<UniqueFd> lock = Lock(directory, name);
  if (lock.ok() || absl::IsAlreadyExists(lock.status())) return lock;
  *problem = absl::StrCat(lock.status().message(), "; another process would not be kept away");
  return UniqueFd();
}

}  // namespace guideway
