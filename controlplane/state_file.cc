// See state_file.h.
#include "controlplane/state_file.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/base/file_identity.h"
#include "lib/base/regular_file.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

namespace {

constexpr char kMagic[] = "guideway-state ";
constexpr char kFirstFormat[] = "1 sha256 ";
constexpr char kFormat[] = "2 ";
constexpr size_t kMaxBytes = 64 << 20;
constexpr char kCopy[] = ".copy";
constexpr char kDamaged[] = ".damaged";

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

// Renames; only a directory cannot be replaced by that.
absl::Status PutInPlace(const std::string& fresh, const std::string& path,
                        FileOperations* operations) {
  if (operations->Rename(fresh, path) == 0) return absl::OkStatus();
  const int error = errno;
  const bool is_directory = WhatIsInThePlaceOf(path, /*follow_links=*/false) == "a directory";
  if (is_directory && operations->Rename(path, path + kDamaged) == 0 &&
      operations->Rename(fresh, path) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(error, "rename to " + path);
}

absl::Status Replace(const std::string& directory, const std::string& file,
                     const std::string& temporary, const std::string& data,
                     FileOperations* operations) {
  const std::string fresh = absl::StrCat(directory, "/", temporary);
  {
    const Handle fd(operations, operations->OpenForWriting(fresh));
    if (!fd.valid()) return ErrnoStatus(errno, "open " + fresh);
    GW_RETURN_IF_ERROR(WriteAll(fd.get(), data, fresh, operations));
  }
  GW_RETURN_IF_ERROR(PutInPlace(fresh, absl::StrCat(directory, "/", file), operations));
  return SyncDirectory(directory, operations);
}

// What the checksum is of.
std::string Summed(const std::string& name, const std::string& payload) {
  return absl::StrCat(name, " ", payload.size(), "\n", payload);
}

std::string Encode(const std::string& name, const std::string& payload) {
  return absl::StrCat(kMagic, kFormat, name, " ", payload.size(), " ",
                      Sha256Hex(Summed(name, payload)), "\n", payload);
}

absl::StatusOr<std::string> Decode(const std::string& name, const std::string& data) {
  const size_t end = data.find('\n');
  if (!absl::StartsWith(data, kMagic) || end == std::string::npos) {
    return absl::DataLossError(data.empty() ? "is empty" : "is not a state file");
  }
  const std::string head = data.substr(sizeof(kMagic) - 1, end - sizeof(kMagic) + 1);
  std::string payload = data.substr(end + 1);
  if (absl::StartsWith(head, kFirstFormat)) {
    if (head == absl::StrCat(kFirstFormat, Sha256Hex(payload))) return payload;
    return absl::DataLossError("checksum is wrong");
  }
  const std::vector<std::string> words = absl::StrSplit(head, ' ');
  uint32_t format = 0;
  if (words.size() == 4 && absl::SimpleAtoi(words[0], &format) && format > 2) {
    return absl::DataLossError(
        absl::StrCat("has format ", format, ", of a later release or by damage"));
  }
  if (words.size() != 4 || head != absl::StrCat(kFormat, name, " ", payload.size(), " ",
                                                Sha256Hex(Summed(name, payload)))) {
    const bool others =
        words.size() == 4 && words[1] != name && words[3] == Sha256Hex(Summed(words[1], payload));
    return absl::DataLossError(others ? absl::StrCat("is a file of ", words[1])
                                      : "is cut short or its checksum is wrong");
  }
  return payload;
}

// The bytes of a state file. Never waits.
absl::StatusOr<std::string> ReadBytes(const std::string& path) {
  absl::StatusOr<std::string> data =
      ReadRegularFile(path, {.max_bytes = kMaxBytes, .follow_links = false, .must_be_ours = true});
  if (data.ok() || absl::IsNotFound(data.status())) return data;
  // A directory that is none holds nothing that could be damaged; writing tells what is wrong.
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0 && errno == ENOTDIR) {
    return absl::NotFoundError(data.status().message());
  }
  return absl::DataLossError(data.status().message());
}

}  // namespace

int FileOperations::OpenForWriting(const std::string& path) {
  // Whatever is there, to open it might wait.
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return -1;
  return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
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
  return Replace(directory, name, temporary, Encode(name, payload), operations);
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
  GW_ASSIGN_OR_RETURN(const std::string data, ReadBytes(path));
  absl::StatusOr<std::string> payload = Decode(name, data);
  if (!payload.ok()) return Annotate(payload.status(), path);
  return payload;
}

absl::StatusOr<std::string> KeptState::ReadOne(const std::string& file) const {
  const std::string path = absl::StrCat(directory_, "/", file);
  GW_ASSIGN_OR_RETURN(std::string data, ReadBytes(path));
  if (!old_first_line_.empty() && absl::StartsWith(data, old_first_line_ + "\n")) return data;
  absl::StatusOr<std::string> payload = Decode(name_, data);
  if (!payload.ok()) return Annotate(payload.status(), path);
  return payload;
}

absl::Status KeptState::WriteOne(const std::string& file, const std::string& payload) {
  return Replace(directory_, file, file + ".new", Encode(name_, payload), operations_);
}

void KeptState::Mend(const std::string& file, const std::string& payload, const absl::Status& why) {
  const std::string path = absl::StrCat(directory_, "/", file);
  // For whoever wants to know what happened to it. That this fails is no reason not to mend.
  if (!absl::IsNotFound(why)) operations_->Rename(path, path + kDamaged);
  const absl::Status mended = WriteOne(file, payload);
  damage_ =
      absl::StrCat(absl::IsNotFound(why) ? path + ": is gone" : std::string(why.message()),
                   "; nothing is lost, the other copy is good, ",
                   mended.ok() ? "and it was made anew"
                               : absl::StrCat("but it cannot be made anew: ", mended.message()));
}

absl::StatusOr<std::string> KeptState::Read() {
  damage_.clear();
  absl::StatusOr<std::string> first = ReadOne(name_);
  absl::StatusOr<std::string> copy = ReadOne(name_ + kCopy);
  if (first.ok()) {
    const bool is_old = !old_first_line_.empty() && absl::StartsWith(*first, old_first_line_);
    if (copy.ok() && *copy == *first) return first;
    // After an upgrade or a crash there is no copy, or an older one: that is no damage.
    if (!copy.ok() && !absl::IsNotFound(copy.status())) {
      Mend(name_ + kCopy, *first, copy.status());
    } else if (!is_old) {
      copy_problem_ = std::string(WriteOne(name_ + kCopy, *first).message());
    }
    return first;
  }
  if (copy.ok()) {
    Mend(name_, *copy, first.status());
    return copy;
  }
  if (absl::IsNotFound(first.status()) && absl::IsNotFound(copy.status())) return first;
  // For whoever wants to know what happened to them: they will be written anew.
  for (const std::string& file : {name_, name_ + kCopy}) {
    const std::string path = absl::StrCat(directory_, "/", file);
    operations_->Rename(path, path + kDamaged);
  }
  if (absl::IsNotFound(copy.status())) return first;
  return absl::DataLossError(absl::StrCat(absl::IsNotFound(first.status())
                                              ? absl::StrCat(directory_, "/", name_, ": is gone")
                                              : std::string(first.status().message()),
                                          "; ", copy.status().message()));
}

absl::Status KeptState::Write(const std::string& payload) {
  GW_RETURN_IF_ERROR(MakeDirectories(directory_));  // somebody may have removed it
  GW_RETURN_IF_ERROR(WriteOne(name_, payload));
  const absl::Status copied = WriteOne(name_ + kCopy, payload);
  copy_problem_ = std::string(copied.message());
  // An older copy must not come back; without one a damaged file is at least known to be.
  if (!copied.ok()) operations_->Remove(absl::StrCat(directory_, "/", name_, kCopy));
  return absl::OkStatus();
}

bool KeptState::IsThere() const {
  for (const std::string& file : {name_, name_ + kCopy}) {
    if (IsGone(absl::StrCat(directory_, "/", file))) return false;
    if (!copy_problem_.empty()) break;  // there is none
  }
  return true;
}

std::string KeptState::problem() const {
  if (copy_problem_.empty()) return damage_;
  return absl::StrCat(damage_, damage_.empty() ? "" : "; ", directory_, "/", name_,
                      ": is kept once only: ", copy_problem_);
}

}  // namespace guideway
