// See state_file.h.
#include "controlplane/state_file.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

namespace {

constexpr char kMagic[] = "guideway-state 1 sha256 ";
constexpr size_t kDigestDigits = 64;
constexpr size_t kMaxBytes = 64 << 20;

// A descriptor of FileOperations.
class Handle {
 public:
  Handle(FileOperations* operations, int fd) : operations_(operations), fd_(fd) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (fd_ >= 0) operations_->Close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  FileOperations* const operations_;
  const int fd_;
};

absl::Status WriteAll(int fd, const std::string& data, const std::string& path,
                      FileOperations* operations) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t written = operations->Write(fd, data.data() + done, data.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write " + path);
    done += static_cast<size_t>(written);
  }
  if (operations->Sync(fd) != 0) return ErrnoStatus(errno, "fsync " + path);
  return absl::OkStatus();
}

// Without this a rename may be lost with the power, and the old file come back.
absl::Status SyncDirectory(const std::string& directory, FileOperations* operations) {
  const Handle fd(operations, operations->OpenDirectory(directory));
  if (!fd.valid() || operations->Sync(fd.get()) != 0) {
    return ErrnoStatus(errno, "fsync " + directory);
  }
  return absl::OkStatus();
}

}  // namespace

int FileOperations::OpenForWriting(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
}
ssize_t FileOperations::Write(int fd, const char* data, size_t bytes) {
  return write(fd, data, bytes);
}
int FileOperations::Sync(int fd) { return fsync(fd); }
int FileOperations::Rename(const std::string& from, const std::string& to) {
  return rename(from.c_str(), to.c_str());
}
int FileOperations::Remove(const std::string& path) { return unlink(path.c_str()); }
int FileOperations::OpenDirectory(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
void FileOperations::Close(int fd) { close(fd); }
FileOperations* FileOperations::System() {
  static FileOperations* const system = new FileOperations;
  return system;
}

std::string Sha256Hex(const std::string& data) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

absl::Status MakeDirectories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    struct stat info;
    if (stat(part.c_str(), &info) == 0) {
      if (!S_ISDIR(info.st_mode)) {
        return absl::FailedPreconditionError(part + ": is not a directory");
      }
    } else if (mkdir(part.c_str(), 0750) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "mkdir " + part);
    }
    if (end == std::string::npos) return absl::OkStatus();
  }
}

absl::Status WriteStateFile(const std::string& directory, const std::string& name,
                            const std::string& temporary, const std::string& payload,
                            FileOperations* operations) {
  const std::string path = absl::StrCat(directory, "/", name);
  const std::string new_path = absl::StrCat(directory, "/", temporary);
  {
    const Handle fd(operations, operations->OpenForWriting(new_path));
    if (!fd.valid()) return ErrnoStatus(errno, "open " + new_path);
    GW_RETURN_IF_ERROR(WriteAll(fd.get(), absl::StrCat(kMagic, Sha256Hex(payload), "\n", payload),
                                new_path, operations));
  }
  if (operations->Rename(new_path, path) != 0) return ErrnoStatus(errno, "rename to " + path);
  return SyncDirectory(directory, operations);
}

absl::Status RemoveStateFiles(const std::string& directory, const std::vector<std::string>& names,
                              FileOperations* operations) {
  if (names.empty()) return absl::OkStatus();
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(directory, "/", name);
    if (operations->Remove(path) != 0 && errno != ENOENT) return ErrnoStatus(errno, "rm " + path);
  }
  return SyncDirectory(directory, operations);
}

absl::StatusOr<std::string> ReadStateFile(const std::string& directory, const std::string& name) {
  const std::string path = absl::StrCat(directory, "/", name);
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "open " + path);
  std::string data;
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, "read " + path);
    if (size == 0) break;
    data.append(buffer, static_cast<size_t>(size));
    if (data.size() > kMaxBytes) return absl::DataLossError(path + ": is too large");
  }
  const size_t head = sizeof(kMagic) - 1 + kDigestDigits + 1;
  if (data.size() < head || !data.starts_with(kMagic) || data[head - 1] != '\n') {
    return absl::DataLossError(path + ": is not a state file");
  }
  std::string payload = data.substr(head);
  if (data.substr(sizeof(kMagic) - 1, kDigestDigits) != Sha256Hex(payload)) {
    return absl::DataLossError(path + ": checksum is wrong");
  }
  return payload;
}

}  // namespace guideway
