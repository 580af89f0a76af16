// Health states as letters, for tables of tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_HEALTH_LETTER_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_HEALTH_LETTER_H_

#include "controlplane/health/state_machine.h"

namespace guideway {

inline char Letter(HealthState state) {
  switch (state) {
    case HealthState::kUnknown:
      return '?';
    case HealthState::kHealthy:
      return 'H';
    case HealthState::kUnhealthy:
      return 'U';
    case HealthState::kUnprobed:
      return '-';
  }
  return ' ';
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_HEALTH_LETTER_H_
