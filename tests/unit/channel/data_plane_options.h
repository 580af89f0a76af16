// What the channel's tests let a data plane listen with.
#ifndef GUIDEWAY_TESTS_UNIT_CHANNEL_DATA_PLANE_OPTIONS_H_
#define GUIDEWAY_TESTS_UNIT_CHANNEL_DATA_PLANE_OPTIONS_H_

#include <string>

#include "lib/channel/dataplane_end.h"

namespace guideway::channel {

inline constexpr Capacities kSmall = {
    .request_capacity = 8, .response_capacity = 8, .arena_slot_count = 2, .arena_slot_bytes = 4096};

inline DataplaneEnd::Options OptionsFor(const std::string& path,
                                        const Capacities& capacities = kSmall) {
  DataplaneEnd::Options options;
  options.socket_path = path;
  options.capacities = capacities;
  return options;
}

}  // namespace guideway::channel

#endif  // GUIDEWAY_TESTS_UNIT_CHANNEL_DATA_PLANE_OPTIONS_H_
