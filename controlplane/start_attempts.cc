// See start_attempts.h.
#include "controlplane/start_attempts.h"

#include <glog/logging.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/state_file.h"

namespace guideway {
namespace {

constexpr char kFile[] = "start-attempts";

}  // namespace

StartAttempts::Failures StartAttempts::Begin(const std::string& file_digest,
                                             uint64_t newest_version) {
  problem_.clear();
  Failures failures;
  const auto text = ReadStateFile(directory_, kFile);
  if (text.ok()) {
    // As Keep() writes it.
    const std::vector<std::string> words = absl::StrSplit(*text, ' ');
    uint64_t version = 0;
    if (words.size() == 4 && absl::SimpleAtoi(words[0], &failures.count) &&
        absl::SimpleAtoi(words[1], &version)) {
      if (words[2] == "loaded") failures.version = version;
      if (version != newest_version || words[3] != file_digest) failures = {};
    }
  } else if (!absl::IsNotFound(text.status())) {
    problem_ = absl::StrCat(text.status().message(), "; failed starts are counted from 0");
    LOG(ERROR) << problem_;
  }
  failures_ = failures.count;
  file_digest_ = file_digest;
  version_ = newest_version;
  loaded_ = false;
  going_on_ = true;
  Keep();
  return failures;
}

void StartAttempts::SetVersion(uint64_t version) {
  if (!going_on_) return;
  version_ = version;
  loaded_ = true;
  Keep();
}

void StartAttempts::End() {
  if (!going_on_) return;
  going_on_ = false;
  const absl::Status removed = RemoveStateFiles(directory_, {kFile});
  if (!removed.ok()) LOG(WARNING) << removed.message();
}

void StartAttempts::Keep() {
  const absl::Status kept = WriteStateFile(
      directory_, kFile, absl::StrCat(kFile, ".new"),
      absl::StrCat(failures_ + 1, " ", version_, loaded_ ? " loaded " : " loading ", file_digest_));
  if (!kept.ok()) LOG(WARNING) << "failed starts are not counted: " << kept.message();
}

}  // namespace guideway
