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
    config_ = std::move(kept->config);
    version_ = kept->version;
    edited_ = true;
    file_digest_ = digest;
    return absl::OkStatus();
  }
  GW_ASSIGN_OR_RETURN(v1::Config from_file, ParseConfig(text, options_.config_file));
  if (kept.ok()) {
    LOG(INFO) << "configuration: " << options_.config_file
              << (kept->file_digest == digest ? ", as before" : ", which has changed");
    if (kept->edited) LOG(WARNING) << "changes made through the API before that are dropped";
    version_ = kept->version;
  } else if (absl::IsNotFound(kept.status())) {
    LOG(INFO) << "configuration: " << options_.config_file << ", nothing was kept";
  } else {
    LOG(ERROR) << "configuration: " << options_.config_file
               << ", because the kept one cannot be used: " << kept.status().message();
  }
  if (!kept.ok() || kept->file_digest != digest || kept->edited) ++version_;
  GW_RETURN_IF_ERROR(Keep(from_file, version_, false, digest));
  config_ = std::move(from_file);
  file_digest_ = digest;
  return absl::OkStatus();
}

std::string ConfigStore::source() const {
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
  problem_.clear();
  config_ = std::move(config);
  version_ = version;
  edited_ = edited;
  file_digest_ = file_digest;
  return change;
}

void ConfigStore::Restore(const Snapshot& snapshot) {
  const absl::Status kept =
      Keep(snapshot.config, snapshot.version, snapshot.edited, snapshot.file_digest);
  problem_ = std::string(kept.message());
  if (!kept.ok()) LOG(ERROR) << problem_;
  config_ = snapshot.config;
  version_ = snapshot.version;
  edited_ = snapshot.edited;
  file_digest_ = snapshot.file_digest;
}

absl::Status ConfigStore::Keep(const v1::Config& config, uint64_t version, bool edited,
                               const std::string& file_digest) const {
  return Annotate(WriteStateFile(options_.state_directory, kStateName,
                                 EncodeKept(config, version, edited, file_digest)),
                  "cannot keep the configuration");
}

}  // namespace guideway
