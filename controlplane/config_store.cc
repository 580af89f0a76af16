// See config_store.h.
#include "controlplane/config_store.h"

#include <glog/logging.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "controlplane/peer_identity.h"
#include "lib/base/status.h"
#include "lib/config/defaults.h"
#include "lib/config/diff.h"
#include "lib/config/load.h"
#include "lib/config/shrink.h"
#include "lib/config/validate.h"

namespace guideway {

namespace {

constexpr absl::Duration kShortestWait = absl::Seconds(1);
constexpr absl::Duration kLongestWait = absl::Hours(24);

absl::Status CheckWait(absl::Duration confirm_within) {
  if (confirm_within == absl::ZeroDuration() ||
      (confirm_within >= kShortestWait && confirm_within <= kLongestWait)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("confirm_within: ", absl::FormatDuration(confirm_within),
                   " is out of range; must be from 1s to 24h"));
}

std::string Summary(const std::vector<std::string>& changes, const std::string& why) {
  std::string text = why;
  if (changes.empty()) return text;
  absl::StrAppend(&text, text.empty() ? "" : ": ", changes[0]);
  if (changes.size() > 1) absl::StrAppend(&text, " and ", changes.size() - 1, " more");
  return text;
}

}  // namespace

KeptVersion ConfigStore::NextVersion(v1::Config config, const std::vector<std::string>& changes,
                                     const std::string& why) const {
  const std::vector<uint64_t> on_disk = versions_.List();
  KeptVersion next;
  next.info.version = std::max(version(), on_disk.empty() ? 0 : on_disk.back()) + 1;
  next.info.accepted = absl::Now();
  next.info.who = who_;
  next.info.action = action_;
  next.info.note = Summary(changes, why);
  next.config = std::move(config);
  return next;
}

void ConfigStore::Adopt(KeptVersion next) {
  current_ = std::move(next);
  KeepCurrent();
  if (!keep_problem_.empty()) LOG(ERROR) << keep_problem_;
}

void ConfigStore::KeepCurrent() {
  absl::Status kept;
  if (refused_left_) {
    kept = Annotate(versions_.RemoveAfter(version()), "cannot forget a refused version");
    refused_left_ = !kept.ok();
  }
  if (kept.ok()) kept = Keep(current_);
  keep_problem_ = std::string(kept.message());
}

bool ConfigStore::WatchDirectory() {
  if (!lock_.Keep()) return false;
  if (!keep_problem_.empty() || !versions_.IsGone(version())) return true;
  LOG(WARNING) << "the file of configuration version " << version()
               << " was removed; it is written again";
  KeepCurrent();
  return true;
}

std::vector<ProblemNote> ConfigStore::Problems() {
  std::vector<ProblemNote> problems;
  for (const std::string& damaged : damaged_) {
    problems.push_back({ProblemKind::kStateDamaged, "", damaged});
  }
  if (!keep_problem_.empty()) {
    KeepCurrent();
    if (keep_problem_.empty()) LOG(INFO) << "the configuration could be kept now";
  }
  if (!keep_problem_.empty()) {
    problems.push_back({ProblemKind::kStateNotKept, "", keep_problem_});
  }
  if (!versions_.copy_problem().empty()) {
    problems.push_back({ProblemKind::kStateNotKept, "", versions_.copy_problem()});
  }
  for (const std::string& damaged : {lock_.problem(), attempts_.problem()}) {
    if (!damaged.empty()) problems.push_back({ProblemKind::kStateDamaged, "", damaged});
  }
  if (held_file_.has_value()) {
    problems.push_back({ProblemKind::kConfigHeld, options_.config_file, held_reason_});
  }
  if (!file_refused_.empty()) {
    problems.push_back({ProblemKind::kConfigFileRefused, options_.config_file, file_refused_});
  }
  if (current_.info.fell_back) {
    problems.push_back({ProblemKind::kConfigFellBack, "configuration", current_.info.note});
  }
  if (!rollback_failed_.empty()) {
    problems.push_back({ProblemKind::kRollbackFailed, "configuration", rollback_failed_});
  }
  return problems;
}

std::string ConfigStore::source() const {
  if (options_.config_file.empty()) return "the kept copy, without --config";
  if (held_file_.has_value()) return absl::StrCat("the kept copy, not ", options_.config_file);
  return absl::StrCat(options_.config_file,
                      current_.info.edited ? ", changed through the API" : "");
}

void ConfigStore::SetOrigin(const std::string& who, const std::string& action) {
  who_ = who;
  action_ = action;
}

std::vector<std::string> ConfigStore::BeyondCapacity(const v1::Config& config) const {
  return capacity_check_ ? capacity_check_(config) : std::vector<std::string>();
}

absl::StatusOr<ConfigStore::Change> ConfigStore::Reload() {
  absl::StatusOr<Change> change = ReloadFile();
  if (!change.ok()) FileRefused(change.status());
  return change;
}

void ConfigStore::FileRefused(const absl::Status& why) {
  file_refused_ = absl::StrCat("not taken: ", why.message());
}

void ConfigStore::Settled() {
  file_refused_.clear();
  rollback_failed_.clear();
  last_rollback_.clear();
  keep_problem_.clear();
}

absl::StatusOr<ConfigStore::Change> ConfigStore::ReloadFile() {
  GW_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(options_.config_file));
  GW_ASSIGN_OR_RETURN(v1::Config config, ParseConfig(text, options_.config_file));
  const bool edited = current_.info.edited;
  GW_ASSIGN_OR_RETURN(
      Change change,
      Put(std::move(config), {}, {.file_digest = Sha256Hex(text), .why = options_.config_file}));
  held_file_.reset();  // what FILE had before
  if (edited && !change.changes.empty()) {
    change.warnings.push_back(absl::StrCat("changes made by commands since ", options_.config_file,
                                           " was read last are taken back"));
  }
  return change;
}

absl::StatusOr<ConfigStore::Change> ConfigStore::Replace(v1::Config config,
                                                         const ReplaceOptions& options) {
  GW_RETURN_IF_ERROR(CheckConfig(config));
  FillDefaults(&config);
  Source source = {.edited = true, .file_digest = current_.info.file_digest, .why = ""};
  if (std::optional<std::string> loaded = DigestOfNewFileIf(config)) {
    source.edited = false;
    source.file_digest = *std::move(loaded);
  }
  return Put(std::move(config), options, source);
}

std::optional<std::string> ConfigStore::DigestOfNewFileIf(const v1::Config& config) const {
  const absl::StatusOr<std::string> text = ReadConfigText(options_.config_file);
  if (!text.ok()) return std::nullopt;
  std::string digest = Sha256Hex(*text);
  if (digest == current_.info.file_digest) return std::nullopt;
  const absl::StatusOr<v1::Config> parsed = ParseConfig(*text, options_.config_file);
  if (!parsed.ok() || !DiffConfigs(*parsed, config).empty()) return std::nullopt;
  return digest;
}

// Whether a version's content counts as an edit of FILE as it was loaded last.
bool ConfigStore::IsEditOf(const VersionInfo& info) const {
  return info.edited || info.file_digest != current_.info.file_digest;
}

absl::StatusOr<ConfigStore::Change> ConfigStore::RollBack(uint64_t version,
                                                          const ReplaceOptions& options) {
  GW_ASSIGN_OR_RETURN(KeptVersion kept, versions_.Read(version));
  return Put(std::move(kept.config), options,
             {.edited = IsEditOf(kept.info),
              .file_digest = current_.info.file_digest,
              .why = absl::StrCat("back to version ", version),
              .copy_of = version,
              .ends_waiting = true});
}

absl::StatusOr<ConfigStore::Change> ConfigStore::Put(v1::Config config,
                                                     const ReplaceOptions& options,
                                                     const Source& source) {
  GW_RETURN_IF_ERROR(CheckWait(options.confirm_within));
  Change change;
  change.changes = DiffConfigs(current_.config, config);
  std::vector<std::string> reasons = DangerousShrinks(current_.config, config);
  for (std::string& reason : BeyondCapacity(config)) reasons.push_back(std::move(reason));
  if (options.dry_run) {
    change.warnings = reasons;
    return change;
  }
  if (unconfirmed().has_value() && !source.ends_waiting) {
    return absl::FailedPreconditionError(
        absl::StrCat("version ", version(), " awaits its confirmation: `guideway confirm` keeps ",
                     "it, `guideway rollback ", unconfirmed()->rollback_to, "` takes it back"));
  }
  if (!reasons.empty() && !options.force) {
    return absl::FailedPreconditionError(
        absl::StrCat("refused without --force: ", absl::StrJoin(reasons, "; ")));
  }
  KeptVersion next;
  if (change.changes.empty()) {
    next = current_;
    next.config = std::move(config);
    next.info.edited = source.edited && current_.info.edited;  // an edit without effect is none
    next.info.unconfirmed.reset();
  } else {
    next = NextVersion(std::move(config), change.changes, source.why);
    next.info.edited = source.edited;
    if (options.confirm_within > absl::ZeroDuration()) {
      next.info.unconfirmed =
          Unconfirmed{absl::Now() + options.confirm_within, options.confirm_within, version()};
    }
  }
  next.info.file_digest = source.file_digest;
  next.info.copy_of = source.copy_of;
  next.info.fell_back = false;
  GW_RETURN_IF_ERROR(Keep(next));
  Settled();
  change.warnings = std::move(reasons);  // forced, or an edit: done, but not unnoticed
  before_.reset();
  if (next.info.unconfirmed.has_value()) before_ = std::move(current_.config);
  current_ = std::move(next);
  // Once FILE would not be refused any more there is nothing to say about it.
  if (held_file_.has_value() && DangerousShrinks(current_.config, *held_file_).empty()) {
    held_file_.reset();
  }
  return change;
}

absl::StatusOr<ConfigStore::Change> ConfigStore::Confirm() {
  if (!unconfirmed().has_value()) {
    return absl::FailedPreconditionError("no version awaits a confirmation");
  }
  KeptVersion next = current_;
  next.info.unconfirmed.reset();
  GW_RETURN_IF_ERROR(Keep(next));
  keep_problem_.clear();
  current_ = std::move(next);
  before_.reset();
  return Change{};
}

absl::StatusOr<ConfigStore::Change> ConfigStore::RollBackUnconfirmed() {
  if (!unconfirmed().has_value()) {
    return absl::FailedPreconditionError("no version awaits a confirmation");
  }
  const Unconfirmed waited = *unconfirmed();
  const std::string why = absl::StrCat("version ", version(), " was not confirmed within ",
                                       absl::FormatDuration(waited.within));
  absl::StatusOr<KeptVersion> kept = versions_.Read(waited.rollback_to);
  if (!kept.ok() && !before_.has_value()) {
    last_rollback_ = absl::StrCat(why, ", but stays: ", kept.status().message());
    LOG(ERROR) << "configuration: " << last_rollback_;
    rollback_failed_ = last_rollback_;
    current_.info.unconfirmed.reset();
    KeepCurrent();
    return absl::DataLossError(last_rollback_);
  }
  v1::Config config = before_.has_value() ? *before_ : kept->config;
  Change change;
  change.changes = DiffConfigs(current_.config, config);
  KeptVersion next = NextVersion(std::move(config), {},
                                 absl::StrCat(why, ": back to version ", waited.rollback_to));
  next.info.who = PeerIdentity::System().ToString();
  next.info.action = "rollback";
  next.info.file_digest = current_.info.file_digest;
  next.info.edited = !kept.ok() || IsEditOf(kept->info);
  next.info.copy_of = waited.rollback_to;
  last_rollback_ =
      absl::StrCat(next.info.note, ", at ",
                   absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", next.info.accepted, absl::UTCTimeZone()));
  LOG(WARNING) << "configuration version " << next.info.version << ": " << next.info.note;
  before_.reset();
  file_refused_.clear();  // a change that succeeds, as by hand
  Adopt(std::move(next));
  return change;
}

std::vector<std::pair<uint64_t, absl::StatusOr<VersionInfo>>> ConfigStore::History() const {
  std::vector<std::pair<uint64_t, absl::StatusOr<VersionInfo>>> history;
  const std::vector<uint64_t> on_disk = versions_.List();
  for (auto it = on_disk.rbegin(); it != on_disk.rend(); ++it) {
    history.emplace_back(*it, versions_.ReadInfo(*it));
  }
  return history;
}

void ConfigStore::Restore(const Snapshot& snapshot) {
  held_file_ = snapshot.held_file;
  before_ = snapshot.before;
  file_refused_ = snapshot.file_refused;
  refused_left_ = version() > snapshot.current.info.version;
  Adopt(snapshot.current);
}

absl::Status ConfigStore::Keep(const KeptVersion& kept) {
  GW_RETURN_IF_ERROR(Annotate(versions_.Write(kept), "cannot keep the configuration"));
  const absl::Status pruned =
      versions_.Prune(kept.config.change_safety().kept_versions(),
                      kept.info.unconfirmed.has_value() ? kept.info.unconfirmed->rollback_to : 0);
  if (!pruned.ok()) LOG(WARNING) << "old versions are not forgotten: " << pruned.message();
  return absl::OkStatus();
}

}  // namespace guideway
