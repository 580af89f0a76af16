// YAML text -> Config message, by the schema: every field name, type, range, spelling and format is
// checked, and each problem is reported with its place. What fields mean together is validate.h's.
// Thread safety: stateless.
#ifndef GUIDEWAY_LIB_CONFIG_YAML_READER_H_
#define GUIDEWAY_LIB_CONFIG_YAML_READER_H_

#include <string>

#include "lib/config/guideway.pb.h"
#include "lib/config/problems.h"

namespace guideway {

// Fields with a problem are left as they are or hold the wrong text. `places` gets every field's.
void ReadYaml(const std::string& text, google::protobuf::Message* message, Places* places,
              Problems* problems);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_YAML_READER_H_
