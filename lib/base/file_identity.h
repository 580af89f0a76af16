// Which file stands at a path, to tell it from another one that has taken its place.
//
// Stateless; any thread. The calls block as long as the disk does.
#ifndef GUIDEWAY_LIB_BASE_FILE_IDENTITY_H_
#define GUIDEWAY_LIB_BASE_FILE_IDENTITY_H_

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

namespace guideway {

struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;  // not given to another file as long as the file is open
  bool operator==(const FileIdentity&) const = default;
};

// Symbolic links are not followed. Nothing if nothing is there, or it cannot be told.
inline std::optional<FileIdentity> FileIdentityAt(const std::string& path) {
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

// Of an open file; nothing if that cannot be told.
inline std::optional<FileIdentity> FileIdentityOf(int fd) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

// For certain, nothing stands there.
inline bool IsGone(const std::string& path) {
  struct stat info = {};
  return lstat(path.c_str(), &info) != 0 && errno == ENOENT;
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_FILE_IDENTITY_H_
