// The handlers of the gRPC API. They run on gRPC's threads and do their work on the threads of
// those to whom it belongs: the controller's loop (in short turns) and the store's, which may take
// long; so neither needs locks.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_SERVICE_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_SERVICE_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/api/guideway_service.grpc.pb.h"
#include "controlplane/compiler/impact.h"
#include "controlplane/config_changer.h"
#include "controlplane/config_store.h"
#include "controlplane/server/access.h"
#include "controlplane/server/peer.h"
#include "controlplane/server/watch_hub.h"
#include "controlplane/state_cursor.h"

namespace guideway {

// What the API needs from the rest of the control plane. Those that say nothing else are called on
// the controller's loop only.
struct ServiceHooks {
  // Runs a closure on the loop's thread and waits for it; false if the loop has stopped. Any
  // thread.
  std::function<bool(std::function<void()>)> run_on_loop;
  // The same on the store's thread.
  std::function<bool(std::function<void()>)> run_on_store;
  // Changes the configuration; calls back once, later, on the store's thread, unless that has
  // ended. Any thread.
  std::function<void(ChangeOrigin, ConfigChanger::Edit, ConfigChanger::Done)> change;
  // What a change does to one pool, see compiler/impact.h. Any thread but the loop's.
  std::function<absl::StatusOr<PoolImpact>(const v1::Config& before, const v1::Config& after)>
      compare_pool;
  // See Controller::FillStatePart().
  std::function<bool(int count, StateCursor*, v1::GetStateResponse*)> fill_state_part;
  // What the store knows. Any thread but those two; may wait for the store for a moment.
  std::function<void(v1::GetStatusResponse*)> fill_store_status;
  // What all others know.
  std::function<void(v1::GetStatusResponse*)> fill_status;
  // Calls back once, at once or later, on the loop's thread.
  std::function<void(std::function<void(absl::StatusOr<v1::GetStatsResponse>)>)> read_stats;
  // The same.
  std::function<void(const v1::ExplainFlowRequest&,
                     std::function<void(absl::StatusOr<v1::ExplainFlowResponse>)>)>
      explain_flow;
  // Set `change` to what they did in words, or leave it empty.
  std::function<absl::Status(const v1::ForceHealthRequest&, std::string* change)> force_health;
  std::function<absl::Status(const v1::PauseProbesRequest&, std::string* change)> pause_probes;
  // Keeps forced health over a restart. On the store's thread.
  std::function<absl::Status()> keep_orders;
  // Told of both: who asked, what was done in words, and whether it was. The store's thread.
  std::function<void(const ChangeOrigin&, const std::string& change, const absl::Status&)> on_order;
};

// Long messages are cut.
grpc::Status ToGrpc(const absl::Status& status);

// Of this process. `started`: when it did.
void FillVersion(absl::Time started, v1::GetStatusResponse* status);

// Watch is served by gRPC's callbacks: it keeps no thread waiting.
class GuidewayService final : public v1::Guideway::WithCallbackMethod_Watch<v1::Guideway::Service> {
 public:
  // The pointers are borrowed; `store` is used on its thread only.
  GuidewayService(ConfigStore* store, const UnixPeers* peers, const Access* access,
                  ServiceHooks hooks);
  WatchHub* watch_hub() { return &watch_hub_; }

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
  grpc::Status ExplainFlow(Context*, const v1::ExplainFlowRequest*,
                           v1::ExplainFlowResponse*) override;
  WatchHub::Reactor* Watch(grpc::CallbackServerContext*, const v1::WatchRequest*) override;
  // Change safety, see change_handlers.cc.
  grpc::Status Confirm(Context*, const v1::ConfirmRequest*, v1::ConfirmResponse*) override;
  grpc::Status GetHistory(Context*, const v1::GetHistoryRequest*, v1::GetHistoryResponse*) override;
  grpc::Status Rollback(Context*, const v1::RollbackRequest*, v1::ApplyResponse*) override;
  // What a dry run says beside changes and warnings.
  grpc::Status FillImpacts(v1::Config wanted, v1::ApplyResponse* response);
  grpc::Status SwitchVip(Context*, const v1::SwitchVipRequest*, v1::ApplyResponse*) override;

  grpc::Status ForceHealth(Context*, const v1::ForceHealthRequest*,
                           v1::HealthOrderResponse*) override;
  grpc::Status PauseProbes(Context*, const v1::PauseProbesRequest*,
                           v1::HealthOrderResponse*) override;

  // Runs `work`, which returns a status, on the controller's loop or on the store's thread.
  grpc::Status OnLoop(const std::function<absl::Status()>& work);
  grpc::Status OnStore(const std::function<absl::Status()>& work);
  // Every handler asks first. OK if the caller has the role.
  grpc::Status Allow(const grpc::ServerContextBase* context, Role role) const {
    return access_->Check(*context, *peers_, role);
  }
  // In turns of the loop.
  grpc::Status TakeState(v1::GetStateResponse* state);
  // Beside the state that was just taken.
  grpc::Status TakeStatus(const v1::GetStateResponse& state, v1::GetStatusResponse* status);
  grpc::Status MakeStart(v1::WatchStart* start);
  // Calls `ask(done)` on the loop and waits for what `done` is called with.
  template <typename Response, typename F>
  grpc::Status Ask(F ask, Response* response);
  template <typename Request>
  grpc::Status Edit(Context* context, const Request& request, v1::ApplyResponse* response);
  // Who makes this call, and what it is: named by the request's type without "Request".
  // An order over the heads of the probes.
  template <typename Request, typename Hook>
  grpc::Status Order(Context* context, const Request& request, const Hook& hook,
                     const std::function<absl::Status()>& keep, v1::HealthOrderResponse* response);
  ChangeOrigin OriginOf(Context* context, const google::protobuf::Message& request) const;
  // Waits until the data plane has taken or refused the change, or will not soon.
  grpc::Status Change(ChangeOrigin origin, ConfigChanger::Edit edit, v1::ApplyResponse* response);

  ConfigStore* const store_;
  const UnixPeers* const peers_;
  const Access* const access_;
  const ServiceHooks hooks_;
  const absl::Time started_;
  WatchHub watch_hub_;  // the last: its thread uses the others
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_SERVICE_H_
