// The part of validate.h that needs only the rules in the schema. Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_VALIDATE_RULES_H_
#define GUIDEWAY_LIB_CONFIG_VALIDATE_RULES_H_

#include <string>

#include "google/protobuf/message.h"
#include "lib/config/problems.h"

namespace guideway {

// Checks `message`, which stands at `path` ("" for the whole), and all messages in it.
void ValidateRules(const google::protobuf::Message& message, const std::string& path,
                   Problems* problems);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_VALIDATE_RULES_H_
