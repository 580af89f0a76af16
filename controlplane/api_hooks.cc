// See api_hooks.h.
#include "controlplane/api_hooks.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/capacity.h"

namespace guideway {
namespace {

// Of a pool of which the loop says what it knows: some 0.5 ms.
constexpr int kBackendsPerTurn = 500;

// The loop only says what it knows; tables are built here, on the caller's thread.
absl::StatusOr<PoolImpact> ComparePoolBeside(EventLoop* loop, const Controller* controller,
                                             const v1::Config& before, const v1::Config& after) {
  PoolFacts facts;
  for (const v1::Config* config : {&before, &after}) {
    const v1::Pool& pool = config->pools(0);
    for (int first = 0; first < pool.backends_size(); first += kBackendsPerTurn) {
      const auto add = [&] { controller->AddFacts(pool, first, kBackendsPerTurn, &facts); };
      if (!loop->Call(add, "api")) return absl::UnavailableError("the control plane is stopping");
    }
  }
  return ComparePool(facts, before, after);
}

std::vector<std::string> BeyondCapacity(EventLoop* loop, const Controller* controller,
                                        const v1::Config& config) {
  std::optional<channel::Welcome> welcome;
  const bool asked = loop->Call([&] { welcome = controller->Capacities(); }, "api");
  if (!asked) return {"what the data plane can hold is not known: the control plane is stopping"};
  return welcome.has_value() ? BeyondCapacityOf(*welcome, config) : std::vector<std::string>();
}

}  // namespace

ServiceHooks MakeServiceHooks(EventLoop* loop, Controller* controller, StoreThread* store) {
  ServiceHooks hooks;
  hooks.run_on_loop = [loop](std::function<void()> work) {
    return loop->Call(std::move(work), "api");
  };
  hooks.run_on_store = [store](std::function<void()> work) { return store->Call(std::move(work)); };
  hooks.change = [store](ChangeOrigin origin, ConfigChanger::Edit edit, ConfigChanger::Done done) {
    store->Run(std::move(origin), std::move(edit), std::move(done));
  };
  hooks.fill_store_status = [store](v1::GetStatusResponse* status) {
    store->FillFreshStatus(status);
  };
  hooks.compare_pool = [loop, controller](const v1::Config& before, const v1::Config& after) {
    return ComparePoolBeside(loop, controller, before, after);
  };
  hooks.fill_state_part = [controller](int count, StateCursor* cursor, v1::GetStateResponse* s) {
    return controller->FillStatePart(count, cursor, s);
  };
  hooks.force_health = [controller](const auto& request, std::string* change) {
    return controller->ForceHealth(request, change);
  };
  hooks.pause_probes = [controller](const auto& request, std::string* change) {
    return controller->PauseProbes(request, change);
  };
  hooks.keep_orders = [controller] { return controller->KeepOrders(); };
  hooks.on_order = [store](const ChangeOrigin& origin, const std::string& change,
                           const absl::Status& status) {
    store->changer()->RecordOrder(origin, change, status);
  };
  hooks.read_stats = [controller](auto done) { controller->ReadStats(std::move(done)); };
  hooks.explain_flow = [controller](const v1::ExplainFlowRequest& request, auto done) {
    controller->ExplainFlow(request, std::move(done));
  };
  return hooks;
}

StoreThread::Hooks MakeStoreHooks(EventLoop* loop, Controller* controller) {
  StoreThread::Hooks hooks;
  hooks.set_config = [loop, controller](std::shared_ptr<v1::Config> config, CommitDone done) {
    loop->Post(
        [controller, config = std::move(config), done = std::move(done)]() mutable {
          controller->SetConfig(std::move(config), std::move(done));
        },
        "set_config");
  };
  hooks.beyond_capacity = [loop, controller](const v1::Config& config) {
    return BeyondCapacity(loop, controller, config);
  };
  return hooks;
}

}  // namespace guideway
