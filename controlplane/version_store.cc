// See version_store.h.
#include "controlplane/version_store.h"

#include <glog/logging.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/file_identity.h"
#include "lib/base/status.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"

namespace guideway {

namespace {

constexpr char kTemporary[] = "next.new";
constexpr char kCopy[] = "newest.copy";
constexpr char kEndOfInfo[] = "\n---\n";

std::string NameOf(uint64_t version) { return absl::StrCat(absl::Dec(version, absl::kZeroPad10)); }

std::string Encode(const KeptVersion& kept) {
  const VersionInfo& info = kept.info;
  std::string text =
      absl::StrCat("version ", info.version, "\nfile_sha256 ", info.file_digest, "\nedited ",
                   info.edited ? 1 : 0, "\naccepted_unix_ms ", absl::ToUnixMillis(info.accepted),
                   "\nwho ", absl::CEscape(info.who), "\naction ", absl::CEscape(info.action),
                   "\nnote ", absl::CEscape(info.note));
  if (info.unconfirmed.has_value()) {
    absl::StrAppend(&text, "\nconfirm_by_unix_ms ", absl::ToUnixMillis(info.unconfirmed->deadline),
                    "\nconfirm_within_ms ", absl::ToInt64Milliseconds(info.unconfirmed->within),
                    "\nrollback_to ", info.unconfirmed->rollback_to);
  }
  if (info.failed_starts) absl::StrAppend(&text, "\nfailed_starts 1");
  if (info.fell_back) absl::StrAppend(&text, "\nfell_back 1");
  if (info.copy_of != 0) absl::StrAppend(&text, "\ncopy_of ", info.copy_of);
  return absl::StrCat(text, kEndOfInfo, PrintYaml(kept.config));
}

Unconfirmed& UnconfirmedOf(VersionInfo* info) {
  if (!info->unconfirmed.has_value()) info->unconfirmed.emplace();
  return *info->unconfirmed;
}

// A line of Encode(). Keys of a later release are passed over; false if a value makes no sense.
bool DecodeLine(const std::string& key, const std::string& value, VersionInfo* info) {
  int64_t number = 0;
  const bool is_number = absl::SimpleAtoi(value, &number) && number >= 0;
  std::string text;
  const bool is_text = absl::CUnescape(value, &text);
  if (key == "version") info->version = static_cast<uint64_t>(number);
  if (key == "edited") info->edited = number == 1;
  if (key == "accepted_unix_ms") info->accepted = absl::FromUnixMillis(number);
  if (key == "confirm_by_unix_ms") UnconfirmedOf(info).deadline = absl::FromUnixMillis(number);
  if (key == "confirm_within_ms") UnconfirmedOf(info).within = absl::Milliseconds(number);
  if (key == "rollback_to") UnconfirmedOf(info).rollback_to = static_cast<uint64_t>(number);
  if (key == "failed_starts") info->failed_starts = number == 1;
  if (key == "fell_back") info->fell_back = number == 1;
  if (key == "copy_of") info->copy_of = static_cast<uint64_t>(number);
  if (key == "file_sha256") info->file_digest = value;
  if (key == "who") info->who = text;
  if (key == "action") info->action = text;
  if (key == "note") info->note = text;
  const bool wants_text = key == "file_sha256" || key == "who" || key == "action" || key == "note";
  return wants_text ? is_text : is_number;
}

absl::StatusOr<VersionInfo> DecodeInfo(const std::string& text, const std::string& path) {
  VersionInfo info;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    const size_t space = line.find(' ');
    if (space == std::string::npos ||
        !DecodeLine(line.substr(0, space), line.substr(space + 1), &info)) {
      return absl::DataLossError(path + ": is not a kept version");
    }
    start = end + 1;
  }
  return info;
}

absl::StatusOr<VersionInfo> DecodeInfoOf(uint64_t version, const std::string& text,
                                         const std::string& path) {
  GW_ASSIGN_OR_RETURN(VersionInfo info, DecodeInfo(text, path));
  if (info.version != version) {
    return absl::DataLossError(absl::StrCat(path, ": holds version ", info.version));
  }
  return info;
}

}  // namespace

VersionStore::VersionStore(const std::string& state_directory, FileOperations* operations)
    : state_directory_(state_directory),
      directory_(state_directory + "/versions"),
      operations_(operations) {}

bool VersionStore::IsGone(uint64_t version) const { return guideway::IsGone(PathOf(version)); }

std::string VersionStore::PathOf(uint64_t version) const {
  return absl::StrCat(directory_, "/", NameOf(version));
}

absl::Status VersionStore::Write(const KeptVersion& kept) {
  std::error_code ignored;
  const bool is_new = !std::filesystem::exists(PathOf(kept.info.version), ignored);
  GW_RETURN_IF_ERROR(MakeDirectories(directory_));  // somebody may have emptied the disk
  const absl::Status written =
      WriteStateFile(directory_, NameOf(kept.info.version), kTemporary, Encode(kept), operations_);
  if (!written.ok() && is_new) {
    // If only the last step failed the file is there, and must not come into force at the next
    // start.
    const absl::Status removed =
        RemoveStateFiles(directory_, {NameOf(kept.info.version)}, operations_);
    if (!removed.ok()) LOG(ERROR) << removed.message();
  }
  GW_RETURN_IF_ERROR(written);
  const absl::Status copied =
      WriteStateFile(directory_, kCopy, absl::StrCat(kCopy, ".new"), Encode(kept), operations_);
  copy_problem_ =
      copied.ok() ? "" : absl::StrCat("the newest version is kept once only: ", copied.message());
  // The copy of an older one must not pass for this one's.
  if (!copied.ok()) RemoveStateFiles(directory_, {kCopy}, operations_).IgnoreError();
  return absl::OkStatus();
}

absl::StatusOr<std::string> VersionStore::ReadText(uint64_t version) const {
  absl::StatusOr<std::string> read = ReadStateFile(directory_, NameOf(version));
  if (absl::IsNotFound(read.status())) {
    return absl::NotFoundError(
        absl::StrCat("version ", version, " is not kept; `guideway history` lists those that are"));
  }
  GW_ASSIGN_OR_RETURN(std::string text, std::move(read));
  if (text.find(kEndOfInfo) == std::string::npos) {
    return absl::DataLossError(PathOf(version) + ": is not a kept version");
  }
  return text;
}

absl::StatusOr<std::string> VersionStore::ReadCopy() const {
  GW_ASSIGN_OR_RETURN(std::string text, ReadStateFile(directory_, kCopy));
  if (text.find(kEndOfInfo) == std::string::npos) {
    return absl::DataLossError(absl::StrCat(directory_, "/", kCopy, ": is not a kept version"));
  }
  return text;
}

uint64_t VersionStore::CopiedVersion() const {
  const absl::StatusOr<std::string> text = ReadCopy();
  if (!text.ok()) return 0;
  const auto info = DecodeInfo(text->substr(0, text->find(kEndOfInfo)), kCopy);
  return info.ok() ? info->version : 0;
}

absl::StatusOr<KeptVersion> VersionStore::ReadEither(uint64_t version,
                                                     std::vector<std::string>* problems) const {
  absl::StatusOr<KeptVersion> kept = Read(version);
  if (absl::IsNotFound(kept.status())) {
    kept = absl::DataLossError(PathOf(version) + ": is gone");
  }
  if (!absl::IsDataLoss(kept.status()) || CopiedVersion() != version) return kept;
  const absl::StatusOr<std::string> copy = ReadCopy();
  if (!copy.ok()) return kept;
  problems->push_back(absl::StrCat(kept.status().message(),
                                   "; nothing is lost, the other copy of version ", version,
                                   " is good"));
  return Parse(version, *copy);
}

absl::StatusOr<VersionInfo> VersionStore::ReadInfo(uint64_t version) const {
  GW_ASSIGN_OR_RETURN(const std::string text, ReadText(version));
  return DecodeInfoOf(version, text.substr(0, text.find(kEndOfInfo)), PathOf(version));
}

absl::StatusOr<KeptVersion> VersionStore::Parse(uint64_t version, const std::string& text) const {
  const size_t end = text.find(kEndOfInfo);
  KeptVersion kept;
  GW_ASSIGN_OR_RETURN(kept.info, DecodeInfoOf(version, text.substr(0, end), PathOf(version)));
  GW_ASSIGN_OR_RETURN(kept.config, ParseConfig(text.substr(end + sizeof(kEndOfInfo) - 1),
                                               PathOf(version) + " below ---"));
  return kept;
}

absl::StatusOr<KeptVersion> VersionStore::Read(uint64_t version) const {
  GW_ASSIGN_OR_RETURN(const std::string text, ReadText(version));
  return Parse(version, text);
}

std::vector<uint64_t> VersionStore::List() const {
  std::vector<uint64_t> versions;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    uint64_t version = 0;
    if (absl::SimpleAtoi(name, &version) && NameOf(version) == name) versions.push_back(version);
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

absl::StatusOr<KeptVersion> VersionStore::ReadNewest(std::vector<std::string>* problems) {
  std::vector<uint64_t> versions = List();
  // The copy may be all that is left of the newest one.
  const uint64_t copied = CopiedVersion();
  if (copied > (versions.empty() ? 0 : versions.back())) versions.push_back(copied);
  if (versions.empty()) return absl::NotFoundError("no version is kept");
  std::optional<KeptVersion> failed;
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    absl::StatusOr<KeptVersion> kept = ReadEither(*it, problems);
    if (kept.ok() && !kept->info.failed_starts) return kept;
    if (kept.ok()) {
      if (!failed.has_value()) failed = *std::move(kept);
    } else {
      problems->push_back(std::string(kept.status().message()));
    }
  }
  if (failed.has_value()) return *std::move(failed);
  return absl::DataLossError("none of the kept versions can be used");
}

void VersionStore::MarkFailed(uint64_t version) {
  // Its copy, which is a version by itself, is not marked.
  if (CopiedVersion() == version) {
    const absl::Status removed = RemoveStateFiles(directory_, {kCopy}, operations_);
    LOG_IF(ERROR, !removed.ok()) << removed.message();
  }
  const auto text = ReadText(version);
  const auto info = ReadInfo(version);
  if (!text.ok() || !info.ok() || info->failed_starts) return;
  const absl::Status marked = WriteStateFile(directory_, NameOf(version), kTemporary,
                                             absl::StrCat("failed_starts 1\n", *text), operations_);
  if (!marked.ok()) LOG(ERROR) << marked.message();
  if (info->copy_of != 0) MarkFailed(info->copy_of);
}

absl::Status VersionStore::RemoveAfter(uint64_t version) {
  std::vector<std::string> names = {kCopy};  // first: see ReadNewest()
  for (const uint64_t kept : List()) {
    if (kept > version) names.push_back(NameOf(kept));
  }
  return RemoveStateFiles(directory_, names, operations_);
}

absl::Status VersionStore::Prune(size_t count, uint64_t spared) {
  std::vector<uint64_t> versions = List();
  if (versions.size() <= count) return absl::OkStatus();
  std::vector<std::string> names;
  for (size_t i = 0; i < versions.size() - count; ++i) {
    if (versions[i] != spared) names.push_back(NameOf(versions[i]));
  }
  return RemoveStateFiles(directory_, names, operations_);
}

}  // namespace guideway
