// See edits.h.
#include "controlplane/server/edits.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "controlplane/server/share_weight.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

constexpr absl::Duration kLongestDrain = absl::Hours(24 * 30);

template <typename List>
int IndexOf(const List& list, const std::string& name) {
  for (int i = 0; i < list.size(); ++i) {
    if (list.Get(i).name() == name) return i;
  }
  return -1;
}

template <typename List>
absl::Status NotFound(const List& list, const std::string& what, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& item : list) names.push_back(item.name());
  const std::string nearest = NearestName(name, names);
  return absl::NotFoundError(
      absl::StrCat("there is no ", what, " ", Quote(name),
                   nearest.empty() ? "" : ", did you mean " + nearest + "?"));
}

absl::StatusOr<v1::Pool*> FindPool(const std::string& name, v1::Config* config) {
  const int index = IndexOf(config->pools(), name);
  if (index < 0) return NotFound(config->pools(), "pool", name);
  return config->mutable_pools(index);
}

absl::StatusOr<int> FindBackend(const v1::Pool& pool, const std::string& name) {
  const int index = IndexOf(pool.backends(), name);
  if (index < 0) {
    return NotFound(pool.backends(), absl::StrCat("pool ", pool.name(), ": backend"), name);
  }
  return index;
}

// Whole seconds, so that people can read it.
absl::StatusOr<absl::Time> DisableTime(const google::protobuf::Duration& after) {
  const absl::Duration wait = FromProto(after);
  if (wait <= absl::ZeroDuration() || wait > kLongestDrain) {
    return absl::InvalidArgumentError(
        absl::StrCat("disable_after: ", absl::FormatDuration(wait),
                     " is not allowed; must be above 0 and at most 30 days"));
  }
  return absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now() + wait + absl::Milliseconds(999)));
}

}  // namespace

absl::Status EditConfig(const v1::CreatePoolRequest& request, v1::Config* config) {
  if (IndexOf(config->pools(), request.pool().name()) >= 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("pool ", request.pool().name(), " exists already"));
  }
  *config->add_pools() = request.pool();
  return absl::OkStatus();
}

absl::Status EditConfig(const v1::DeletePoolRequest& request, v1::Config* config) {
  const int index = IndexOf(config->pools(), request.pool());
  if (index < 0) return NotFound(config->pools(), "pool", request.pool());
  for (const v1::Vip& vip : config->vips()) {
    if (vip.pool() == request.pool()) {
      return absl::FailedPreconditionError(
          absl::StrCat("pool ", request.pool(), " is in use by VIP ", vip.name()));
    }
  }
  config->mutable_pools()->DeleteSubrange(index, 1);
  return absl::OkStatus();
}

absl::Status EditConfig(const v1::AddBackendRequest& request, v1::Config* config) {
  GW_ASSIGN_OR_RETURN(v1::Pool * pool, FindPool(request.pool(), config));
  if (IndexOf(pool->backends(), request.backend().name()) >= 0) {
    return absl::AlreadyExistsError(absl::StrCat("pool ", pool->name(), ": backend ",
                                                 request.backend().name(), " exists already"));
  }
  *pool->add_backends() = request.backend();
  return absl::OkStatus();
}

absl::Status EditConfig(const v1::RemoveBackendRequest& request, v1::Config* config) {
  GW_ASSIGN_OR_RETURN(v1::Pool * pool, FindPool(request.pool(), config));
  GW_ASSIGN_OR_RETURN(const int index, FindBackend(*pool, request.backend()));
  pool->mutable_backends()->DeleteSubrange(index, 1);
  return absl::OkStatus();
}

absl::Status EditConfig(const v1::SetBackendRequest& request, v1::Config* config) {
  GW_ASSIGN_OR_RETURN(v1::Pool * pool, FindPool(request.pool(), config));
  GW_ASSIGN_OR_RETURN(const int index, FindBackend(*pool, request.backend()));
  const bool has_state = request.state() != v1::ADMIN_STATE_UNSPECIFIED;
  if (!request.has_weight() && !request.has_share_percent() && !has_state) {
    return absl::InvalidArgumentError("neither weight nor state is given");
  }
  if (request.has_weight() && request.has_share_percent()) {
    return absl::InvalidArgumentError("weight and share_percent are given; must be one of them");
  }
  if (request.has_disable_after() && request.state() != v1::DRAINED) {
    return absl::InvalidArgumentError("disable_after means something only with state drained");
  }
  uint32_t weight = request.weight();
  if (request.has_share_percent()) {
    GW_ASSIGN_OR_RETURN(weight, WeightForShare(*pool, index, request.share_percent()));
  }
  absl::Time disable_at = absl::InfiniteFuture();
  if (request.has_disable_after()) {
    GW_ASSIGN_OR_RETURN(disable_at, DisableTime(request.disable_after()));
  }
  v1::Backend* backend = pool->mutable_backends(index);
  if (request.has_weight() || request.has_share_percent()) backend->set_weight(weight);
  if (!has_state) return absl::OkStatus();
  backend->set_state(request.state());
  backend->clear_disable_at();
  if (disable_at != absl::InfiniteFuture()) backend->set_disable_at(TimeText(disable_at));
  return absl::OkStatus();
}

absl::Status EditConfig(const v1::SwitchVipRequest& request, v1::Config* config) {
  if (request.vips().empty()) return absl::InvalidArgumentError("no VIP is given");
  GW_RETURN_IF_ERROR(FindPool(request.pool(), config).status());
  for (const std::string& name : request.vips()) {
    if (IndexOf(config->vips(), name) < 0) return NotFound(config->vips(), "VIP", name);
  }
  for (const std::string& name : request.vips()) {
    config->mutable_vips(IndexOf(config->vips(), name))->set_pool(request.pool());
  }
  return absl::OkStatus();
}

}  // namespace guideway
