// What a ConfigStore does at the start: which configuration is served. See config_store.h.
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/file.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "controlplane/config_store.h"
#include "controlplane/peer_identity.h"
#include "lib/base/regular_file.h"
#include "lib/base/status.h"
#include "lib/config/load.h"
#include "lib/config/shrink.h"

namespace guideway {

absl::StatusOr<std::unique_ptr<ConfigStore>> ConfigStore::Open(const Options& options) {
  std::unique_ptr<ConfigStore> store(new ConfigStore(options));
  const absl::Status made = MakeDirectories(options.state_directory);
  if (made.ok()) {
    GW_RETURN_IF_ERROR(store->lock_.Take(options.state_directory, options.holder_hangs));
  } else {
    // Nothing can be kept, which is said once a version cannot; FILE is served all the same.
    LOG(ERROR) << "state directory: " << made.message();
  }
  GW_RETURN_IF_ERROR(store->Load());
  store->RollBackIfOverdue();
  store->attempts_.SetVersion(store->version());
  return store;
}

absl::Status ConfigStore::Load() {
  absl::StatusOr<std::string> text = absl::InvalidArgumentError("--config: FILE is missing");
  if (!options_.config_file.empty()) text = ReadConfigText(options_.config_file);
  const std::string digest = text.ok() ? Sha256Hex(*text) : "";
  const std::vector<uint64_t> on_disk = versions_.List();
  const uint64_t newest = on_disk.empty() ? 0 : on_disk.back();
  const StartAttempts::Failures failures = attempts_.Begin(digest, newest);
  if (failures.count >= StartAttempts::kFailuresAllowed && FallBack(digest, failures)) {
    attempts_.Begin(digest, version());
    return absl::OkStatus();
  }
  absl::StatusOr<KeptVersion> kept = versions_.ReadNewest(&damaged_);
  for (std::string& damaged : damaged_) {
    if (kept.ok() && !absl::StrContains(damaged, "nothing is lost")) {
      absl::StrAppend(&damaged, "; version ", kept->info.version, " was the last good one");
    }
    LOG(ERROR) << "kept configuration: " << damaged;
  }
  if (kept.ok() && kept->info.edited && text.ok() && kept->info.file_digest == digest) {
    LOG(INFO) << "configuration: the kept one, version " << kept->info.version
              << ", because it was changed through the API and " << options_.config_file
              << " is as it was";
    Adopt(*std::move(kept));
    return absl::OkStatus();
  }
  return LoadFile(text, digest, std::move(kept));
}

absl::Status ConfigStore::LoadFile(const absl::StatusOr<std::string>& text,
                                   const std::string& digest, absl::StatusOr<KeptVersion> kept) {
  absl::StatusOr<v1::Config> from_file = text.ok() ? ParseConfig(*text, options_.config_file)
                                                   : absl::StatusOr<v1::Config>(text.status());
  if (!from_file.ok()) {
    if (absl::IsNotFound(kept.status())) return from_file.status();
    if (!kept.ok()) {
      return absl::Status(
          from_file.status().code(),
          absl::StrCat(from_file.status().message(), "; and ", kept.status().message()));
    }
    FileRefused(from_file.status());
    LOG(ERROR) << "configuration: the kept one, version " << kept->info.version << ", because "
               << options_.config_file << " is " << file_refused_;
    Adopt(*std::move(kept));
    return absl::OkStatus();
  }
  if (kept.ok() && HoldBack(*kept, &*from_file)) {
    Adopt(*std::move(kept));
    return absl::OkStatus();
  }
  if (kept.ok()) current_ = *kept;
  KeptVersion next = NextVersion(*std::move(from_file), {}, options_.config_file);
  next.info.file_digest = digest;
  if (kept.ok()) {
    const bool as_before = kept->info.file_digest == digest;
    LOG(INFO) << "configuration: " << options_.config_file
              << (as_before ? ", as before" : ", which has changed");
    if (kept->info.edited) LOG(WARNING) << "changes made through the API before that are dropped";
    if (as_before && !kept->info.edited) next.info = kept->info;
  } else if (absl::IsNotFound(kept.status())) {
    LOG(INFO) << "configuration: " << options_.config_file << ", nothing was kept";
  } else {
    LOG(ERROR) << "configuration: " << options_.config_file
               << ", because the kept one cannot be used: " << kept.status().message();
  }
  Adopt(std::move(next));
  return absl::OkStatus();
}

bool ConfigStore::FallBack(const std::string& file_digest,
                           const StartAttempts::Failures& failures) {
  std::vector<uint64_t> targets = versions_.List();
  if (failures.version != 0) {
    const auto info = versions_.ReadInfo(failures.version);
    versions_.MarkFailed(failures.version);
    // Tried first: the last in the list.
    if (info.ok() && info->unconfirmed.has_value()) {
      targets.push_back(info->unconfirmed->rollback_to);
    }
  }
  const std::string what =
      failures.version == 0 ? options_.config_file : absl::StrCat("version ", failures.version);
  for (auto target = targets.rbegin(); target != targets.rend(); ++target) {
    if (*target == failures.version) continue;
    const auto info = versions_.ReadInfo(*target);
    if (!info.ok() || info->failed_starts) continue;
    auto kept = versions_.Read(*target);
    if (!kept.ok()) continue;
    current_ = *kept;
    KeptVersion next = NextVersion(
        std::move(kept->config), {},
        absl::StrCat(what, " failed ", failures.count,
                     " starts in a row before its tables were in force: back to version ",
                     *target));
    next.info.who = PeerIdentity::System().ToString();
    next.info.file_digest = file_digest;
    next.info.edited = true;  // FILE does not win until it changes
    next.info.fell_back = true;
    next.info.copy_of = *target;
    LOG(ERROR) << "configuration version " << next.info.version << ": " << next.info.note;
    Adopt(std::move(next));
    return true;
  }
  LOG(ERROR) << "configuration: " << what << " failed " << failures.count
             << " starts in a row, and there is no other version";
  return false;
}

bool ConfigStore::HoldBack(const KeptVersion& kept, v1::Config* from_file) {
  const std::vector<std::string> shrinks = DangerousShrinks(kept.config, *from_file);
  if (shrinks.empty()) return false;
  if (options_.force) {
    for (const std::string& shrink : shrinks) {
      LOG(WARNING) << "--force_config: " << options_.config_file << " is taken although " << shrink;
    }
    return false;
  }
  held_reason_ =
      absl::StrCat(options_.config_file, ": not taken at the start: ", absl::StrJoin(shrinks, "; "),
                   " (--force_config takes it)");
  LOG(ERROR) << "configuration: the kept one, version " << kept.info.version << ", because "
             << held_reason_;
  held_file_ = std::move(*from_file);
  return true;
}

// After a start: the deadline may have passed, and the clock may have been set back.
void ConfigStore::RollBackIfOverdue() {
  if (!unconfirmed().has_value()) return;
  const absl::Duration left = unconfirmed()->deadline - absl::Now();
  if (left <= absl::ZeroDuration()) {
    RollBackUnconfirmed().IgnoreError();
  } else if (left > unconfirmed()->within) {
    current_.info.unconfirmed->deadline = absl::Now() + unconfirmed()->within;
  }
}

}  // namespace guideway
