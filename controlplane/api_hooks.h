// How the API's questions reach those who can answer: the controller on its loop, the store on its
// thread. The store waits for the loop at most; the loop never waits for the store.
#ifndef GUIDEWAY_CONTROLPLANE_API_HOOKS_H_
#define GUIDEWAY_CONTROLPLANE_API_HOOKS_H_

#include "controlplane/controller.h"
#include "controlplane/event_loop.h"
#include "controlplane/server/service.h"
#include "controlplane/store_thread.h"

namespace guideway {

// All but fill_status. The pointers are borrowed; `loop` is the controller's.
ServiceHooks MakeServiceHooks(EventLoop* loop, Controller* controller, StoreThread* store);

// Those that reach the controller; the other two are the caller's.
StoreThread::Hooks MakeStoreHooks(EventLoop* loop, Controller* controller);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_API_HOOKS_H_
