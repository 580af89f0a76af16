// See impact.h.
#include "controlplane/compiler/impact.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lib/base/status.h"

namespace guideway {

namespace {

// What becomes of a backend that was in the pool before.
struct Fate {
  std::string name;
  double slots = 0;      // share before
  bool loses = false;    // its known flows are selected anew
  bool had_any = false;  // known flows were allowed before
  uint16_t index = 0;    // the flows know it by these
  uint16_t incarnation = 0;
};

std::map<std::string, Fate> FatesBefore(const v1::Pool& pool, const Compiled& compiled,
                                        const BackendRegistry& registry) {
  std::map<std::string, Fate> fates;
  for (const v1::Backend& backend : pool.backends()) {
    const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
    const BackendRegistry::Record& record = registry.records().at(key);
    fates[key] = {backend.name(), compiled.backends.at(key).share,
                  false,          record.keeps_known_flows,
                  record.index,   record.incarnation};
  }
  return fates;
}

// `keys`: of the backends whose flows move; the others keep theirs.
std::optional<double> MovedFlows(const std::map<std::string, Fate>& fates, const FlowCount& flows) {
  uint64_t all = 0;
  uint64_t moved = 0;
  bool any_loses = false;
  bool any_keeps = false;
  bool counted = true;
  for (const auto& [key, fate] : fates) {
    if (!fate.had_any) continue;
    (fate.loses ? any_loses : any_keeps) = true;
    const std::optional<uint64_t> count = flows ? flows(key) : std::nullopt;
    counted = counted && count.has_value();
    all += count.value_or(0);
    moved += fate.loses ? count.value_or(0) : 0;
  }
  if (!any_loses) return 0;
  if (!any_keeps) return 1;
  if (!counted) return std::nullopt;
  return all == 0 ? 0 : static_cast<double>(moved) / static_cast<double>(all);
}

}  // namespace

v1::Config WithoutPools(const v1::Config& config) {
  v1::Config rest;
  const auto* reflection = config.GetReflection();
  const auto* descriptor = config.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    if (field->is_repeated() || (field->has_presence() && !reflection->HasField(config, field))) {
      continue;
    }
    using google::protobuf::FieldDescriptor;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        reflection->MutableMessage(&rest, field)->CopyFrom(reflection->GetMessage(config, field));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->SetString(&rest, field, reflection->GetString(config, field));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(&rest, field, reflection->GetEnumValue(config, field));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->SetBool(&rest, field, reflection->GetBool(config, field));
        break;
      default:
        reflection->SetUInt32(&rest, field, reflection->GetUInt32(config, field));
    }
  }
  return rest;
}

double MovedShare(absl::Span<const channel::MaglevSlot> before,
                  absl::Span<const channel::MaglevSlot> after) {
  if (before.empty() || after.empty()) return before.empty() == after.empty() ? 0 : 1;
  // Slot i of n owns the hashes from i/n to (i+1)/n, see SlotOf(): both tables are walked along the
  // hashes, in units of 1/(n * m).
  const uint64_t n = before.size();
  const uint64_t m = after.size();
  uint64_t moved = 0;
  uint64_t at = 0;
  for (size_t i = 0, j = 0; i < n && j < m;) {
    const uint64_t end_i = (i + 1) * m;
    const uint64_t end_j = (j + 1) * n;
    const uint64_t end = std::min(end_i, end_j);
    if (before[i].current != after[j].current) moved += end - at;
    at = end;
    if (end_i == end) ++i;
    if (end_j == end) ++j;
  }
  return static_cast<double>(moved) / static_cast<double>(n * m);
}

absl::StatusOr<PoolImpact> ComparePool(CompilerInput input, const v1::Config& before,
                                       const v1::Config& after, const FlowCount& flows) {
  // Of its own: the one in force must not learn of backends that may never come.
  BackendRegistry registry(1);
  Compiler compiler(&registry);
  input.config = &before;
  GW_ASSIGN_OR_RETURN(const Compiled old_tables, compiler.Compile(input));
  const v1::Pool& pool = before.pools(0);
  std::map<std::string, Fate> fates = FatesBefore(pool, old_tables, registry);
  input.config = &after;
  GW_ASSIGN_OR_RETURN(const Compiled new_tables, compiler.Compile(input));
  PoolImpact impact;
  impact.pool = pool.name();
  impact.moved_slots =
      MovedShare(*old_tables.tables.pools.at(old_tables.pools.at(pool.name()).index).slots,
                 *new_tables.tables.pools.at(new_tables.pools.at(pool.name()).index).slots);
  // Flow tables are searched by a hash that is made from the secret.
  const bool all_forgotten = before.flow_hash_secret() != after.flow_hash_secret();
  // By index: a backend that comes back under another name keeps its flows.
  std::map<uint16_t, const BackendRegistry::Record*> records;
  for (const auto& [key, record] : registry.records()) records[record.index] = &record;
  for (auto& [key, fate] : fates) {
    const auto record = records.find(fate.index);
    fate.loses = fate.had_any && (all_forgotten || record == records.end() ||
                                  record->second->incarnation != fate.incarnation ||
                                  !record->second->keeps_known_flows);
    if (!fate.loses) continue;
    impact.losing_backends.push_back(fate.name);
    impact.losing_slots += fate.slots;
  }
  impact.moved_flows = MovedFlows(fates, flows);
  return impact;
}

absl::StatusOr<PoolImpact> ComparePool(const PoolFacts& facts, const v1::Config& before,
                                       const v1::Config& after) {
  const auto of = [&facts](const std::string& key) {
    const auto found = facts.backends.find(key);
    return found != facts.backends.end() ? found->second : PoolFacts::Backend();
  };
  CompilerInput input;
  input.health = [&](const std::string& key) { return of(key).health; };
  input.is_settling = [](const std::string&) { return false; };
  input.is_ejected = [&](const std::string& key) { return of(key).ejected; };
  input.keeps_flows = [&](const std::string& key) { return of(key).keeps_flows; };
  input.next_hops = &facts.next_hops;
  input.ports = facts.ports;
  input.steady_now = facts.steady_now;
  return ComparePool(std::move(input), before, after,
                     [&](const std::string& key) { return of(key).flows; });
}

}  // namespace guideway
