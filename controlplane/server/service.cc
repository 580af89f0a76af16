// See service.h.
#include "controlplane/server/service.h"

#include <glog/logging.h>

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "controlplane/server/edits.h"
#include "lib/base/status.h"

namespace guideway {

namespace {

// The controller answers within a second; this only guards against one that never does.
constexpr absl::Duration kStatsPatience = absl::Seconds(3);
// The controller answers within 2 s, but a change may have to wait for others; clients wait 10 s.
constexpr absl::Duration kChangePatience = absl::Seconds(9);
// Messages of a status travel in HTTP/2 headers, whose size clients limit.
constexpr size_t kMaxMessageBytes = 8192;

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // Both enumerations are the canonical codes with the same numbers.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message().substr(0, kMaxMessageBytes)));
}

template <typename T>
struct Pending {
  absl::Notification done;
  absl::StatusOr<T> result = absl::UnknownError("not read");
};

}  // namespace

GuidewayService::GuidewayService(ConfigStore* store, ServiceHooks hooks)
    : store_(store), hooks_(std::move(hooks)), started_(absl::Now()) {}

template <typename F>
grpc::Status GuidewayService::OnLoop(F work) {
  absl::Status result;
  if (!hooks_.run_on_loop([&] { result = work(); })) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the control plane is stopping");
  }
  return ToGrpc(result);
}

grpc::Status GuidewayService::Change(ConfigChanger::Edit edit, v1::ApplyResponse* response) {
  // Shared: the answer may come after this handler has lost patience.
  const auto pending = std::make_shared<Pending<ConfigChanger::Result>>();
  const grpc::Status status = OnLoop([&] {
    hooks_.change(std::move(edit), [pending](absl::StatusOr<ConfigChanger::Result> result) {
      pending->result = std::move(result);
      pending->done.Notify();
    });
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (!pending->done.WaitForNotificationWithTimeout(kChangePatience)) {
    return grpc::Status(grpc::StatusCode::ABORTED, "other changes wait; ask what is in force");
  }
  if (!pending->result.ok()) return ToGrpc(pending->result.status());
  const ConfigStore::Change& change = pending->result->change;
  response->set_version(pending->result->version);
  *response->mutable_changes() = {change.changes.begin(), change.changes.end()};
  *response->mutable_warnings() = {change.warnings.begin(), change.warnings.end()};
  return grpc::Status::OK;
}

template <typename Request>
grpc::Status GuidewayService::Edit(const Request& request, v1::ApplyResponse* response) {
  return Change(
      [request](ConfigStore* store) -> absl::StatusOr<ConfigStore::Change> {
        v1::Config config = store->config();
        GW_RETURN_IF_ERROR(EditConfig(request, &config));
        // An edit names what it removes; the guard against shrinking is for whole configurations.
        return store->Replace(std::move(config), /*force=*/true, /*dry_run=*/false);
      },
      response);
}

grpc::Status GuidewayService::GetConfig(Context*, const v1::GetConfigRequest*,
                                        v1::GetConfigResponse* response) {
  return OnLoop([&] {
    *response->mutable_config() = store_->config();
    response->set_version(store_->version());
    return absl::OkStatus();
  });
}

grpc::Status GuidewayService::Apply(Context*, const v1::ApplyRequest* request,
                                    v1::ApplyResponse* response) {
  return Change(
      [asked = *request](ConfigStore* store) {
        return store->Replace(asked.config(), asked.force(), asked.dry_run());
      },
      response);
}

grpc::Status GuidewayService::CreatePool(Context*, const v1::CreatePoolRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(*request, response);
}
grpc::Status GuidewayService::DeletePool(Context*, const v1::DeletePoolRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(*request, response);
}
grpc::Status GuidewayService::AddBackend(Context*, const v1::AddBackendRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(*request, response);
}
grpc::Status GuidewayService::RemoveBackend(Context*, const v1::RemoveBackendRequest* request,
                                            v1::ApplyResponse* response) {
  return Edit(*request, response);
}
grpc::Status GuidewayService::SetBackend(Context*, const v1::SetBackendRequest* request,
                                         v1::ApplyResponse* response) {
  return Edit(*request, response);
}

grpc::Status GuidewayService::GetState(Context*, const v1::GetStateRequest*,
                                       v1::GetStateResponse* response) {
  return OnLoop([&] {
    hooks_.fill_state(response);
    return absl::OkStatus();
  });
}

grpc::Status GuidewayService::GetStatus(Context*, const v1::GetStatusRequest*,
                                        v1::GetStatusResponse* response) {
  return OnLoop([&] {
    response->set_version(GUIDEWAY_VERSION);
    response->set_uptime_ms(
        static_cast<uint64_t>(absl::ToInt64Milliseconds(absl::Now() - started_)));
    response->set_config_version(store_->version());
    response->set_config_source(store_->source());
    hooks_.fill_status(response);
    for (const std::string& problem : store_->Problems()) response->add_state_problems(problem);
    return absl::OkStatus();
  });
}

grpc::Status GuidewayService::GetStats(Context*, const v1::GetStatsRequest*,
                                       v1::GetStatsResponse* response) {
  // Shared: the answer may come after this handler has lost patience.
  const auto pending = std::make_shared<Pending<v1::GetStatsResponse>>();
  const grpc::Status status = OnLoop([&] {
    hooks_.read_stats([pending](absl::StatusOr<v1::GetStatsResponse> result) {
      pending->result = std::move(result);
      pending->done.Notify();
    });
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (!pending->done.WaitForNotificationWithTimeout(kStatsPatience)) {
    return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "the data plane does not answer");
  }
  if (!pending->result.ok()) {
    // For a client UNAVAILABLE means that this process is not there, but it is.
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        std::string(pending->result.status().message()));
  }
  *response = *std::move(pending->result);
  return grpc::Status::OK;
}

grpc::Status GuidewayService::ForceHealth(Context*, const v1::ForceHealthRequest* request,
                                          v1::HealthOrderResponse* response) {
  return OnLoop([&] {
    std::string change;
    const absl::Status status = hooks_.force_health(*request, &change);
    if (!change.empty()) response->add_changes(change);
    return status;
  });
}

grpc::Status GuidewayService::PauseProbes(Context*, const v1::PauseProbesRequest* request,
                                          v1::HealthOrderResponse* response) {
  return OnLoop([&] {
    std::string change;
    const absl::Status status = hooks_.pause_probes(*request, &change);
    if (!change.empty()) response->add_changes(change);
    return status;
  });
}

}  // namespace guideway
