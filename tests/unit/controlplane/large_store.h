// The hooks of a store whose configurations a LargeController puts in force, for tests and perf.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LARGE_STORE_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LARGE_STORE_H_

#include <memory>
#include <utility>

#include "controlplane/api_hooks.h"
#include "tests/unit/controlplane/large_controller.h"

namespace guideway {

// The store has what MakeStoredConfig() makes.
inline StoreThread::Hooks LargeStoreHooks(LargeController* large) {
  StoreThread::Hooks hooks = MakeStoreHooks(large->loop(), large->controller.get());
  hooks.set_config = [set = hooks.set_config](std::shared_ptr<v1::Config> config, CommitDone done) {
    LargeController::ReaddressStored(config.get());
    set(std::move(config), std::move(done));
  };
  hooks.on_version = [](uint64_t) {};
  hooks.on_replaced = [] {};
  return hooks;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LARGE_STORE_H_
