// Reading single fields of a configuration message by reflection. Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_FIELDS_H_
#define GUIDEWAY_LIB_CONFIG_FIELDS_H_

#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace guideway {

// Whether a singular field has a value: set, if the field has presence, else not zero or empty.
bool IsPresent(const google::protobuf::Message& message,
               const google::protobuf::FieldDescriptor& field);
// The condition of the field's rule `only_with`; both empty: none. `value` may be several, with '|'
// between them.
struct Condition {
  std::string field;
  std::string value;
};
Condition ConditionOf(const google::protobuf::FieldDescriptor& field);
// False if there is such a condition and the field beside it has another value.
bool Applies(const google::protobuf::Message& message,
             const google::protobuf::FieldDescriptor& field);
// The value of a field that is not a group or a list of groups, as YAML spells it (strings
// unquoted).
std::string ValueText(const google::protobuf::Message& message,
                      const google::protobuf::FieldDescriptor& field);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_FIELDS_H_
