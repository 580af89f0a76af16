// See health_guards.h.
#include "controlplane/health_guards.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/compiler/backend_registry.h"
#include "controlplane/report/problem.h"
#include "glog/logging.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/meant.h"
#include "lib/config/pool_probes.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

constexpr char kFile[] = "health-overrides";

std::string KeyOf(const v1::Pool& pool, const v1::Backend& backend) {
  return BackendKey(pool.name(), backend.name(), backend.address());
}

const v1::Pool* FindPool(const v1::Config& config, const std::string& name) {
  for (const v1::Pool& pool : config.pools()) {
    if (pool.name() == name) return &pool;
  }
  return nullptr;
}

const char* Word(bool healthy) { return healthy ? "healthy" : "unhealthy"; }

}  // namespace

HealthGuards::HealthGuards(const Prober* prober, const std::string& directory)
    : prober_(prober), state_(directory, kFile) {}

void HealthGuards::Load() {
  const auto text = state_.Read();
  damage_ = state_.problem();
  if (!absl::IsNotFound(text.status())) {
    const absl::Status status =
        text.ok() ? Annotate(overrides_.FromText(*text), kFile) : text.status();
    if (!status.ok()) damage_ = absl::StrCat("forced health is forgotten: ", status.message());
  }
  if (!damage_.empty()) LOG(ERROR) << damage_;
}

absl::Status HealthGuards::OrdersKept(const absl::Status& kept) {
  problem_ = kept.ok() ? ""
                       : absl::StrCat("forced health is not kept over a restart: ",
                                      std::string(kept.message()));
  if (kept.ok()) damage_.clear();
  if (!kept.ok()) LOG(ERROR) << problem_;
  return Annotate(kept, "in force, but not kept over a restart");
}

void HealthGuards::OnAnswer(const std::string& key, absl::Duration began, absl::Duration now) {
  const BackendHealth* health = prober_->Find(key);
  if (health != nullptr) common_.OnAnswer(key, health->failing(), began, now);
}

void HealthGuards::OnVerdict(const std::string& key, absl::Duration now) {
  common_.OnVerdict(key, Probed(key), now);
}

std::string HealthGuards::AppendHolds(absl::Duration now, const std::string& after, size_t count,
                                      std::vector<CommonFailures::AddressHold>* holds) const {
  std::string next = common_.AppendHolds(now, after, count, holds);
  if (!next.empty()) return next;
  for (const std::string& key : limiter_.Held()) {
    holds->push_back({.address = key, .limited = true});
  }
  return "";
}

void HealthGuards::RememberHolds(const std::vector<CommonFailures::AddressHold>& holds,
                                 absl::Duration now) {
  std::vector<CommonFailures::AddressHold> common;
  std::set<std::string> limited;
  for (const CommonFailures::AddressHold& hold : holds) {
    if (hold.limited) {
      limited.insert(hold.address);
    } else {
      common.push_back(hold);
    }
  }
  common_.Remember(common, now);
  limiter_.Remember(std::move(limited), now);
}

std::set<std::string> HealthGuards::TakeChanged(absl::Duration now) {
  if (common_.Busy()) common_.Update(now);
  std::set<std::string> changed = common_.TakeChanged();
  // What bears on announcing alone.
  std::set<std::string> long_held;
  for (const CommonFailures::Episode& episode : common_.Episodes(now)) {
    if (!episode.long_held) continue;
    long_held.insert(episode.pool);
    if (!long_held_.contains(episode.pool)) changed.insert(episode.pool);
  }
  long_held_ = std::move(long_held);
  return changed;
}

void HealthGuards::Update(absl::Duration now) {
  now_ = now;
  limiter_.Update(
      [this](const std::string& key) {
        return common_.IsHeld(key) ? HealthState::kHealthy : Probed(key);
      },
      now);
}

void HealthGuards::UpdateVips(const v1::Pool& pool) {
  const auto vips = vips_of_pool_.find(pool.name());
  if (vips == vips_of_pool_.end()) return;
  const Share share = ShareOf(pool);
  for (const std::string& vip : vips->second) {
    if (!announcing_.Update(vip, share.healthy, share.total)) continue;
    LOG(WARNING) << "VIP " << vip << " is "
                 << (announcing_.IsAnnounced(vip) ? "to be announced again"
                                                  : "no longer to be announced")
                 << ": " << share.healthy << " of " << share.total << " backends are healthy";
  }
}

HealthState HealthGuards::Probed(const std::string& key) const {
  const BackendHealth* health = prober_->Find(key);
  return health != nullptr ? health->state() : HealthState::kUnprobed;
}

HealthState HealthGuards::HealthOf(const std::string& key) const {
  if (!forced_.empty()) {
    const auto forced = forced_.find(key);
    if (forced != forced_.end()) {
      return forced->second ? HealthState::kHealthy : HealthState::kUnhealthy;
    }
  }
  return common_.IsHeld(key) || limiter_.IsHeld(key) ? HealthState::kHealthy : Probed(key);
}

bool HealthGuards::HoldsWholePool(const v1::Pool& pool) const {
  if (!common_.HoldsWholePool(pool.name())) return false;
  if (forced_.empty()) return true;
  return std::none_of(pool.backends().begin(), pool.backends().end(), [&](const auto& backend) {
    const auto forced = forced_.find(KeyOf(pool, backend));
    return forced != forced_.end() && forced->second && IsMeantToTakeFlows(backend);
  });
}

HealthGuards::Share HealthGuards::ShareOf(const v1::Pool& pool) const {
  Share share;
  for (const v1::Backend& backend : pool.backends()) {
    if (!IsMeantToTakeFlows(backend)) continue;
    ++share.total;
    const std::string key = KeyOf(pool, backend);
    if (is_unreachable_ && is_unreachable_(key)) continue;
    const bool probed = !IsForced(key) && common_.IsLongHeld(key, now_);
    const HealthState health = probed ? Probed(key) : HealthOf(key);
    if (health == HealthState::kHealthy || health == HealthState::kUnprobed) ++share.healthy;
  }
  return share;
}

absl::Status HealthGuards::Force(const v1::Config& config, const v1::ForceHealthRequest& request,
                                 std::string* change) {
  const v1::Pool* pool = FindPool(config, request.pool());
  if (pool == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no pool ", Quote(request.pool())));
  }
  const v1::Backend* found = nullptr;
  for (const v1::Backend& backend : pool->backends()) {
    if (backend.name() == request.backend()) found = &backend;
  }
  if (found == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("pool ", pool->name(), ": there is no backend ", Quote(request.backend())));
  }
  std::optional<bool> healthy;
  if (request.force() == v1::FORCE_HEALTHY) healthy = true;
  if (request.force() == v1::FORCE_UNHEALTHY) healthy = false;
  if (!overrides_.Force({pool->name(), found->name()}, healthy)) return absl::OkStatus();
  const std::string key = KeyOf(*pool, *found);
  forced_.erase(key);
  if (healthy.has_value()) forced_[key] = *healthy;
  *change = absl::StrCat(
      "pool ", pool->name(), ": backend ", found->name(), ": health ",
      healthy.has_value() ? absl::StrCat("forced to ", Word(*healthy)) : "as probed again");
  LOG(WARNING) << *change;
  return absl::OkStatus();
}

absl::Status HealthGuards::Pause(const v1::Config& config, const v1::PauseProbesRequest& request,
                                 std::string* change) {
  const v1::Pool* pool = FindPool(config, request.pool());
  if (pool == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no pool ", Quote(request.pool())));
  }
  if (!HasProbes(*pool)) {
    return absl::FailedPreconditionError(absl::StrCat("pool ", pool->name(), " has no probe"));
  }
  if (!overrides_.Pause(pool->name(), request.paused())) return absl::OkStatus();
  *change =
      absl::StrCat("pool ", pool->name(), ": probes ", request.paused() ? "paused" : "resumed");
  LOG(WARNING) << *change;
  return absl::OkStatus();
}

void HealthGuards::FillBackend(const v1::Pool& pool, const v1::Backend& backend,
                               v1::BackendState* state) const {
  const std::string key = KeyOf(pool, backend);
  std::string why;
  const auto forced = forced_.find(key);
  if (forced != forced_.end()) {
    state->set_health(forced->second ? v1::HEALTH_HEALTHY : v1::HEALTH_UNHEALTHY);
    state->set_health_forced(true);
    why = "forced by hand; last probe: ";
  } else if (common_.IsHeld(key)) {
    state->set_ejection_held(true);
    why = "unhealthy, but stays, as all of the pool fail: ";
  } else if (common_.IsKept(key)) {
    why = "many fail at once: known flows stay: ";
  } else if (limiter_.IsHeld(key)) {
    state->set_ejection_held(true);
    why = "unhealthy, but stays for the pool's ejection_limit: ";
  }
  if (IsPaused(pool.name()) && prober_->Find(key) != nullptr) why += "probes are paused; before: ";
  const std::string& last = state->health_reason();
  if (!why.empty()) state->set_health_reason(absl::StrCat(why, last.empty() ? "none" : last));
}

void HealthGuards::FillVip(const v1::Config& config, const v1::Vip& vip,
                           v1::VipState* state) const {
  state->set_announced(IsAnnounced(vip.name()));
  const v1::Pool* pool = FindPool(config, vip.pool());
  if (pool == nullptr) return;
  const Share share = ShareOf(*pool);
  state->set_healthy_backends(share.healthy);
  state->set_enabled_backends(share.total);
}

void HealthGuards::FillStatus(v1::GetStatusResponse* status) const {
  if (!damage_.empty()) AddProblem(ProblemKind::kStateDamaged, "forced health", damage_, status);
  if (!problem_.empty()) AddProblem(ProblemKind::kStateNotKept, "", problem_, status);
  for (const auto& [backend, healthy] : overrides_.forced()) {
    status->add_overrides(absl::StrCat("pool ", backend.first, ": backend ", backend.second,
                                       " is forced to ", Word(healthy)));
  }
  for (const std::string& pool : overrides_.paused()) {
    status->add_overrides(absl::StrCat("pool ", pool, ": probes are paused"));
  }
  if (limiter_.held_count() > 0) {
    status->add_overrides(absl::StrCat(limiter_.held_count(),
                                       " unhealthy backends stay in service for ejection_limit"));
  }
  const absl::Duration late = prober_->Lateness();
  if (late >= absl::Seconds(1)) {
    AddProblem(ProblemKind::kProbesLate, "",
               "probes start more than a second late: this host cannot run so many", status);
  }
}

void HealthGuards::FillCommonFailures(absl::Duration now, v1::GetStatusResponse* status) const {
  // Whoever was given an order is not held any more.
  const auto is_forced = [this](const std::string& key) { return IsForced(key); };
  for (const CommonFailures::Episode& episode : common_.Episodes(now, is_forced)) {
    std::string text = absl::StrCat("pool ", episode.pool, ": ");
    if (episode.held > 0) {
      absl::StrAppend(&text, "nobody answers its probes: verdicts on ", episode.held, " are held",
                      episode.long_held ? ", but no longer for announcing" : "");
    }
    if (episode.kept > 0) {
      absl::StrAppend(&text, episode.held > 0 ? "; " : "", episode.kept, " of ", episode.backends,
                      " failed at once: their known flows stay for now");
    }
    AddProblem(ProblemKind::kCommonFailure, absl::StrCat("pool ", episode.pool), text, status);
  }
}

}  // namespace guideway
