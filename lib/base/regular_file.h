// Reading and writing files that somebody else may have put something else in the place of.
//
// A FIFO, device, socket or directory is refused by name before it is opened, so that nothing hangs
// and no device notices; so is what is too large. What is to be written is a new file. Stateless;
// blocking calls, any thread.
#ifndef GUIDEWAY_LIB_BASE_REGULAR_FILE_H_
#define GUIDEWAY_LIB_BASE_REGULAR_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

struct RegularFileOptions {
  size_t max_bytes = 64 << 20;
  bool follow_links = true;  // false: a symbolic link is refused as well
  // Refused unless it belongs to this process's user, to root, or to the owner of its directory,
  // who could replace it anyhow.
  bool must_be_ours = false;
};

// What is at `path`, in words ("a FIFO", "a directory"); empty: a regular file, or nothing that can
// be looked at. With `follow_links` what a symbolic link leads to counts.
std::string WhatIsInThePlaceOf(const std::string& path, bool follow_links);

// Opens an existing file with `flags` of open(2) (O_RDONLY, O_RDWR | O_APPEND ...; O_CLOEXEC and
// O_NONBLOCK are added). NOT_FOUND if there is none; FAILED_PRECONDITION "PATH: is a FIFO, not a
// regular file", or for an owner; else as errno says. `max_bytes` is not looked at.
absl::StatusOr<UniqueFd> OpenRegularFile(const std::string& path, int flags,
                                         const RegularFileOptions& options = {});

// All of it. Errors as above; OUT_OF_RANGE: it has more than `max_bytes`.
absl::StatusOr<std::string> ReadRegularFile(const std::string& path,
                                            const RegularFileOptions& options = {});

// Puts a new file with these contents and `mode` (less the umask) into the place of `path`, so that
// a reader never sees half of it. It is written at `beside`, in the same directory, which must be
// nobody else's; what is there is removed and never opened. An error, which names the file: `path`
// is as it was.
absl::Status ReplaceFile(const std::string& path, const std::string& beside,
                         const std::string& contents, mode_t mode);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_REGULAR_FILE_H_
