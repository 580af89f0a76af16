// The rules of who is in which table.
#include "controlplane/compiler/compiler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/compiler/egress.h"
#include "controlplane/compiler/quic.h"
#include "lib/base/status.h"
#include "lib/hash/flow_hash.h"
#include "lib/hash/maglev.h"

namespace guideway {
namespace {

constexpr int kLingeringOfStep = 200;

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

uint32_t SecondsOf(const google::protobuf::Duration& duration) {
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(DurationOf(duration), absl::Seconds(1)));
  return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 1, 1 << 20));
}

channel::FragmentPolicy PolicyOf(v1::FragmentPolicy policy) {
  switch (policy) {
    case v1::FRAGMENTS_HASH3:
      return channel::FragmentPolicy::kHash3;
    case v1::FRAGMENTS_DROP:
      return channel::FragmentPolicy::kDrop;
    default:
      return channel::FragmentPolicy::kTrack;
  }
}

channel::GlobalsBody CompileGlobals(const v1::Config& config) {
  channel::GlobalsBody globals = {};
  const FlowHashKey key = FlowHashKey::FromSecret(config.flow_hash_secret());
  std::copy(key.words.begin(), key.words.end(), globals.flow_hash_key);
  globals.half_open_s = SecondsOf(config.flow_timeouts().half_open());
  globals.established_s = SecondsOf(config.flow_timeouts().established());
  globals.closing_s = SecondsOf(config.flow_timeouts().closing());
  globals.udp_s = SecondsOf(config.flow_timeouts().udp());
  globals.half_closed_s = SecondsOf(config.flow_timeouts().half_closed());
  globals.fragments = PolicyOf(config.fragments());
  return globals;
}

channel::Scheduler SchedulerOf(const v1::Pool& pool) {
  switch (pool.scheduler()) {
    case v1::MAGLEV_SOURCE:
      return channel::Scheduler::kMaglevSource;
    case v1::WEIGHTED_ROUND_ROBIN:
      return channel::Scheduler::kWeightedRoundRobin;
    case v1::WEIGHTED_LEAST_CONNECTIONS:
      return channel::Scheduler::kWeightedLeastConnections;
    case v1::TWO_CHOICES:
      return channel::Scheduler::kTwoChoices;
    default:
      return channel::Scheduler::kMaglev;
  }
}

channel::Breaker BreakerOf(const v1::CircuitBreaker& breaker) {
  channel::Breaker made = {};
  made.max_new_flows_per_second = breaker.max_new_flows_per_second();
  made.max_flows = breaker.max_flows();
  if (breaker.when_full() == v1::FULL_DROP) made.when_full = channel::WhenFull::kDrop;
  return made;
}

PoolEntry EntryOf(const v1::Pool& pool, PoolSlots slots) {
  PoolEntry entry{.slots = std::move(slots), .scheduler = SchedulerOf(pool)};
  if (pool.has_circuit_breaker()) entry.breaker = BreakerOf(pool.circuit_breaker());
  if (entry.scheduler == channel::Scheduler::kMaglevSource) {
    entry.source_bits_ipv4 = static_cast<uint8_t>(pool.source_prefix_length_ipv4());
    entry.source_bits_ipv6 = static_cast<uint8_t>(pool.source_prefix_length_ipv6());
  }
  return entry;
}

// What a VIP does not set stays 0: as it is for all.
void SetTimeouts(const v1::VipFlowTimeouts& timeouts, channel::VipBody* body) {
  if (timeouts.has_half_open()) body->half_open_s = SecondsOf(timeouts.half_open());
  if (timeouts.has_established()) body->established_s = SecondsOf(timeouts.established());
  if (timeouts.has_closing()) body->closing_s = SecondsOf(timeouts.closing());
  if (timeouts.has_udp()) body->udp_s = SecondsOf(timeouts.udp());
  if (timeouts.has_half_closed()) body->half_closed_s = SecondsOf(timeouts.half_closed());
}

std::string KeyOf(const v1::Pool& pool, const v1::Backend& backend) {
  return BackendKey(pool.name(), backend.name(), backend.address());
}

struct Way {
  std::string text;  // for the API
  Reachability::Sight sight;
};

Reachability::Sight SightOf(const absl::Status& egress) {
  if (egress.ok()) return Reachability::Sight::kReachable;
  return absl::IsUnavailable(egress) ? Reachability::Sight::kNotKnownYet
                                     : Reachability::Sight::kUnreachable;
}

// A backend's place in the tables, and its next hop's. `backend`: null if it lingers.
absl::StatusOr<Way> PlaceBackend(const CompilerInput& input, const BackendRegistry::Record& record,
                                 const v1::Backend* backend, uint32_t pool_index,
                                 IndexAllocator* next_hop_indices,
                                 std::set<std::string>* next_hops_used, Tables* tables) {
  channel::BackendBody body = {};
  body.index = record.index;
  body.incarnation = record.incarnation;
  body.keeps_known_flows = record.keeps_known_flows ? 1 : 0;
  body.outer_destination = record.address;
  // The channel wants a host address of this family even while no packet can be sent for want of a
  // next hop; the backend's own serves.
  SetDelivery(record.delivery, record.address, &body);
  body.next_hop = channel::kNoNextHop;

  ResolvedNextHop resolved;
  if (const v1::Port* port = StaticGatewayPort(*input.config)) {
    resolved = StaticNextHop(*port, record.address);
  } else if (const auto found = input.next_hops->find(record.address);
             found != input.next_hops->end()) {
    resolved = found->second;
  }
  const auto egress = MakeEgress(resolved, record.address, record.delivery, input.ports);
  if (egress.ok()) {
    channel::NextHopBody next_hop = egress->next_hop;
    next_hop.index = next_hop_indices->Use(egress->key);
    next_hops_used->insert(egress->key);
    tables->next_hops.Set(next_hop.index, next_hop);
    body.next_hop = next_hop.index;
    if (IsTunnel(record.delivery.encapsulation)) {
      SetDelivery(record.delivery, egress->outer_source, &body);
    }
  }
  if (backend != nullptr) GW_RETURN_IF_ERROR(SetServerId(*backend, pool_index, &body));
  tables->backends.Set(record.index, body);
  return Way{egress.ok() ? egress->text : std::string(egress.status().message()),
             SightOf(egress.status())};
}

bool AnyIsReachable(const Compiled& compiled) {
  return std::any_of(compiled.backends.begin(), compiled.backends.end(),
                     [](const auto& entry) { return !entry.second.unreachable; });
}

// Whether a lingering backend was of a pool of which nobody can be reached now.
bool PoolIsUnreachable(const std::string& key, const Compiled& compiled) {
  const auto pool = compiled.pools.find(key.substr(0, key.find('/')));  // see BackendKey()
  return pool != compiled.pools.end() && pool->second.none_reachable;
}

// Whether a lingering backend still keeps what it kept when it was removed.
bool KeepsFlows(const CompilerInput& input, const std::string& key, const Compiled& compiled) {
  const std::string pool = key.substr(0, key.find('/'));  // see BackendKey()
  if (input.health(key) != HealthState::kUnhealthy || input.is_settling(pool)) return true;
  if (input.keeps_flows && input.keeps_flows(key)) return true;
  const auto found = compiled.pools.find(pool);
  return found != compiled.pools.end() && found->second.failed_open && found->second.in_use;
}

}  // namespace

void IndexAllocator::Retain(const std::set<std::string>& keys) {
  for (auto it = indices_.begin(); it != indices_.end();) {
    if (keys.contains(it->first)) {
      ++it;
      continue;
    }
    pool_.Free(it->second);
    it = indices_.erase(it);
  }
}

uint32_t IndexAllocator::Use(const std::string& key) {
  const auto [it, is_new] = indices_.try_emplace(key, 0);
  if (is_new) it->second = pool_.TakeLowest();
  return it->second;
}

absl::Duration LingerLimit(const v1::Config& config) {
  return config.has_linger_limit() ? DurationOf(config.linger_limit()) : absl::InfiniteDuration();
}

void AddBackendKeys(const v1::Pool& pool, std::set<std::string>* keys) {
  for (const v1::Backend& backend : pool.backends()) keys->insert(KeyOf(pool, backend));
}

const v1::Port* StaticGatewayPort(const v1::Config& config) {
  for (const v1::Port& port : config.ports()) {
    if (port.has_static_gateway()) return &port;
  }
  return nullptr;
}

void Compiler::Begin(std::shared_ptr<const v1::Config> config) {
  job_ = std::make_shared<Job>();
  updates_ = std::make_shared<Updates>();
  job_->result.tables.globals = CompileGlobals(*config);
  for (const v1::Vip& vip : config->vips()) job_->pools_in_use.insert(vip.pool());
  job_->config = std::move(config);
}

absl::Status Compiler::Register(const CompilerInput& input, const v1::Pool& pool) {
  for (const v1::Backend& backend : pool.backends()) {
    GW_ASSIGN_OR_RETURN(const IpAddress address, IpAddress::Parse(backend.address()));
    const auto record =
        registry_->Use(KeyOf(pool, backend), address, DeliveryTo(address, pool, *input.config));
    if (!record.ok()) return record.status();
  }
  return absl::OkStatus();
}

absl::Status Compiler::PlaceVip(const v1::Vip& vip) {
  Compiled& result = job_->result;
  channel::VipBody body = {};
  body.index = vips_.Use(vip.name());
  body.pool = pool_indices_.Use(vip.pool());
  GW_ASSIGN_OR_RETURN(body.address, IpAddress::Parse(vip.address()));
  body.port = Be16(static_cast<uint16_t>(vip.port()));
  body.protocol = static_cast<uint8_t>(vip.protocol());
  body.max_segment_size = static_cast<uint16_t>(vip.max_segment_size());
  SetTimeouts(vip.flow_timeouts(), &body);
  result.tables.vips.Set(body.index, body);
  result.vip_indices[vip.name()] = body.index;
  return CompileQuicLbs(vip, body.index, &result.tables);
}

absl::Status Compiler::PlacePool(const CompilerInput& input, const v1::Pool& pool,
                                 Compiled* result) {
  CompiledPool& made = result->pools[pool.name()];
  const uint32_t pool_index = made.index = pool_indices_.Use(pool.name());
  made.in_use = job_->pools_in_use.contains(pool.name());
  std::vector<std::string> keys;
  std::vector<BackendCondition> conditions;
  for (const v1::Backend& backend : pool.backends()) {
    const std::string& key = keys.emplace_back(KeyOf(pool, backend));
    const BackendRegistry::Record& record = registry_->records().at(key);
    CompiledBackend& view = result->backends[key];
    view.index = record.index;
    GW_ASSIGN_OR_RETURN(const Way way,
                        PlaceBackend(input, record, &backend, pool_index, &next_hop_indices_,
                                     &job_->next_hops_used, &result->tables));
    view.next_hop = way.text;
    view.reachable = way.sight == Reachability::Sight::kReachable;
    view.unreachable = reachability_.See(record.address, record.delivery, way.sight);
    // Who is known to be dead would not take the others' flows.
    const bool is_dead = input.health(key) == HealthState::kUnhealthy;
    conditions.push_back({.unreachable = view.unreachable || is_dead});
  }
  reachability_.SeeGroup(pool.name(), NoneIsReachable(pool, conditions));
  for (const std::string& key : keys) {
    const BackendRegistry::Record& record = registry_->records().at(key);
    result->backends.at(key).gives_up_flows =
        reachability_.GivesUpFlows(record.address, record.delivery, pool.name());
  }
  return absl::OkStatus();
}

Compiler::Assignment Compiler::Assign(const CompilerInput& input, const v1::Pool& pool,
                                      const std::set<uint16_t>& gone, const Compiled& compiled) {
  Assignment made{.pool = &pool, .keys = {}, .roles = {}, .next_step = {}, .build = {}};
  std::vector<BackendCondition> conditions;
  for (const v1::Backend& backend : pool.backends()) {
    made.keys.push_back(KeyOf(pool, backend));
    const std::string& key = made.keys.back();
    const CompiledBackend& view = compiled.backends.at(key);
    conditions.push_back({.health = input.health(key),
                          .ejected = input.is_ejected && input.is_ejected(key),
                          .unreachable = view.unreachable,
                          .gives_up_flows = view.gives_up_flows,
                          .keeps_though_unhealthy = pool.unhealthy_keeps_flows() ||
                                                    (input.keeps_flows && input.keeps_flows(key))});
  }
  made.roles = AssignRoles(pool, conditions, input.is_settling(pool.name()),
                           compiled.pools.at(pool.name()).in_use);
  std::vector<MaglevBackend> takers;
  for (size_t i = 0; i < made.keys.size(); ++i) {
    const v1::Backend& backend = pool.backends(static_cast<int>(i));
    const BackendRole& role = made.roles.backends[i];
    if (role.weight == 0) continue;
    takers.push_back({absl::StrCat(backend.name(), "/", backend.address()), role.weight,
                      compiled.backends.at(made.keys[i]).index});
  }
  SlowStart& slow_start = slow_starts_[pool.name()];
  slow_start.Update(DurationOf(pool.slow_start()), input.steady_now, &takers);
  made.next_step = slow_start.NextStep();
  made.build = slots_[pool.name()].Plan(std::move(takers), pool.table_size(), gone);
  return made;
}

absl::Status Compiler::AssignSlots(const Assignment& assignment,
                                   absl::StatusOr<PoolSlotsBuilder::Built> built,
                                   Compiled* result) {
  const v1::Pool& pool = *assignment.pool;
  PoolSlotsBuilder& slots = slots_[pool.name()];
  if (assignment.build.has_value()) {
    if (!built.ok()) return built.status();
    slots.Take(*assignment.build, *std::move(built));
  }
  const SlowStart& slow_start = slow_starts_[pool.name()];
  result->next_step = std::min(result->next_step, assignment.next_step);
  for (size_t i = 0; i < assignment.keys.size(); ++i) {
    const BackendRole& role = assignment.roles.backends[i];
    CompiledBackend& view = result->backends.at(assignment.keys[i]);
    registry_->SetKeepsKnownFlows(assignment.keys[i], role.keeps_known_flows,
                                  pool.backends(static_cast<int>(i)).state() == v1::DISABLED);
    const channel::BackendBody& body = result->tables.backends.at(view.index);
    if (body.keeps_known_flows != (role.keeps_known_flows ? 1 : 0)) {
      channel::BackendBody changed = body;
      changed.keeps_known_flows = role.keeps_known_flows ? 1 : 0;
      result->tables.backends.Set(view.index, changed);
    }
    view.share = slots.ShareOf(view.index);
    view.slow_start_step = slow_start.StepOf(view.index);
  }
  CompiledPool& compiled = result->pools.at(pool.name());
  compiled.failed_open = assignment.roles.failed_open;
  compiled.backups_serve = assignment.roles.backups_serve;
  compiled.none_reachable = assignment.roles.none_reachable;
  compiled.digest = slots.digest();
  result->tables.pools.Set(compiled.index, EntryOf(pool, slots.slots()));
  return absl::OkStatus();
}

// As many as one step may take.
absl::Status Compiler::PlaceLingering(const CompilerInput& input) {
  Compiled& result = job_->result;
  const bool any_is_reachable = AnyIsReachable(result);
  auto it = registry_->records().upper_bound(job_->after);
  for (int i = 0; i < kLingeringOfStep && it != registry_->records().end(); ++i, ++it) {
    const auto& [key, record] = *it;
    job_->after = key;
    if (!record.lingers()) continue;
    GW_ASSIGN_OR_RETURN(const Way way, PlaceBackend(input, record, nullptr, 0, &next_hop_indices_,
                                                    &job_->next_hops_used, &result.tables));
    reachability_.See(record.address, record.delivery, way.sight);
    // Its flows could go nowhere else.
    reachability_.SeeGroup(key, !any_is_reachable || PoolIsUnreachable(key, result));
    if (!record.keeps_known_flows) continue;
    // Sooner than of those in use: it is on its way out, and others are there.
    const bool lost =
        reachability_.GivesUpFlows(record.address, record.delivery, key, Reachability::kDownAfter);
    if (!lost && KeepsFlows(input, key, result)) continue;
    channel::BackendBody body = result.tables.backends.at(record.index);
    body.keeps_known_flows = 0;
    result.tables.backends.Set(record.index, body);
  }
  if (it == registry_->records().end()) NextPhase();
  return absl::OkStatus();
}

}  // namespace guideway
