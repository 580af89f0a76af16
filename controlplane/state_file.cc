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

absl::Status WriteAll(int fd, const std::string& data, const std::string& path) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t written = write(fd, data.data() + done, data.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write " + path);
    done += static_cast<size_t>(written);
  }
  if (fsync(fd) != 0) return ErrnoStatus(errno, "fsync " + path);
  return absl::OkStatus();
}

}  // namespace

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
                            const std::string& payload) {
  const std::string path = absl::StrCat(directory, "/", name);
  const std::string temporary = path + ".new";
  UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd.valid()) return ErrnoStatus(errno, "open " + temporary);
  GW_RETURN_IF_ERROR(
      WriteAll(fd.get(), absl::StrCat(kMagic, Sha256Hex(payload), "\n", payload), temporary));
  if (rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "rename to " + path);
  // Without this the rename may be lost with the power, and the old file come back.
  UniqueFd directory_fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_fd.valid() || fsync(directory_fd.get()) != 0) {
    return ErrnoStatus(errno, "fsync " + directory);
  }
  return absl::OkStatus();
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
