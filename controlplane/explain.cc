// See explain.h. The order of decisions is that of dataplane/path: VIP, flow table, slot, delivery.
#include "controlplane/explain.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/flow/flow_entry.h"
#include "lib/hash/flow_hash.h"
#include "lib/hash/maglev.h"
#include "lib/net/encapsulation.h"
#include "lib/net/gue.h"

namespace guideway {
namespace {

absl::StatusOr<IpAddress> ParseAddress(const std::string& text, const char* field) {
  const auto address = IpAddress::Parse(text);
  if (address.ok()) return *address;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", Quote(text), " is not an IPv4 or IPv6 address"));
}

absl::Status CheckPort(uint32_t port, const char* field) {
  if (port <= 65535) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", port, " is not a port"));
}

const char* NameOf(FlowState state) {
  switch (state) {
    case FlowState::kFree:
      return "free";
    case FlowState::kHalfOpen:
      return "half-open";
    case FlowState::kEstablished:
    case FlowState::kRevived:
      return "established";
    case FlowState::kClosing:
    case FlowState::kHalfClosedEnding:
      return "closing";
    case FlowState::kHalfClosed:
      return "half-closed";
    case FlowState::kTakenOver:
      return "taken-over";
    case FlowState::kUdp:
      return "udp";
    case FlowState::kPickedUp:
      return "picked-up";
    case FlowState::kUdpFirst:
      return "udp-first";
  }
  return "unknown";
}

// An exact port before any port, as in the data plane's VipTable.
const channel::VipBody* FindVip(const FlowKey& flow, const Tables& tables) {
  const channel::VipBody* exact = nullptr;
  const channel::VipBody* any_port = nullptr;
  tables.vips.ForEach([&](uint32_t, const channel::VipBody& vip) {
    if (vip.address != flow.destination || vip.protocol != static_cast<uint8_t>(flow.protocol)) {
      return;
    }
    if (vip.port == flow.destination_port) exact = &vip;
    if (vip.port == Be16(0)) any_port = &vip;
  });
  return exact != nullptr ? exact : any_port;
}

class Explainer {
 public:
  Explainer(const FlowKey& flow, const ExplainInput& input)
      : flow_(flow), input_(input), tables_(input.compiled.tables) {}

  v1::ExplainFlowResponse Run(const absl::StatusOr<channel::FlowLookup>& lookup);

 private:
  void FillVip(const channel::VipBody& vip);
  void FillSlot(uint32_t pool_index);
  void FillEntries(const channel::VipBody& vip, const channel::FlowLookup& lookup);
  void Decide();
  void FillDelivery();
  void AddNotes();
  FlowTimeouts TimeoutsOf(const channel::VipBody& vip) const;
  // Whom the tables have under the index; nothing if nobody.
  std::optional<v1::FlowOwner> OwnerOf(uint16_t index) const;
  const channel::BackendBody* BackendAt(uint32_t index) const {
    return tables_.backends.Find(index);
  }
  void Note(const std::string& text) { out_.add_notes(text); }

  const FlowKey& flow_;
  const ExplainInput& input_;
  const Tables& tables_;
  uint64_t hash_ = 0;
  channel::MaglevSlot slot_;  // nobody's
  uint32_t owner_index_ = kNoBackend;
  bool by_slot_ = false;
  v1::ExplainFlowResponse out_;
};

v1::ExplainFlowResponse Explainer::Run(const absl::StatusOr<channel::FlowLookup>& lookup) {
  const channel::VipBody* vip = FindVip(flow_, tables_);
  if (vip == nullptr) return out_;
  FlowHashKey key;
  std::copy(std::begin(tables_.globals.flow_hash_key), std::end(tables_.globals.flow_hash_key),
            key.words.begin());
  hash_ = FlowHash(key, flow_);
  out_.set_flow_hash(absl::StrCat(absl::Hex(hash_, absl::kZeroPad16)));
  FillVip(*vip);
  FillSlot(vip->pool);
  if (!lookup.ok()) {
    Note(absl::StrCat("the flow tables could not be asked: ",
                      std::string(lookup.status().message())));
  } else if (lookup->flow_hash != hash_) {
    Note("the data plane's tables are others than these: another flow hash secret, or none yet");
  } else {
    FillEntries(*vip, *lookup);
  }
  Decide();
  FillDelivery();
  AddNotes();
  return out_;
}

void Explainer::FillVip(const channel::VipBody& vip) {
  for (const auto& [name, index] : input_.compiled.vip_indices) {
    if (index != vip.index) continue;
    input_.fill_vip(name, out_.mutable_vip());
    out_.mutable_vip()->mutable_vip()->set_name(name);
  }
}

void Explainer::FillSlot(uint32_t pool_index) {
  const PoolEntry* found = tables_.pools.Find(pool_index);
  if (found == nullptr || found->slots == nullptr) return;
  const PoolEntry& pool = *found;
  uint64_t hash = hash_;
  if (pool.scheduler == channel::Scheduler::kMaglevSource) {
    FlowHashKey key;
    std::copy(std::begin(tables_.globals.flow_hash_key), std::end(tables_.globals.flow_hash_key),
              key.words.begin());
    hash = SourceHash(key, flow_.source, pool.source_bits_ipv4, pool.source_bits_ipv6);
  }
  const auto slot_count = static_cast<uint32_t>(pool.slots->size());
  const uint32_t slot = SlotOf(hash, slot_count);
  slot_ = (*pool.slots)[slot];
  out_.set_slot(slot);
  out_.set_slot_count(slot_count);
  if (const auto current = OwnerOf(slot_.current)) *out_.mutable_current() = *current;
  if (slot_.previous == slot_.current) return;
  if (const auto previous = OwnerOf(slot_.previous)) *out_.mutable_previous() = *previous;
}

std::optional<v1::FlowOwner> Explainer::OwnerOf(uint16_t index) const {
  if (BackendAt(index) == nullptr) return std::nullopt;
  v1::FlowOwner owner;
  for (const auto& [key, record] : input_.registry.records()) {
    if (record.index != index) continue;
    const std::vector<std::string> parts = absl::StrSplit(key, absl::MaxSplits('/', 2));
    owner.set_lingers(record.lingers());
    owner.set_pool(parts[0]);
    owner.mutable_backend()->mutable_backend()->set_name(parts.size() > 1 ? parts[1] : key);
    owner.mutable_backend()->mutable_backend()->set_address(record.address.ToString());
    if (record.lingers()) return owner;
    input_.fill_backend(owner.pool(), parts[1], owner.mutable_backend());
    return owner;
  }
  return std::nullopt;
}

FlowTimeouts Explainer::TimeoutsOf(const channel::VipBody& vip) const {
  const channel::GlobalsBody& globals = tables_.globals;
  const auto either = [](uint32_t own, uint32_t general) { return own != 0 ? own : general; };
  return {.half_open_s = either(vip.half_open_s, globals.half_open_s),
          .established_s = either(vip.established_s, globals.established_s),
          .closing_s = either(vip.closing_s, globals.closing_s),
          .udp_s = either(vip.udp_s, globals.udp_s),
          .half_closed_s = either(vip.half_closed_s, globals.half_closed_s)};
}

void Explainer::FillEntries(const channel::VipBody& vip, const channel::FlowLookup& lookup) {
  const FlowTimeouts timeouts = TimeoutsOf(vip);
  // Who saw the flow last, most likely, has the least; what was given up comes last.
  constexpr int64_t kGivenUp = 1 << 29;
  int64_t least_age_s = 2 * kGivenUp;
  for (uint32_t i = 0; i < std::min(lookup.worker_count, channel::kMaxWorkers); ++i) {
    const channel::FlowLookup::Entry& entry = lookup.workers[i];
    const auto state = static_cast<FlowState>(entry.state);
    if (state == FlowState::kFree) continue;
    const uint16_t index = BackendIndex(entry.backend);
    const channel::BackendBody* backend = BackendAt(index);
    const bool same = backend != nullptr && backend->incarnation == entry.backend >> 16;
    v1::FlowEntryState* out = out_.add_entries();
    out->set_worker(i);
    out->set_state(NameOf(state));
    const uint32_t timeout_s = timeouts.Of(state);
    out->set_idle_ms(uint64_t{timeout_s - std::min(entry.times_out_in_s, timeout_s)} * 1000);
    out->set_times_out_in_ms(uint64_t{entry.times_out_in_s} * 1000);
    const auto owner = same ? OwnerOf(index) : std::nullopt;
    if (owner) *out->mutable_owner() = *owner;
    out->set_holds(same && backend->keeps_known_flows != 0);
    const int64_t age_s = state == FlowState::kTakenOver
                              ? kGivenUp - entry.times_out_in_s
                              : int64_t{timeout_s} - entry.times_out_in_s;
    if (!out->holds() || age_s >= least_age_s) continue;
    least_age_s = age_s;
    owner_index_ = index;
    out_.set_decided_by(absl::StrCat("the flow table of worker ", i));
  }
}

void Explainer::Decide() {
  if (owner_index_ == kNoBackend) {
    by_slot_ = true;
    owner_index_ = slot_.current;
    out_.set_decided_by(absl::StrCat("slot ", out_.slot()));
  }
  const auto owner = OwnerOf(static_cast<uint16_t>(owner_index_));
  if (owner) *out_.mutable_owner() = *owner;
}

void Explainer::FillDelivery() {
  const channel::BackendBody* body = BackendAt(owner_index_);
  if (body == nullptr) return;
  v1::FlowDelivery* out = out_.mutable_delivery();
  // The schema has them in the same order, behind "unspecified".
  out->set_encapsulation(static_cast<v1::Encapsulation>(static_cast<int>(body->encapsulation) + 1));
  const bool reachable = body->next_hop != channel::kNoNextHop;
  out->set_unreachable(!reachable);
  out->set_next_hop(out_.owner().backend().next_hop());
  const channel::NextHopBody* hop = tables_.next_hops.Find(body->next_hop);
  if (out->next_hop().empty() && reachable && hop != nullptr) {
    out->set_next_hop(hop->destination_mac.ToString());  // of a lingering backend
  }
  if (body->encapsulation == channel::Encapsulation::kL2) return;
  out->set_outer_destination(body->outer_destination.ToString());
  out->set_dscp(body->dscp);
  if (!channel::IsTunnel(body->encapsulation)) return;
  const IpAddress source = body->source_flow_bits == 0
                               ? body->outer_source
                               : SpreadSource(body->outer_source, body->source_flow_bits, hash_);
  out->set_outer_source(source.ToString());
  if (!source.IsIpv4()) out->set_flow_label(static_cast<uint32_t>(hash_) & 0xfffff);
  if (body->encapsulation != channel::Encapsulation::kGue) return;
  out->set_outer_source_port(TunnelSourcePort(hash_).host());
  out->set_outer_destination_port(body->gue_port.host());
  if (!by_slot_ || body->gue_hop_list == 0 || flow_.protocol != IpProtocol::kTcp) return;
  const channel::BackendBody* previous = BackendAt(slot_.previous);
  if (slot_.previous != slot_.current && previous != nullptr && previous->keeps_known_flows != 0 &&
      previous->encapsulation == channel::Encapsulation::kGue &&
      previous->outer_destination.family() == body->outer_destination.family()) {
    out->set_second_chance(previous->outer_destination.ToString());
  }
}

void Explainer::AddNotes() {
  for (const v1::Pool& pool : input_.config.pools()) {
    if (pool.name() == out_.vip().vip().pool()) out_.set_scheduler(pool.scheduler());
  }
  if (out_.scheduler() == v1::WEIGHTED_ROUND_ROBIN || out_.scheduler() == v1::TWO_CHOICES ||
      out_.scheduler() == v1::WEIGHTED_LEAST_CONNECTIONS) {
    Note(
        "the pool's scheduler chooses for new flows at their time: the slot's owner gets only what "
        "is not known and does not begin");
  }
  if (out_.vip().vip().quic_lb_size() > 0) {
    Note("a QUIC connection ID that names a server goes to that server, whatever the slot says");
  }
  if (!out_.has_owner()) Note("nobody gets its packets: they are dropped as no_backend");
  if (out_.delivery().unreachable()) Note("its packets are dropped as no_next_hop");
}

}  // namespace

absl::StatusOr<FlowKey> ParseFlow(const v1::ExplainFlowRequest& request) {
  FlowKey flow;
  if (request.protocol() != v1::TCP && request.protocol() != v1::UDP) {
    return absl::InvalidArgumentError("protocol: must be tcp or udp");
  }
  flow.protocol = request.protocol() == v1::TCP ? IpProtocol::kTcp : IpProtocol::kUdp;
  GW_ASSIGN_OR_RETURN(flow.source, ParseAddress(request.source(), "source"));
  GW_ASSIGN_OR_RETURN(flow.destination, ParseAddress(request.destination(), "destination"));
  if (flow.source.family() != flow.destination.family()) {
    return absl::InvalidArgumentError("source and destination are of different address families");
  }
  GW_RETURN_IF_ERROR(CheckPort(request.source_port(), "source_port"));
  GW_RETURN_IF_ERROR(CheckPort(request.destination_port(), "destination_port"));
  flow.source_port = Be16(static_cast<uint16_t>(request.source_port()));
  flow.destination_port = Be16(static_cast<uint16_t>(request.destination_port()));
  return flow;
}

v1::ExplainFlowResponse ExplainFlow(const FlowKey& flow, const ExplainInput& input,
                                    const absl::StatusOr<channel::FlowLookup>& lookup) {
  return Explainer(flow, input).Run(lookup);
}

}  // namespace guideway
