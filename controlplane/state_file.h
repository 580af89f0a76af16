// Small files that survive crashes: written whole or not at all, and known to be damaged if they
// are. Stateless; blocking calls.
//
// What changes the disk goes through FileOperations, so that tests can let it fail or end at any
// step.
#ifndef GUIDEWAY_CONTROLPLANE_STATE_FILE_H_
#define GUIDEWAY_CONTROLPLANE_STATE_FILE_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace guideway {

class FileOperations {
 public:
  virtual ~FileOperations() = default;
  // As the system calls of the same name: -1 and errno on error.
  virtual int OpenForWriting(const std::string& path);  // created or emptied; never a symlink
  virtual ssize_t Write(int fd, const char* data, size_t bytes);
  virtual int Sync(int fd);
  virtual int Rename(const std::string& from, const std::string& to);
  virtual int Remove(const std::string& path);
  virtual int OpenDirectory(const std::string& path);
  virtual void Close(int fd);

  static FileOperations* System();  // the real ones; never freed
};

// SHA-256 in 64 hex digits.
std::string Sha256Hex(const std::string& data);

// Creates the directory (mode 0750) with its parents if it does not exist.
absl::Status MakeDirectories(const std::string& path);

// Replaces DIRECTORY/NAME by `payload` with a checksum in front: temporary file
// (DIRECTORY/TEMPORARY), fsync, rename, fsync of the directory. After an error the old file is
// still there, but if the fsync of the directory fails it may be the new one.
absl::Status WriteStateFile(const std::string& directory, const std::string& name,
                            const std::string& temporary, const std::string& payload,
                            FileOperations* operations = FileOperations::System());
// Removes the files and makes that last. Files that are not there are no error.
absl::Status RemoveStateFiles(const std::string& directory, const std::vector<std::string>& names,
                              FileOperations* operations = FileOperations::System());
// NOT_FOUND if there is none, DATA_LOSS if the checksum is wrong. At most 64 MiB.
absl::StatusOr<std::string> ReadStateFile(const std::string& directory, const std::string& name);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATE_FILE_H_
