// Fills absent fields of a configuration with the defaults that the schema gives. Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_DEFAULTS_H_
#define GUIDEWAY_LIB_CONFIG_DEFAULTS_H_

#include "google/protobuf/message.h"

namespace guideway {

// Absent: an unset field with presence, or zero where zero is no value of its own. Idempotent.
void FillDefaults(google::protobuf::Message* message);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_DEFAULTS_H_
