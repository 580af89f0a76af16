// Leaving out of messages what the schema calls a secret.
#ifndef GUIDEWAY_LIB_CONFIG_SECRETS_H_
#define GUIDEWAY_LIB_CONFIG_SECRETS_H_

#include "google/protobuf/message.h"

namespace guideway {

// What stands for a secret that is there.
inline constexpr char kHidden[] = "(hidden)";

// Replaces the value of every present field whose rule says `secret`, also in messages below. Pure
// function.
void HideSecrets(google::protobuf::Message* message);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_SECRETS_H_
