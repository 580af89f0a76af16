// See audit_log.h.
#include "controlplane/audit_log.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/regular_file.h"
#include "lib/base/status.h"

namespace guideway {

namespace {

// RFC 8259, section 7. Bytes above 127 stay: names and messages are UTF-8.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, c));
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string AuditLine(const AuditRecord& record) {
  std::string line = absl::StrCat(
      "{\"time\":\"", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", record.time, absl::UTCTimeZone()),
      "\",\"who\":", Quoted(record.who.ToString()));
  if (record.who.kind == PeerIdentity::kUnixProcess) {
    absl::StrAppend(&line, ",\"uid\":", record.who.uid, ",\"gid\":", record.who.gid,
                    ",\"pid\":", record.who.pid);
  }
  absl::StrAppend(&line, ",\"action\":", Quoted(record.action), ",\"changes\":[");
  const size_t shown = std::min(record.changes.size(), kMaxAuditChanges);
  for (size_t i = 0; i < shown; ++i) {
    absl::StrAppend(&line, i == 0 ? "" : ",", Quoted(record.changes[i]));
  }
  if (record.changes.size() > shown) {
    absl::StrAppend(&line, ",\"and ", record.changes.size() - shown, " more\"");
  }
  absl::StrAppend(&line, "],\"version\":", record.version, ",\"result\":", Quoted(record.result),
                  "}\n");
  return line;
}

absl::Status AuditLog::OpenIfMoved() {
  struct stat there;
  struct stat ours;
  if (fd_.valid() && stat(path_.c_str(), &there) == 0 && fstat(fd_.get(), &ours) == 0 &&
      there.st_dev == ours.st_dev && there.st_ino == ours.st_ino) {
    return absl::OkStatus();
  }
  fd_.reset();
  absl::StatusOr<UniqueFd> opened =
      OpenRegularFile(path_, O_RDWR | O_APPEND, {.follow_links = false, .must_be_ours = true});
  if (absl::IsNotFound(opened.status())) {
    opened = UniqueFd(open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (!opened->valid()) return ErrnoStatus(errno, "audit log: open " + path_);
  }
  if (!opened.ok()) return Annotate(opened.status(), "audit log");
  fd_ = *std::move(opened);
  char last = '\n';
  if (fstat(fd_.get(), &ours) == 0 && ours.st_size > 0 &&
      pread(fd_.get(), &last, 1, ours.st_size - 1) != 1) {
    last = '\n';
  }
  torn_ = last != '\n';
  return absl::OkStatus();
}

absl::Status AuditLog::Write(const std::string& line) {
  GW_RETURN_IF_ERROR(OpenIfMoved());
  // What was torn stays a line of its own.
  const std::string data = torn_ ? "\n" + line : line;
  ssize_t written = 0;
  do {
    written = write(fd_.get(), data.data(), data.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return ErrnoStatus(errno, "audit log: write " + path_);
  torn_ = static_cast<size_t>(written) < data.size();
  if (torn_) return absl::ResourceExhaustedError("audit log: write " + path_ + ": no room");
  if (fdatasync(fd_.get()) != 0) return ErrnoStatus(errno, "audit log: fdatasync " + path_);
  return absl::OkStatus();
}

void AuditLog::Append(const AuditRecord& record) {
  const std::string line = AuditLine(record);
  problem_ = std::string(Write(line).message());
  if (!problem_.empty()) LOG(ERROR) << problem_ << "; not written: " << line;
}

}  // namespace guideway
