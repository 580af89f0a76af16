// Who asked for which change of the configuration, and what became of it:
// STATE_DIRECTORY/audit.log.
//
// One JSON object a line, only ever appended, each with one write and fdatasync:
//   {"time":"2026-11-21T13:01:21.123Z","who":"uid 0","uid":0,"gid":0,"pid":4711,"action":"Apply",
//    "changes":["pool web: backend web-1: weight 100 -> 50"],"version":7,"result":"in force"}
// uid, gid and pid are of the process that connected, absent if the control plane itself acted.
// Secrets never occur. The file may be moved or removed at any time (logrotate without copytruncate
// or a signal): the next line goes into a new one. Thread safety: none; the store's thread only.
#ifndef GUIDEWAY_CONTROLPLANE_AUDIT_LOG_H_
#define GUIDEWAY_CONTROLPLANE_AUDIT_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/peer_identity.h"
#include "lib/base/unique_fd.h"

namespace guideway {

struct AuditRecord {
  absl::Time time;
  PeerIdentity who;
  std::string action;
  std::vector<std::string> changes;  // at most kMaxAuditChanges are written
  uint64_t version = 0;              // in force afterwards
  std::string result;                // "in force", "unchanged", "refused: ..." ...
};
inline constexpr size_t kMaxAuditChanges = 1000;

// The line, with its newline.
std::string AuditLine(const AuditRecord& record);

class AuditLog {
 public:
  // Opens the file with the first record.
  explicit AuditLog(std::string path) : path_(std::move(path)) {}

  // Errors name the file; they are logged, and problem() tells until a record could be written.
  void Append(const AuditRecord& record);
  const std::string& problem() const { return problem_; }

 private:
  absl::Status Write(const std::string& line);
  absl::Status OpenIfMoved();

  const std::string path_;
  UniqueFd fd_;
  bool torn_ = false;  // the file does not end with a newline: a crash or a full disk
  std::string problem_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_AUDIT_LOG_H_
