// How far GetStateResponse has been filled, for those who fill it in parts.
#ifndef GUIDEWAY_CONTROLPLANE_STATE_CURSOR_H_
#define GUIDEWAY_CONTROLPLANE_STATE_CURSOR_H_

#include <cstdint>

namespace guideway {

// Default: nothing filled yet. A value.
struct StateCursor {
  uint64_t config_epoch = 0;  // of the configuration it belongs to; 0: none yet
  int pool = 0;               // the next one's place in the configuration
  int backend = 0;            // within that pool
  int vip = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATE_CURSOR_H_
