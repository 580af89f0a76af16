// What the handlers of service.cc and change_handlers.cc share. Stateless.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_CHANGE_HANDLERS_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_CHANGE_HANDLERS_H_

#include <cstdint>

#include "controlplane/config_store.h"

namespace guideway {

// How long the version in force still awaits its confirmation, at least 1 ms; 0: it does not.
uint64_t ConfirmWithinMs(const ConfigStore& store);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_CHANGE_HANDLERS_H_
