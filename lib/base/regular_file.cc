// See regular_file.h.
#include "lib/base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

const char* KindOf(mode_t mode) {
  if (S_ISREG(mode)) return "";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISLNK(mode)) return "a symbolic link";
  return "of an unknown kind";
}

int Look(const std::string& path, bool follow_links, struct stat* info) {
  return follow_links ? stat(path.c_str(), info) : lstat(path.c_str(), info);
}

absl::Status CheckOwner(const std::string& path, const struct stat& info) {
  if (info.st_uid == geteuid() || info.st_uid == 0) return absl::OkStatus();
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat around;
  if (stat(directory.c_str(), &around) == 0 && around.st_uid == info.st_uid) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": belongs to user ", info.st_uid, ", not to us"));
}

absl::Status CheckKind(const std::string& path, const struct stat& info) {
  if (S_ISREG(info.st_mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": is ", KindOf(info.st_mode), ", not a regular file"));
}

absl::Status WriteNewFile(const std::string& path, const std::string& contents, mode_t mode) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, "remove " + path);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const UniqueFd fd(open(path.c_str(), kFlags, mode));
  if (!fd.valid()) return ErrnoStatus(errno, "open " + path);
  for (size_t done = 0; done < contents.size();) {
    const ssize_t written = write(fd.get(), contents.data() + done, contents.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write " + path);
    done += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

}  // namespace

std::string WhatIsInThePlaceOf(const std::string& path, bool follow_links) {
  struct stat info;
  return Look(path, follow_links, &info) == 0 ? KindOf(info.st_mode) : "";
}

absl::StatusOr<UniqueFd> OpenRegularFile(const std::string& path, int flags,
                                         const RegularFileOptions& options) {
  struct stat info;
  // Before it is opened: that alone would start some devices, and wait at others.
  if (Look(path, options.follow_links, &info) != 0) return ErrnoStatus(errno, path);
  GW_RETURN_IF_ERROR(CheckKind(path, info));
  const int no_links = options.follow_links ? 0 : O_NOFOLLOW;
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | no_links));
  if (!fd.valid()) return ErrnoStatus(errno, path);
  // And again: it may have been replaced in between.
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, path);
  GW_RETURN_IF_ERROR(CheckKind(path, info));
  if (options.must_be_ours) GW_RETURN_IF_ERROR(CheckOwner(path, info));
  return fd;
}

absl::StatusOr<std::string> ReadRegularFile(const std::string& path,
                                            const RegularFileOptions& options) {
  GW_ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegularFile(path, O_RDONLY, options));
  std::string data;
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, path);
    if (size == 0) return data;
    data.append(buffer, static_cast<size_t>(size));
    if (data.size() > options.max_bytes) {
      return absl::OutOfRangeError(
          absl::StrCat(path, ": has more than ", options.max_bytes, " bytes, which is the limit"));
    }
  }
}

absl::Status ReplaceFile(const std::string& path, const std::string& beside,
                         const std::string& contents, mode_t mode) {
  absl::Status status = WriteNewFile(beside, contents, mode);
  if (status.ok() && rename(beside.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, "rename to " + path);
  }
  if (!status.ok()) unlink(beside.c_str());
  return status;
}

}  // namespace guideway
