// See secrets.h.
#include "lib/config/secrets.h"

#include <vector>

#include "google/protobuf/descriptor.h"
#include "lib/config/schema.h"

namespace guideway {

void HideSecrets(google::protobuf::Message* message) {
  using google::protobuf::FieldDescriptor;
  const auto* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> present;
  reflection->ListFields(*message, &present);
  for (const FieldDescriptor* field : present) {
    if (RuleOf(*field).secret()) {
      reflection->SetString(message, field, kHidden);  // secrets are strings
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
        HideSecrets(reflection->MutableRepeatedMessage(message, field, i));
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      HideSecrets(reflection->MutableMessage(message, field));
    }
  }
}

}  // namespace guideway
