// See service.h.
#include "controlplane/server/service.h"

#include <glog/logging.h>

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "controlplane/report/verdict.h"
#include "controlplane/server/edits.h"
#include "lib/base/status.h"
#include "lib/config/secrets.h"

namespace guideway {

namespace {

// Backends and VIPs of GetState in one turn of the loop: some 0.3 ms.
constexpr int kItemsPerTurn = 100;
// The controller answers within a second; this only guards against one that never does.
constexpr absl::Duration kStatsPatience = absl::Seconds(3);
// The controller answers within 2 s, but a change may have to wait for others; clients wait 10 s.
constexpr absl::Duration kChangePatience = absl::Seconds(9);
// Messages of a status travel in HTTP/2 headers, whose size clients limit.
constexpr size_t kMaxMessageBytes = 8192;

template <typename T>
struct Pending {
  absl::Notification done;
  absl::StatusOr<T> result = absl::UnknownError("not read");
};

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // Both enumerations are the canonical codes with the same numbers.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message().substr(0, kMaxMessageBytes)));
}

void FillVersion(absl::Time started, v1::GetStatusResponse* status) {
  status->set_version(GUIDEWAY_VERSION);
  status->set_uptime_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(absl::Now() - started)));
}

GuidewayService::GuidewayService(ConfigStore* store, const UnixPeers* peers, const Access* access,
                                 ServiceHooks hooks)
    : store_(store),
      peers_(peers),
      access_(access),
      hooks_(std::move(hooks)),
      started_(absl::Now()),
      watch_hub_([this](v1::WatchStart* start) { return MakeStart(start); }) {}

namespace {

grpc::Status RunAndWait(const std::function<bool(std::function<void()>)>& run,
                        const std::function<absl::Status()>& work) {
  absl::Status result;
  if (!run([&] { result = work(); })) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the control plane is stopping");
  }
  return ToGrpc(result);
}

}  // namespace

grpc::Status GuidewayService::OnLoop(const std::function<absl::Status()>& work) {
  return RunAndWait(hooks_.run_on_loop, work);
}

grpc::Status GuidewayService::OnStore(const std::function<absl::Status()>& work) {
  return RunAndWait(hooks_.run_on_store, work);
}

ChangeOrigin GuidewayService::OriginOf(Context* context,
                                       const google::protobuf::Message& request) const {
  std::string action = request.GetDescriptor()->name();
  if (const size_t end = action.rfind("Request"); end != std::string::npos) action.resize(end);
  return {peers_->Find(*context), action, /*dry_run=*/false};
}

grpc::Status GuidewayService::Change(ChangeOrigin origin, ConfigChanger::Edit edit,
                                     v1::ApplyResponse* response) {
  // Shared: the answer may come after this handler has lost patience.
  const auto pending = std::make_shared<Pending<ConfigChanger::Result>>();
  hooks_.change(std::move(origin), std::move(edit),
                [pending](absl::StatusOr<ConfigChanger::Result> result) {
                  pending->result = std::move(result);
                  pending->done.Notify();
                });
  if (!pending->done.WaitForNotificationWithTimeout(kChangePatience)) {
    return grpc::Status(grpc::StatusCode::ABORTED,
                        "it takes long, or other changes do; ask what is in force");
  }
  if (!pending->result.ok()) return ToGrpc(pending->result.status());
  const ConfigStore::Change& change = pending->result->change;
  response->set_version(pending->result->version);
  *response->mutable_changes() = {change.changes.begin(), change.changes.end()};
  *response->mutable_warnings() = {change.warnings.begin(), change.warnings.end()};
  return grpc::Status::OK;
}

template <typename Request>
grpc::Status GuidewayService::Edit(Context* context, const Request& request,
                                   v1::ApplyResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kWrite);
  if (!allowed.ok()) return allowed;
  return Change(
      OriginOf(context, request),
      [request](ConfigStore* store) -> absl::StatusOr<ConfigStore::Change> {
        v1::Config config = store->config();
        GW_RETURN_IF_ERROR(EditConfig(request, &config));
        // An edit names what it removes; the guard against shrinking is for whole configurations.
        return store->Replace(std::move(config), /*force=*/true, /*dry_run=*/false);
      },
      response);
}

// Whoever may not change the configuration learns no secret by which flows could be aimed.
grpc::Status GuidewayService::GetConfig(Context* context, const v1::GetConfigRequest*,
                                        v1::GetConfigResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kRead);
  if (!allowed.ok()) return allowed;
  const bool may_write = Allow(context, Role::kWrite).ok();
  return OnStore([&] {
    *response->mutable_config() = store_->config();
    if (!may_write) HideSecrets(response->mutable_config());
    response->set_version(store_->version());
    return absl::OkStatus();
  });
}

grpc::Status GuidewayService::CreatePool(Context* context, const v1::CreatePoolRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(context, *request, response);
}
grpc::Status GuidewayService::DeletePool(Context* context, const v1::DeletePoolRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(context, *request, response);
}
grpc::Status GuidewayService::AddBackend(Context* context, const v1::AddBackendRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(context, *request, response);
}
grpc::Status GuidewayService::RemoveBackend(Context* context,
                                            const v1::RemoveBackendRequest* request,
                                            v1::ApplyResponse* response) {
  return Edit(context, *request, response);
}
grpc::Status GuidewayService::SetBackend(Context* context, const v1::SetBackendRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(context, *request, response);
}
grpc::Status GuidewayService::SwitchVip(Context* context, const v1::SwitchVipRequest* request,
                                        v1::ApplyResponse* response) {
  return Edit(context, *request, response);
}

grpc::Status GuidewayService::GetState(Context* context, const v1::GetStateRequest*,
                                       v1::GetStateResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kRead);
  if (!allowed.ok()) return allowed;
  const grpc::Status taken = TakeState(response);
  for (v1::VipState& vip : *response->mutable_vips()) HideSecrets(vip.mutable_vip());
  return taken;
}

// In turns: health changes wait for no list of 10,000 backends.
grpc::Status GuidewayService::TakeState(v1::GetStateResponse* state) {
  StateCursor cursor;
  bool all = false;
  while (!all) {
    const grpc::Status filled = OnLoop([&] {
      all = hooks_.fill_state_part(kItemsPerTurn, &cursor, state);
      return absl::OkStatus();
    });
    if (!filled.ok()) return filled;
  }
  return grpc::Status::OK;
}

grpc::Status GuidewayService::TakeStatus(const v1::GetStateResponse& state,
                                         v1::GetStatusResponse* status) {
  FillVersion(started_, status);
  hooks_.fill_store_status(status);
  const grpc::Status filled = OnLoop([&] {
    hooks_.fill_status(status);
    return absl::OkStatus();
  });
  if (filled.ok()) CompleteVerdict(state, status);
  return filled;
}

grpc::Status GuidewayService::GetStatus(Context* context, const v1::GetStatusRequest*,
                                        v1::GetStatusResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kRead);
  if (!allowed.ok()) return allowed;
  v1::GetStateResponse state;
  const grpc::Status taken = TakeState(&state);
  return taken.ok() ? TakeStatus(state, response) : taken;
}

WatchHub::Reactor* GuidewayService::Watch(grpc::CallbackServerContext* context,
                                          const v1::WatchRequest*) {
  const grpc::Status allowed = Allow(context, Role::kRead);
  return allowed.ok() ? watch_hub_.Open() : WatchHub::Refuse(allowed);
}

grpc::Status GuidewayService::MakeStart(v1::WatchStart* start) {
  grpc::Status made = TakeState(start->mutable_state());
  if (made.ok()) made = TakeStatus(*start->mutable_state(), start->mutable_status());
  for (v1::VipState& vip : *start->mutable_state()->mutable_vips()) HideSecrets(vip.mutable_vip());
  return made;
}

template <typename Response, typename F>
grpc::Status GuidewayService::Ask(F ask, Response* response) {
  // Shared: the answer may come after this handler has lost patience.
  const auto pending = std::make_shared<Pending<Response>>();
  const grpc::Status status = OnLoop([&] {
    ask([pending](absl::StatusOr<Response> result) {
      pending->result = std::move(result);
      pending->done.Notify();
    });
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (!pending->done.WaitForNotificationWithTimeout(kStatsPatience)) {
    return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "the data plane does not answer");
  }
  if (absl::IsInvalidArgument(pending->result.status())) return ToGrpc(pending->result.status());
  if (!pending->result.ok()) {
    // For a client UNAVAILABLE means that this process is not there, but it is.
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        std::string(pending->result.status().message()));
  }
  *response = *std::move(pending->result);
  return grpc::Status::OK;
}

grpc::Status GuidewayService::GetStats(Context* context, const v1::GetStatsRequest*,
                                       v1::GetStatsResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kRead);
  if (!allowed.ok()) return allowed;
  return Ask([&](auto done) { hooks_.read_stats(std::move(done)); }, response);
}

grpc::Status GuidewayService::ExplainFlow(Context* context, const v1::ExplainFlowRequest* request,
                                          v1::ExplainFlowResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kRead);
  if (!allowed.ok()) return allowed;
  const grpc::Status status =
      Ask([&](auto done) { hooks_.explain_flow(*request, std::move(done)); }, response);
  if (response->has_vip()) HideSecrets(response->mutable_vip()->mutable_vip());
  return status;
}

template <typename Request, typename Hook>
grpc::Status GuidewayService::Order(Context* context, const Request& request, const Hook& hook,
                                    const std::function<absl::Status()>& keep,
                                    v1::HealthOrderResponse* response) {
  const grpc::Status allowed = Allow(context, Role::kWrite);
  if (!allowed.ok()) return allowed;
  const ChangeOrigin origin = OriginOf(context, request);
  std::string change;
  absl::Status result;
  const grpc::Status asked = OnLoop([&] {
    result = hook(request, &change);
    return absl::OkStatus();
  });
  if (!asked.ok()) return asked;
  if (!change.empty()) response->add_changes(change);
  const grpc::Status recorded = OnStore([&] {
    if (keep && result.ok() && !change.empty()) result = keep();
    hooks_.on_order(origin, change, result);
    return absl::OkStatus();
  });
  return result.ok() ? recorded : ToGrpc(result);
}

grpc::Status GuidewayService::ForceHealth(Context* context, const v1::ForceHealthRequest* request,
                                          v1::HealthOrderResponse* response) {
  return Order(context, *request, hooks_.force_health, hooks_.keep_orders, response);
}

grpc::Status GuidewayService::PauseProbes(Context* context, const v1::PauseProbesRequest* request,
                                          v1::HealthOrderResponse* response) {
  return Order(context, *request, hooks_.pause_probes, nullptr, response);
}

}  // namespace guideway
