// The handlers of whole configurations and of versions: Apply, Confirm, GetHistory, Rollback.
#include <map>
#include <utility>

#include "absl/time/clock.h"
#include "controlplane/server/service.h"
#include "lib/config/defaults.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

// A dry run of a change of very many pools tells no more of them than fits into this time.
constexpr absl::Duration kImpactPatience = absl::Seconds(5);

v1::PoolImpact ToProto(const PoolImpact& impact) {
  v1::PoolImpact out;
  out.set_pool(impact.pool);
  out.set_moved_slots(impact.moved_slots);
  if (impact.moved_flows.has_value()) out.set_moved_flows(*impact.moved_flows);
  *out.mutable_losing_backends() = {impact.losing_backends.begin(), impact.losing_backends.end()};
  out.set_losing_slots(impact.losing_slots);
  return out;
}

// The pools that are in both configurations and differ, or all in both if every flow moves.
std::vector<std::pair<const v1::Pool*, const v1::Pool*>> ChangedPools(const v1::Config& before,
                                                                      const v1::Config& after) {
  const bool all = before.flow_hash_secret() != after.flow_hash_secret();
  std::map<std::string, const v1::Pool*> by_name;
  for (const v1::Pool& pool : before.pools()) by_name.emplace(pool.name(), &pool);
  std::vector<std::pair<const v1::Pool*, const v1::Pool*>> changed;
  for (const v1::Pool& pool : after.pools()) {
    const auto found = by_name.find(pool.name());
    if (found == by_name.end()) continue;
    if (all || found->second->SerializeAsString() != pool.SerializeAsString()) {
      changed.emplace_back(found->second, &pool);
    }
  }
  return changed;
}

}  // namespace

grpc::Status GuidewayService::Apply(Context* context, const v1::ApplyRequest* request,
                                    v1::ApplyResponse* response) {
  const grpc::Status allowed = Allow(context, request->dry_run() ? Role::kRead : Role::kWrite);
  if (!allowed.ok()) return allowed;
  ConfigStore::ReplaceOptions options{request->force(), request->dry_run(),
                                      FromProto(request->confirm_within())};
  ChangeOrigin origin = OriginOf(context, *request);
  origin.dry_run = request->dry_run();
  const grpc::Status status = Change(
      std::move(origin),
      [config = request->config(), options](ConfigStore* store) {
        return store->Replace(config, options);
      },
      response);
  return status.ok() && request->dry_run() ? FillImpacts(request->config(), response) : status;
}

grpc::Status GuidewayService::FillImpacts(v1::Config wanted, v1::ApplyResponse* response) {
  FillDefaults(&wanted);
  v1::Config before;
  grpc::Status status = OnStore([&] {
    before = store_->config();
    const std::vector<std::string> beyond = store_->BeyondCapacity(wanted);
    *response->mutable_beyond_capacity() = {beyond.begin(), beyond.end()};
    return absl::OkStatus();
  });
  v1::Config one_before = WithoutPools(before);
  v1::Config one_after = WithoutPools(wanted);
  const absl::Time start = absl::Now();
  const auto changed = ChangedPools(before, wanted);
  for (size_t i = 0; i < changed.size() && status.ok(); ++i) {
    if (absl::Now() - start > kImpactPatience) {
      response->set_impacts_left_out(static_cast<uint32_t>(changed.size() - i));
      break;
    }
    one_before.clear_pools();
    one_after.clear_pools();
    *one_before.add_pools() = *changed[i].first;
    *one_after.add_pools() = *changed[i].second;
    const auto impact = hooks_.compare_pool(one_before, one_after);
    if (impact.ok()) *response->add_impacts() = ToProto(*impact);
    status = ToGrpc(impact.status());
  }
  return status;
}

grpc::Status GuidewayService::Rollback(Context* context, const v1::RollbackRequest* request,
                                       v1::ApplyResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kWrite);
  if (!allowed.ok()) return allowed;
  ConfigStore::ReplaceOptions options{request->force(), false,
                                      FromProto(request->confirm_within())};
  return Change(
      OriginOf(context, *request),
      [version = request->version(), options](ConfigStore* store) {
        return store->RollBack(version, options);
      },
      response);
}

grpc::Status GuidewayService::Confirm(Context* context, const v1::ConfirmRequest* request,
                                      v1::ConfirmResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kWrite);
  if (!allowed.ok()) return allowed;
  v1::ApplyResponse result;
  const grpc::Status status = Change(
      OriginOf(context, *request), [](ConfigStore* store) { return store->Confirm(); }, &result);
  response->set_version(result.version());
  return status;
}

grpc::Status GuidewayService::GetHistory(Context* context, const v1::GetHistoryRequest*,
                                         v1::GetHistoryResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kRead);
  if (!allowed.ok()) return allowed;
  return OnStore([&] {
    for (const auto& [version, info] : store_->History()) {
      v1::ConfigVersion* out = response->add_versions();
      out->set_version(version);
      out->set_in_force(version == store_->version());
      if (!info.ok()) {
        out->set_problem(std::string(info.status().message()));
        continue;
      }
      out->set_accepted_unix_ms(static_cast<uint64_t>(absl::ToUnixMillis(info->accepted)));
      out->set_who(info->who);
      out->set_action(info->action);
      out->set_note(info->note);
      out->set_awaits_confirmation(out->in_force() && store_->unconfirmed().has_value());
    }
    return absl::OkStatus();
  });
}

}  // namespace guideway
