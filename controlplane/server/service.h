// The handlers of the gRPC API. They run on gRPC's threads and do their work on the event loop's,
// by `run_on_loop`; so the store and the controller need no locks.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_SERVICE_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_SERVICE_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/api/guideway_service.grpc.pb.h"
#include "controlplane/config_changer.h"
#include "controlplane/config_store.h"

namespace guideway {

// What the API needs from the rest of the control plane. All but run_on_loop are called on the
// event loop's thread only.
struct ServiceHooks {
  // Runs a closure on the loop's thread and waits for it; false if the loop has stopped. Any
  // thread.
  std::function<bool(std::function<void()>)> run_on_loop;
  // Changes the configuration; calls back once, at once or later.
  std::function<void(ConfigChanger::Edit, ConfigChanger::Done)> change;
  std::function<void(v1::GetStateResponse*)> fill_state;
  std::function<void(v1::GetStatusResponse*)> fill_status;
  // Calls back once, at once or later, on the loop's thread.
  std::function<void(std::function<void(absl::StatusOr<v1::GetStatsResponse>)>)> read_stats;
  // Set `change` to what they did in words, or leave it empty.
  std::function<absl::Status(const v1::ForceHealthRequest&, std::string* change)> force_health;
  std::function<absl::Status(const v1::PauseProbesRequest&, std::string* change)> pause_probes;
};

class GuidewayService final : public v1::Guideway::Service {
 public:
  // `store` is borrowed and used on the loop's thread only.
  GuidewayService(ConfigStore* store, ServiceHooks hooks);

 private:
  using Context = grpc::ServerContext;
  grpc::Status GetConfig(Context*, const v1::GetConfigRequest*, v1::GetConfigResponse*) override;
  grpc::Status Apply(Context*, const v1::ApplyRequest*, v1::ApplyResponse*) override;
  grpc::Status CreatePool(Context*, const v1::CreatePoolRequest*, v1::ApplyResponse*) override;
  grpc::Status DeletePool(Context*, const v1::DeletePoolRequest*, v1::ApplyResponse*) override;
  grpc::Status AddBackend(Context*, const v1::AddBackendRequest*, v1::ApplyResponse*) override;
  grpc::Status RemoveBackend(Context*, const v1::RemoveBackendRequest*,
                             v1::ApplyResponse*) override;
  grpc::Status SetBackend(Context*, const v1::SetBackendRequest*, v1::ApplyResponse*) override;
  grpc::Status GetState(Context*, const v1::GetStateRequest*, v1::GetStateResponse*) override;
  grpc::Status GetStatus(Context*, const v1::GetStatusRequest*, v1::GetStatusResponse*) override;
  grpc::Status GetStats(Context*, const v1::GetStatsRequest*, v1::GetStatsResponse*) override;

  grpc::Status ForceHealth(Context*, const v1::ForceHealthRequest*,
                           v1::HealthOrderResponse*) override;
  grpc::Status PauseProbes(Context*, const v1::PauseProbesRequest*,
                           v1::HealthOrderResponse*) override;

  template <typename F>
  grpc::Status OnLoop(F work);
  template <typename Request>
  grpc::Status Edit(const Request& request, v1::ApplyResponse* response);
  // Waits until the data plane has taken or refused the change, or will not soon.
  grpc::Status Change(ConfigChanger::Edit edit, v1::ApplyResponse* response);

  ConfigStore* const store_;
  const ServiceHooks hooks_;
  const absl::Time started_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_SERVICE_H_
