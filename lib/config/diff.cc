// See diff.h.
#include "lib/config/diff.h"

#include <algorithm>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/config/fields.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Lines = std::vector<std::string>;

void DiffMessages(const Message& before, const Message& after, const std::string& prefix,
                  Lines* lines);

std::string Shown(const Message& message, const FieldDescriptor& field) {
  if (field.is_repeated()) return ValueText(message, field);
  return IsPresent(message, field) || !field.has_presence() ? ValueText(message, field) : "(none)";
}

void DiffField(const Message& before, const Message& after, const FieldDescriptor& field,
               const std::string& prefix, Lines* lines) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field)) {
    const bool had = IsPresent(before, field);
    const bool has = IsPresent(after, field);
    if (had != has) {
      lines->push_back(absl::StrCat(prefix, field.name(), has ? " added" : " removed"));
    } else if (had) {
      DiffMessages(before.GetReflection()->GetMessage(before, &field),
                   after.GetReflection()->GetMessage(after, &field),
                   absl::StrCat(prefix, field.name(), "."), lines);
    }
    return;
  }
  const std::string old_text = Shown(before, field);
  const std::string new_text = Shown(after, field);
  if (old_text == new_text) return;
  lines->push_back(RuleOf(field).secret()
                       ? absl::StrCat(prefix, field.name(), " changed")
                       : absl::StrCat(prefix, field.name(), " ",
                                      old_text.empty() ? "(none)" : old_text, " -> ",
                                      new_text.empty() ? "(none)" : new_text));
}

// All fields but lists of groups, which are matched by name below.
void DiffMessages(const Message& before, const Message& after, const std::string& prefix,
                  Lines* lines) {
  const auto* descriptor = before.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    if (field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) continue;
    DiffField(before, after, field, prefix, lines);
  }
}

std::string Describe(const v1::Backend& backend) {
  return absl::StrCat(" (", backend.address(), ", weight ", backend.weight(), ", ",
                      EnumName(backend.state()), backend.backup() ? ", backup" : "", ")");
}
std::string Describe(const v1::Pool& pool) {
  return absl::StrCat(" (", EnumName(pool.encapsulation()), ", ", pool.backends_size(),
                      " backends)");
}
std::string Describe(const v1::Vip& vip) {
  return absl::StrCat(" (", vip.address(), " port ", vip.port(), " ", EnumName(vip.protocol()),
                      " -> pool ", vip.pool(), ")");
}
std::string Describe(const v1::Port& port) { return ""; }

void DiffInside(const v1::Pool& before, const v1::Pool& after, const std::string& prefix,
                Lines* lines);
void DiffInside(const v1::Vip& before, const v1::Vip& after, const std::string& prefix,
                Lines* lines);
template <typename T>
void DiffInside(const T& before, const T& after, const std::string& prefix, Lines* lines) {}

// Lists of things with names.
template <typename List>
void DiffLists(const List& before, const List& after, const std::string& what, Lines* lines) {
  using T = typename List::value_type;
  absl::flat_hash_map<std::string, const T*> old_items;
  for (const T& item : before) old_items.emplace(item.name(), &item);
  absl::flat_hash_map<std::string, const T*> new_items;
  for (const T& item : after) new_items.emplace(item.name(), &item);
  for (const T& item : before) {
    if (!new_items.contains(item.name())) {
      lines->push_back(absl::StrCat(what, " ", item.name(), " removed", Describe(item)));
    }
  }
  for (const T& item : after) {
    const auto it = old_items.find(item.name());
    if (it == old_items.end()) {
      lines->push_back(absl::StrCat(what, " ", item.name(), " added", Describe(item)));
      continue;
    }
    const std::string prefix = absl::StrCat(what, " ", item.name(), ": ");
    DiffMessages(*it->second, item, prefix, lines);
    DiffInside(*it->second, item, prefix, lines);
  }
}

void DiffInside(const v1::Pool& before, const v1::Pool& after, const std::string& prefix,
                Lines* lines) {
  // Probes have no names: they go by their places.
  for (int i = 0; i < std::min(before.probes_size(), after.probes_size()); ++i) {
    DiffMessages(before.probes(i), after.probes(i), absl::StrCat(prefix, "probes[", i, "]."),
                 lines);
  }
  for (int i = before.probes_size(); i < after.probes_size(); ++i) {
    lines->push_back(
        absl::StrCat(prefix, "probes[", i, "] added (", EnumName(after.probes(i).type()), ")"));
  }
  for (int i = after.probes_size(); i < before.probes_size(); ++i) {
    lines->push_back(
        absl::StrCat(prefix, "probes[", i, "] removed (", EnumName(before.probes(i).type()), ")"));
  }
  DiffLists(before.backends(), after.backends(), absl::StrCat(prefix, "backend"), lines);
}

// Configurations of QUIC-LB go by their IDs.
void DiffInside(const v1::Vip& before, const v1::Vip& after, const std::string& prefix,
                Lines* lines) {
  std::map<uint32_t, const v1::QuicLb*> old_items, new_items;
  for (const v1::QuicLb& item : before.quic_lb()) old_items.emplace(item.config_id(), &item);
  for (const v1::QuicLb& item : after.quic_lb()) new_items.emplace(item.config_id(), &item);
  for (const auto& [id, item] : old_items) {
    if (!new_items.contains(id)) lines->push_back(absl::StrCat(prefix, "quic_lb ", id, " removed"));
  }
  for (const auto& [id, item] : new_items) {
    const auto it = old_items.find(id);
    if (it == old_items.end()) {
      lines->push_back(absl::StrCat(prefix, "quic_lb ", id, " added"));
    } else {
      DiffMessages(*it->second, *item, absl::StrCat(prefix, "quic_lb ", id, ": "), lines);
    }
  }
}

}  // namespace

std::vector<std::string> DiffConfigs(const v1::Config& before, const v1::Config& after) {
  Lines lines;
  DiffMessages(before, after, "", &lines);
  DiffLists(before.ports(), after.ports(), "port", &lines);
  DiffLists(before.pools(), after.pools(), "pool", &lines);
  DiffLists(before.vips(), after.vips(), "vip", &lines);
  return lines;
}

}  // namespace guideway
