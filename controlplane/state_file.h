// Small files that survive crashes: written whole or not at all, and known to be damaged if they
// are. Blocking calls.
//
// One format for all of the state directory, a line and then what is kept:
//   guideway-state 2 NAME BYTES SHA256      NAME: of the file; SHA256: of "NAME BYTES\n" and the
//   rest
//   ...
// so that a flipped bit anywhere, a file cut short and one in another's place are noticed. What the
// first release wrote ("guideway-state 1 sha256 SHA256") is read, and written anew in the format of
// now. Reading never waits and never follows a symbolic link: whatever else lies in a file's place
// (FIFO, device, directory, somebody else's file) is an error that says so.
//
// What changes the disk goes through FileOperations, so that tests can let it fail or end at any
// step.
#ifndef GUIDEWAY_CONTROLPLANE_STATE_FILE_H_
#define GUIDEWAY_CONTROLPLANE_STATE_FILE_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace guideway {

class FileOperations {
 public:
  virtual ~FileOperations() = default;
  // As the system calls of the same name: -1 and errno on error.
  virtual int OpenForWriting(const std::string& path);  // a new file, in place of what was there
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

// Replaces DIRECTORY/NAME: temporary file (DIRECTORY/TEMPORARY), fsync, rename, fsync of the
// directory. A directory in its place is moved to NAME.damaged. After an error the old file is
// still there, but if the fsync of the directory fails it may be the new one.
absl::Status WriteStateFile(const std::string& directory, const std::string& name,
                            const std::string& temporary, const std::string& payload,
                            FileOperations* operations = FileOperations::System());
// Removes the files and makes that last. Files that are not there are no error.
absl::Status RemoveStateFiles(const std::string& directory, const std::vector<std::string>& names,
                              FileOperations* operations = FileOperations::System());
// NOT_FOUND if there is none; DATA_LOSS if it is damaged, is no regular file of ours, cannot be
// read or has more than 64 MiB: the message says which, after the path.
absl::StatusOr<std::string> ReadStateFile(const std::string& directory, const std::string& name);

// State that must not be lost to a bad sector: DIRECTORY/NAME and, the same again, NAME.copy.
//
// Thread safety: one thread.
class KeptState {
 public:
  // `old_first_line`: of a file without checksum that an older release may have left; empty: none.
  KeptState(std::string directory, std::string name, std::string old_first_line = "",
            FileOperations* operations = FileOperations::System())
      : directory_(std::move(directory)),
        name_(std::move(name)),
        old_first_line_(std::move(old_first_line)),
        operations_(operations) {}

  // What was written last. If one of the two files is damaged or gone the other one counts, and the
  // bad one is moved to NAME.damaged and made anew. NOT_FOUND: there is neither; DATA_LOSS: neither
  // is good, the message names them, and they are moved to NAME.damaged, too. Never rewrites a file
  // without checksum: Write() does.
  absl::StatusOr<std::string> Read();
  // Keeps `payload`; makes the directory. OK as soon as the first file is safe; that its copy is
  // not is a problem().
  absl::Status Write(const std::string& payload);
  // Nobody has removed one of the two since Write().
  bool IsThere() const;

  // What Read() found damaged and what came of it (until the next Read()), or why there is no copy.
  // Empty: nothing.
  std::string problem() const;

 private:
  absl::StatusOr<std::string> ReadOne(const std::string& file) const;
  absl::Status WriteOne(const std::string& file, const std::string& payload);
  void Mend(const std::string& file, const std::string& payload, const absl::Status& why);

  const std::string directory_;
  const std::string name_;
  const std::string old_first_line_;
  FileOperations* const operations_;
  std::string damage_;
  std::string copy_problem_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATE_FILE_H_
