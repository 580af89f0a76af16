#include "dataplane/tables/table_draft.h"

#include <string>
#include <utility>

#include "dataplane/tables/request_check.h"
#include "lib/base/clock.h"

namespace guideway {

using namespace channel;  // NOLINT(google-build-using-namespace): this file is about its messages

namespace {

bool IsTableChange(MessageType type) {
  return (type >= MessageType::kSetGlobals && type <= MessageType::kDeleteNextHop) ||
         type == MessageType::kSetQuicLb || type == MessageType::kDeleteQuicLb;
}

template <typename Body>
void Put(std::vector<TableEntry<Body>>* table, const Body& body) {
  if (body.index >= table->size()) table->resize(body.index + 1);
  (*table)[body.index] = {.exists = true, .body = body};
}

template <typename Body>
void Remove(std::vector<TableEntry<Body>>* table, uint32_t index) {
  if (index >= table->size()) return;
  (*table)[index] = {};
  while (!table->empty() && !table->back().exists) table->pop_back();
}

uint64_t MonotonicNs() { return static_cast<uint64_t>(absl::ToInt64Nanoseconds(MonotonicNow())); }

// Empties a state but keeps its vectors' memory for the next transaction.
void Clear(TableState* state) {
  state->generation = 0;
  state->globals = {};
  state->vips.clear();
  state->pools.clear();
  state->backends.clear();
  state->next_hops.clear();
  state->quic_lbs.clear();
}

}  // namespace

TableDraft::TableDraft(TableMemory* memory, uint32_t port_count, Publish publish)
    : memory_(memory), port_count_(port_count), publish_(std::move(publish)) {}

Response TableDraft::Apply(const Request& request, const ArenaView& arena) {
  const Refusal refusal = Dispatch(request, arena);
  // Questions and unknown messages outside a transaction break nothing; a refused kBegin does,
  // because what follows it was meant for its transaction.
  if (!refusal.ok() && (phase_ != Phase::kIdle || request.type == MessageType::kBegin)) {
    phase_ = Phase::kBroken;
    ClearDraft();
  }
  Response response;
  response.sequence = request.sequence;
  response.code = refusal.code;
  response.generation = committed_.generation;
  refusal.field.copy(response.field, sizeof(response.field) - 1);
  response.value = refusal.value;
  return response;
}

Refusal TableDraft::Dispatch(const Request& request, const ArenaView& arena) {
  const MessageType type = request.type;
  const auto refuse = [&](ResponseCode code) -> Refusal {
    return {code, "type", static_cast<uint64_t>(type)};
  };
  if (type == MessageType::kAbort) {
    Abort();
    return {};
  }
  const bool table_change = IsTableChange(type);
  const bool question = type == MessageType::kReadCounters || type == MessageType::kLookupFlow ||
                        type == MessageType::kAwaitCommit;
  if (!table_change && type != MessageType::kBegin && type != MessageType::kCommit && !question) {
    return refuse(ResponseCode::kUnknownType);
  }
  if (type == MessageType::kBegin) {
    if (phase_ == Phase::kOpen) return refuse(ResponseCode::kInsideTransaction);
    return Begin(request.body.begin);
  }
  if (phase_ == Phase::kBroken) return refuse(ResponseCode::kTransactionBroken);
  if (question) {
    if (phase_ == Phase::kOpen) return refuse(ResponseCode::kInsideTransaction);
    if (type == MessageType::kLookupFlow) return CheckLookupFlow(request.body.lookup_flow);
    if (type == MessageType::kAwaitCommit) return Taken();
    return {};
  }
  if (phase_ == Phase::kIdle) return refuse(ResponseCode::kOutsideTransaction);
  if (type == MessageType::kCommit) return Commit(request.body.commit.generation);
  return Change(request, arena);
}

void TableDraft::Abort() {
  phase_ = Phase::kIdle;
  ClearDraft();
}

void TableDraft::ClearDraft() {
  Clear(&draft_);
  prepared_ = false;
}

void TableDraft::Prepare() {
  if (phase_ != Phase::kIdle || prepared_) return;
  draft_ = committed_;
  prepared_ = true;
}

void TableDraft::Settle() {
  if (!awaited_worker_) return;
  awaited_worker_.reset();
  in_force_ns_ = MonotonicNs();
}

Refusal TableDraft::Taken() const {
  if (awaited_worker_) return {ResponseCode::kNotTaken, "worker", *awaited_worker_};
  return {.code = ResponseCode::kOk, .field = "", .value = in_force_ns_};
}

Refusal TableDraft::Begin(const BeginBody& body) {
  if (awaited_worker_) return Taken();
  if (body.full > 1) return {ResponseCode::kOutOfRange, "begin.full", body.full};
  if (body.full == 0 && body.base_generation != committed_.generation) {
    return {ResponseCode::kStaleBase, "begin.base_generation", body.base_generation};
  }
  if (body.full == 1) {
    ClearDraft();
  } else if (!prepared_) {
    draft_ = committed_;
  }
  prepared_ = false;
  unchecked_pools_.reset();
  phase_ = Phase::kOpen;
  return {};
}

Refusal TableDraft::Change(const Request& request, const ArenaView& arena) {
  Refusal refusal;
  switch (request.type) {
    case MessageType::kSetGlobals:
      refusal = CheckGlobals(request.body.globals);
      if (refusal.ok()) draft_.globals = {.exists = true, .body = request.body.globals};
      return refusal;
    case MessageType::kSetVip:
      refusal = CheckVip(request.body.vip);
      if (refusal.ok()) Put(&draft_.vips, request.body.vip);
      return refusal;
    case MessageType::kSetPool:
      return SetPool(request.body.pool, arena);
    case MessageType::kSetBackend:
      refusal = CheckBackend(request.body.backend);
      if (refusal.ok()) Put(&draft_.backends, request.body.backend);
      return refusal;
    case MessageType::kSetNextHop:
      refusal = CheckNextHop(request.body.next_hop, port_count_);
      if (refusal.ok()) Put(&draft_.next_hops, request.body.next_hop);
      return refusal;
    case MessageType::kSetQuicLb:
      refusal = CheckQuicLb(request.body.quic_lb);
      if (refusal.ok()) Put(&draft_.quic_lbs, request.body.quic_lb);
      return refusal;
    default:
      return Delete(request.type, request.body.index.index);
  }
}

Refusal TableDraft::SetPool(const PoolBody& body, const ArenaView& arena) {
  if (Refusal refusal = CheckPool(body, arena); !refusal.ok()) return refusal;
  const std::string slots = absl::StrCat("pool[", body.index, "].slots");
  auto table = PoolTable::Copy(arena, body, memory_);
  if (table == nullptr) {
    return {ResponseCode::kNoMemory, slots, body.slot_count * sizeof(MaglevSlot)};
  }
  if (table->has_impossible_backend()) {
    return {ResponseCode::kOutOfRange, slots, table->impossible_backend()};
  }
  if (body.index >= draft_.pools.size()) draft_.pools.resize(body.index + 1);
  draft_.pools[body.index] = std::move(table);
  unchecked_pools_.set(body.index);
  return {};
}

Refusal TableDraft::Delete(MessageType type, uint32_t index) {
  if (Refusal refusal = CheckDelete(type, index); !refusal.ok()) return refusal;
  switch (type) {
    case MessageType::kDeleteVip:
      Remove(&draft_.vips, index);
      break;
    case MessageType::kDeletePool:
      if (index < draft_.pools.size()) draft_.pools[index] = nullptr;
      while (!draft_.pools.empty() && draft_.pools.back() == nullptr) draft_.pools.pop_back();
      break;
    case MessageType::kDeleteBackend:
      Remove(&draft_.backends, index);
      unchecked_pools_.set();
      break;
    case MessageType::kDeleteQuicLb:
      Remove(&draft_.quic_lbs, index);
      break;
    default:
      Remove(&draft_.next_hops, index);
      break;
  }
  return {};
}

Refusal TableDraft::Commit(uint64_t generation) {
  if (generation <= committed_.generation) {
    return {ResponseCode::kStaleGeneration, "commit.generation", generation};
  }
  if (generation - committed_.generation > kMaxGenerationStep) {
    return {ResponseCode::kOutOfRange, "commit.generation", generation};
  }
  if (Refusal refusal = CheckTables(draft_, unchecked_pools_); !refusal.ok()) {
    return refusal;
  }
  draft_.generation = generation;
  if (!publish_(draft_).ok()) return {ResponseCode::kNoMemory, "snapshot", generation};
  in_force_ns_ = MonotonicNs();
  std::swap(committed_, draft_);
  phase_ = Phase::kIdle;
  ClearDraft();
  return Taken();
}

}  // namespace guideway
