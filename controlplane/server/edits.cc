// See edits.h.
#include "controlplane/server/edits.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

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
  if (!request.has_weight() && request.state() == v1::ADMIN_STATE_UNSPECIFIED) {
    return absl::InvalidArgumentError("neither weight nor state is given");
  }
  v1::Backend* backend = pool->mutable_backends(index);
  if (request.has_weight()) backend->set_weight(request.weight());
  if (request.state() != v1::ADMIN_STATE_UNSPECIFIED) backend->set_state(request.state());
  return absl::OkStatus();
}

}  // namespace guideway
