// The controller's face: what others ask of it, handed to its parts.
#include "controlplane/controller.h"

#include "controlplane/controller_impl.h"
#include "controlplane/dataplane_problems.h"

namespace guideway {

Controller::Controller(EventLoop* loop, Options options)
    : impl_(std::make_unique<Impl>(loop, std::move(options))) {}
Controller::~Controller() = default;
absl::Status Controller::Start() { return impl_->Start(); }
void Controller::SetConfig(const v1::Config& config, CommitDone done) {
  impl_->SetConfig(std::make_shared<v1::Config>(config), std::move(done));
}
void Controller::SetConfig(std::shared_ptr<v1::Config> config, CommitDone done) {
  impl_->SetConfig(std::move(config), std::move(done));
}
bool Controller::tables_are_made() const { return impl_->tables_are_made(); }
void Controller::set_on_event(std::function<void(v1::WatchEvent)> on_event) {
  impl_->events().set_sink(std::move(on_event));
}
void Controller::set_on_replaced(std::function<void(const std::string&)> on_replaced) {
  impl_->set_on_replaced(std::move(on_replaced));
}
void Controller::PrepareEnd() { impl_->PrepareEnd(); }
void Controller::End() { impl_.reset(); }
void Controller::AddFacts(const v1::Pool& pool, int first, int count, PoolFacts* facts) const {
  impl_->AddFacts(pool, first, count, facts);
}
std::optional<channel::Welcome> Controller::Capacities() const { return impl_->Capacities(); }
void Controller::FillState(v1::GetStateResponse* state) const { impl_->Report().FillState(state); }
void Controller::FillStatus(v1::GetStatusResponse* status) const {
  impl_->Report().FillStatus(status);
  impl_->FillProblems(status);
  impl_->FillVerdictProblems(status);
}
void Controller::FillUrgent(v1::GetStatusResponse* status) const {
  AddDataplaneProblems(impl_->session(), status);
}
void Controller::ReadStats(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done) {
  impl_->ReadStats(/*by_vip=*/true, std::move(done));
}
void Controller::ReadTotals(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done) {
  impl_->ReadStats(/*by_vip=*/false, std::move(done));
}
bool Controller::FillStatePart(int count, StateCursor* cursor, v1::GetStateResponse* state) const {
  return impl_->Report().FillStatePart(count, cursor, state);
}
void Controller::FillObservations(Observations* observations) const {
  impl_->FillObservations(observations);
}
absl::Status Controller::ForceHealth(const v1::ForceHealthRequest& request, std::string* change) {
  return impl_->ForceHealth(request, change);
}
absl::Status Controller::KeepOrders() { return impl_->KeepOrders(); }
void Controller::set_on_orders_forgotten(std::function<void()> on_forgotten) {
  impl_->guards()->set_on_orders_forgotten(std::move(on_forgotten));
}
absl::Status Controller::PauseProbes(const v1::PauseProbesRequest& request, std::string* change) {
  return impl_->PauseProbes(request, change);
}
void Controller::ExplainFlow(const v1::ExplainFlowRequest& request, ExplainDone done) {
  const absl::StatusOr<FlowKey> flow = ParseFlow(request);
  flow.ok() ? impl_->Explain(*flow, std::move(done)) : done(flow.status());
}

}  // namespace guideway
