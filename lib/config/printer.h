// Configuration -> YAML that reads back as the same configuration. Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_PRINTER_H_
#define GUIDEWAY_LIB_CONFIG_PRINTER_H_

#include <string>

#include "google/protobuf/message.h"

namespace guideway {

// Fields in the order of the schema; absent ones are left out.
std::string PrintYaml(const google::protobuf::Message& message);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_PRINTER_H_
