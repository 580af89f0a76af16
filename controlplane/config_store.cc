// See config_store.h.
#include "controlplane/config_store.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "controlplane/state_file.h"
#include "lib/base/status.h"
#include "lib/config/defaults.h"
#include "lib/config/diff.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"
#include "lib/config/validate.h"

namespace guideway {

namespace {

constexpr char kStateName[] = "config.state";

struct Kept {
  std::string file_digest;
  bool edited = false;
  uint64_t version = 0;
  v1::Config config;
};

std::string EncodeKept(const v1::Config& config, uint64_t version, bool edited,
                       const std::string& file_digest) {
  return absl::StrCat("file_sha256 ", file_digest, "\nedited ", edited ? 1 : 0, "\nversion ",
                      version, "\n---\n", PrintYaml(config));
}

absl::StatusOr<Kept> DecodeKept(const std::string& payload, const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(payload, absl::MaxSplits('\n', 4));
  Kept kept;
  if (parts.size() != 5 || !absl::StartsWith(parts[0], "file_sha256 ") ||
      !absl::StartsWith(parts[1], "edited ") || !absl::StartsWith(parts[2], "version ") ||
      !absl::SimpleAtoi(parts[2].substr(8), &kept.version) || parts[3] != "---") {
    return absl::DataLossError(path + ": is not a kept configuration");
  }
  kept.file_digest = parts[0].substr(12);
  kept.edited = parts[1] == "edited 1";
  GW_ASSIGN_OR_RETURN(kept.config, ParseConfig(parts[4], path));
  return kept;
}

// What the last run left; NOT_FOUND if there was none.
absl::StatusOr<Kept> ReadKept(const std::string& directory) {
  GW_ASSIGN_OR_RETURN(const std::string payload, ReadStateFile(directory, kStateName));
  return DecodeKept(payload, absl::StrCat(directory, "/", kStateName));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ConfigStore>> ConfigStore::Open(const Options& options) {
  std::unique_ptr<ConfigStore> store(new ConfigStore(options));
  GW_RETURN_IF_ERROR(Annotate(MakeDirectories(options.state_directory), "state directory"));
  GW_RETURN_IF_ERROR(store->LockDirectory());
  GW_RETURN_IF_ERROR(store->Load());
  return store;
}

absl::Status ConfigStore::LockDirectory() {
  const std::string path = absl::StrCat(options_.state_directory, "/lock");
  lock_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  // A full or read-only disk: what is there can be locked without writing to it.
  if (!lock_.valid()) lock_.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock_.valid()) {
    lock_.reset(open(options_.state_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  if (!lock_.valid()) return ErrnoStatus(errno, "state directory: open " + path);
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("state directory ", options_.state_directory,
                                                      ": is in use by another control plane"));
  }
  return absl::OkStatus();
}

absl::Status ConfigStore::Load() {
  GW_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(options_.config_file));
  const std::string digest = Sha256Hex(text);
  absl::StatusOr<Kept> kept = ReadKept(options_.state_directory);
  if (kept.ok() && kept->edited && kept->file_digest == digest) {
    LOG(INFO) << "configuration: the kept one, version " << kept->version << ", because it was "
              << "changed through the API and " << options_.config_file << " is as it was";
    Adopt(std::move(kept->config), kept->version, true, digest);
    return absl::OkStatus();
  }
  GW_ASSIGN_OR_RETURN(v1::Config from_file, ParseConfig(text, options_.config_file));
  uint64_t version = 1;
  if (kept.ok()) {
    const std::vector<std::string> shrinks = DangerousShrinks(kept->config, from_file);
    if (!shrinks.empty() && !options_.force) {
      held_reason_ = absl::StrCat(options_.config_file,
                                  ": not taken at the start: ", absl::StrJoin(shrinks, "; "),
                                  " (--force_config takes it)");
      LOG(ERROR) << "configuration: the kept one, version " << kept->version << ", because "
                 << held_reason_;
      held_file_ = std::move(from_file);
      Adopt(std::move(kept->config), kept->version, kept->edited, kept->file_digest);
      return absl::OkStatus();
    }
    for (const std::string& shrink : shrinks) {
      LOG(WARNING) << "--force_config: " << options_.config_file << " is taken although " << shrink;
    }
    LOG(INFO) << "configuration: " << options_.config_file
              << (kept->file_digest == digest ? ", as before" : ", which has changed");
    if (kept->edited) LOG(WARNING) << "changes made through the API before that are dropped";
    version = kept->version + (kept->file_digest != digest || kept->edited ? 1 : 0);
  } else if (absl::IsNotFound(kept.status())) {
    LOG(INFO) << "configuration: " << options_.config_file << ", nothing was kept";
  } else {
    LOG(ERROR) << "configuration: " << options_.config_file
               << ", because the kept one cannot be used: " << kept.status().message();
  }
  Adopt(std::move(from_file), version, false, digest);
  return absl::OkStatus();
}

void ConfigStore::Adopt(v1::Config config, uint64_t version, bool edited,
                        const std::string& file_digest) {
  config_ = std::move(config);
  version_ = version;
  edited_ = edited;
  file_digest_ = file_digest;
  keep_problem_ = std::string(Keep(config_, version_, edited_, file_digest_).message());
  if (!keep_problem_.empty()) LOG(ERROR) << keep_problem_;
}

std::vector<std::string> ConfigStore::Problems() {
  std::vector<std::string> problems;
  if (!keep_problem_.empty()) {
    keep_problem_ = std::string(Keep(config_, version_, edited_, file_digest_).message());
    if (keep_problem_.empty()) LOG(INFO) << "the configuration could be kept now";
  }
  if (!keep_problem_.empty()) problems.push_back(keep_problem_);
  if (held_file_.has_value()) problems.push_back(held_reason_);
  return problems;
}

std::string ConfigStore::source() const {
  if (held_file_.has_value()) return absl::StrCat("the kept copy, not ", options_.config_file);
  return absl::StrCat(options_.config_file, edited_ ? ", changed through the API" : "");
}

absl::StatusOr<ConfigStore::Change> ConfigStore::Reload() {
  GW_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(options_.config_file));
  GW_ASSIGN_OR_RETURN(v1::Config config, ParseConfig(text, options_.config_file));
  return Put(std::move(config), /*force=*/false, /*dry_run=*/false, /*edited=*/false,
             Sha256Hex(text));
}

absl::StatusOr<ConfigStore::Change> ConfigStore::Replace(v1::Config config, bool force,
                                                         bool dry_run) {
  GW_RETURN_IF_ERROR(CheckConfig(config));
  FillDefaults(&config);
  return Put(std::move(config), force, dry_run, /*edited=*/true, file_digest_);
}

absl::StatusOr<ConfigStore::Change> ConfigStore::Put(v1::Config config, bool force, bool dry_run,
                                                     bool edited, const std::string& file_digest) {
  Change change;
  change.changes = DiffConfigs(config_, config);
  const std::vector<std::string> shrinks = DangerousShrinks(config_, config);
  if (dry_run) {
    change.warnings = shrinks;
    return change;
  }
  if (!shrinks.empty() && !force) {
    return absl::FailedPreconditionError(
        absl::StrCat("refused without --force: ", absl::StrJoin(shrinks, "; ")));
  }
  if (change.changes.empty()) edited = edited && edited_;  // an edit without effect is none
  const uint64_t version = version_ + (change.changes.empty() ? 0 : 1);
  GW_RETURN_IF_ERROR(Keep(config, version, edited, file_digest));
  keep_problem_.clear();
  config_ = std::move(config);
  version_ = version;
  edited_ = edited;
  file_digest_ = file_digest;
  // Once FILE would not be refused any more there is nothing to say about it.
  if (held_file_.has_value() && DangerousShrinks(config_, *held_file_).empty()) held_file_.reset();
  return change;
}

void ConfigStore::Restore(const Snapshot& snapshot) {
  held_file_ = snapshot.held_file;
  Adopt(snapshot.config, snapshot.version, snapshot.edited, snapshot.file_digest);
}

absl::Status ConfigStore::Keep(const v1::Config& config, uint64_t version, bool edited,
                               const std::string& file_digest) const {
  return Annotate(WriteStateFile(options_.state_directory, kStateName,
                                 EncodeKept(config, version, edited, file_digest)),
                  "cannot keep the configuration");
}

}  // namespace guideway
