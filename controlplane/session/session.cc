// Connecting, pumping requests, taking responses.
#include "controlplane/session/session.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Seconds(1);
// A manager that owes an answer for this long hangs; a new connection will tell.
constexpr absl::Duration kAnswerPatience = absl::Seconds(10);
}  // namespace

Session::Session(EventLoop* loop, std::string socket_path, std::function<void()> on_ready)
    : loop_(loop),
      path_(std::move(socket_path)),
      on_ready_(std::move(on_ready)),
      backoff_(kFirstRetry),
      pulse_(loop, [this] { OnLook(); }),
      problem_("not connected yet"),
      flow_lookups_(loop) {
  for (auto& memory : counters_memory_) memory = std::make_shared<channel::CountersRegion>();
}

Session::~Session() {
  loop_->Cancel(retry_timer_);
  loop_->Cancel(answer_timer_);
  loop_->Cancel(ask_timer_);
  loop_->Cancel(pump_timer_);
  for (CountersWaiter& waiter : counters_waiting_) loop_->Cancel(waiter.timer);
  if (end_ == nullptr) return;
  loop_->Unwatch(end_->socket_fd());
  if (end_->ready()) loop_->Unwatch(end_->doorbell_fd());
}

void Session::Start() { Connect(); }

void Session::Connect() {
  retry_timer_ = 0;
  auto end = channel::ControlplaneEnd::Connect(path_);
  if (!end.ok()) {
    Lose(end.status());
    return;
  }
  end_ = std::move(end).value();
  connected_at_ = loop_->Now();
  pulse_.OnConnected();
  loop_->Watch(end_->socket_fd(), EPOLLIN, [this](uint32_t) { OnSocket(); });
  ExpectAnswers();  // the handshake's
}

void Session::OnSocket() {
  if (end_->ready()) {
    const absl::Status peer = end_->CheckPeer();
    if (absl::IsAborted(peer) && on_replaced_) on_replaced_(std::string(peer.message()));
    if (!peer.ok()) Lose(peer);
    return;
  }
  const auto finished = end_->FinishHandshake();
  if (!finished.ok()) {
    Lose(finished.status());
  } else if (*finished) {
    OnReady();
  }
}

void Session::OnReady() {
  loop_->Cancel(answer_timer_);
  answer_timer_ = 0;
  welcome_ = end_->welcome();
  backoff_ = kFirstRetry;
  problem_.clear();
  reported_generation_ = welcome_.generation;
  last_generation_ = std::max(last_generation_, reported_generation_);
  wanted_generation_ = std::max(wanted_generation_, reported_generation_);
  free_arena_slots_.clear();
  for (uint32_t slot = welcome_.arena_slot_count; slot > 0; --slot) {
    free_arena_slots_.push_back(slot - 1);
  }
  // The commit whose answer was lost has come into force after all.
  if (attempted_.tables && attempted_.instance == welcome_.instance &&
      attempted_.generation == welcome_.generation) {
    in_force_ = attempted_;
  }
  attempted_ = InForce{};
  force_full_ = in_force_.tables == nullptr || in_force_.instance != welcome_.instance ||
                in_force_.generation != welcome_.generation;
  LOG(INFO) << "data plane connected: instance " << absl::StrCat(absl::Hex(welcome_.instance))
            << ", generation " << welcome_.generation
            << (force_full_ ? "; sending everything" : "; in step with it");
  loop_->Watch(end_->doorbell_fd(), EPOLLIN, [this](uint32_t) { OnDoorbell(); });
  pulse_.OnReady(end_.get());
  // Tables that it has may not be in force yet.
  if (welcome_.generation != 0) Await(nullptr);
  on_ready_();
  Pump();
}

bool Session::dataplane_has_foreign_tables() const {
  return ready() && reported_generation_ != 0 &&
         (in_force_.tables == nullptr || in_force_.instance != welcome_.instance);
}

void Session::SetWanted(std::shared_ptr<const Tables> tables, uint64_t ticket) {
  wanted_ = std::move(tables);
  wanted_ticket_ = ticket;
  Pump();
}

void Session::ClearWanted() { wanted_ = nullptr; }

void Session::Pump() {
  if (!ready()) return;
  absl::Status status;
  if (ask_now_) {
    channel::Request request;
    request.type = channel::MessageType::kAwaitCommit;
    const auto put = Put(request, nullptr);
    status = put.status();
    ask_now_ = !(put.ok() && *put);
  }
  if (!transaction_ && !counters_asked_ && !counters_waiting_.empty()) {
    channel::Request request;
    request.type = channel::MessageType::kReadCounters;
    const auto put = Put(request, nullptr);
    status = put.status();
    counters_asked_ = put.ok() && *put;
  }
  if (const auto request = flow_lookups_.Next(); request && !transaction_ && status.ok()) {
    const auto put = Put(*request, nullptr);
    status = put.status();
    if (put.ok() && *put) flow_lookups_.Sent();
  }
  if (!transaction_) StartTransaction();
  if (status.ok() && transaction_) status = PumpTransaction();
  if (!status.ok()) {
    Lose(status);
    return;
  }
  end_->Flush();
  ExpectAnswers();
}

void Session::StartTransaction() {
  if (wanted_ == nullptr || awaited_) return;
  transaction_ =
      std::make_unique<Transaction>(force_full_ ? nullptr : in_force_.tables, std::move(wanted_),
                                    reported_generation_, last_generation_ + 1);
  transaction_ticket_ = wanted_ticket_;
  wanted_ = nullptr;
}

// In turns: there may be tens of thousands of messages, and tables are copied into the arena. They
// are short, as whoever has made the tables in this turn may have needed most of it.
absl::Status Session::PumpTransaction() {
  const absl::Duration end = loop_->Now() + EventLoop::kTurn / 2;
  for (;;) {
    const TableChange* change = transaction_->Next();
    if (transaction_->IsEmpty()) {
      EndEmptyTransaction();
      break;
    }
    if (change != nullptr) {
      GW_ASSIGN_OR_RETURN(const bool put, Put(change->request, change->slots));
      if (!put) break;
      if (transaction_->sent_count() == 0) {
        last_generation_ = wanted_generation_ = transaction_->generation();
      }
      transaction_->Sent();  // `change` is gone
    } else if (!transaction_->IsLooking()) {
      break;
    }
    if (loop_->Now() < end) continue;
    PumpSoon();
    break;
  }
  return absl::OkStatus();
}

// Nothing has changed.
void Session::EndEmptyTransaction() {
  transaction_.reset();
  problem_.clear();  // what was refused before is no longer wanted
  wanted_generation_ = reported_generation_;
  if (wanted_ != nullptr) PumpSoon();
  Report(transaction_ticket_, absl::OkStatus(), loop_->Now());
}

void Session::PumpSoon() {
  if (pump_timer_ != 0) return;
  pump_timer_ = loop_->After(absl::ZeroDuration(), [this] {
    pump_timer_ = 0;
    if (ready()) OnDoorbell();
  });
}

// False: no room now; a response will make some.
absl::StatusOr<bool> Session::Put(channel::Request request, const PoolSlots& slots) {
  GW_ASSIGN_OR_RETURN(const uint32_t room, end_->Room());
  if (room == 0) return false;
  int arena_slot = -1;
  if (slots != nullptr) {
    if (free_arena_slots_.empty()) return false;
    arena_slot = static_cast<int>(free_arena_slots_.back());
    const auto memory = end_->arena_slot(static_cast<uint32_t>(arena_slot));
    if (memory.size() < slots->size()) {
      return absl::FailedPreconditionError(absl::StrCat("a pool's table of ", slots->size(),
                                                        " slots does not fit the data plane's ",
                                                        "arena slots of ", memory.size()));
    }
    std::copy(slots->begin(), slots->end(), memory.begin());
    request.body.pool.arena_slot = static_cast<uint32_t>(arena_slot);
  }
  GW_RETURN_IF_ERROR(end_->Queue(request).status());
  if (arena_slot >= 0) free_arena_slots_.pop_back();
  outstanding_.push_back({request.type, arena_slot, loop_->Now()});
  return true;
}

// A timer that runs is left alone: that more is asked must not give the oldest question more time.
void Session::ExpectAnswers() {
  if (answer_timer_ != 0 || (end_->ready() && outstanding_.empty())) return;
  const absl::Duration since = end_->ready() ? outstanding_.front().sent : connected_at_;
  answer_timer_ = loop_->After(since + kAnswerPatience - loop_->Now(), [this] {
    answer_timer_ = 0;
    CheckAnswers();
  });
}

void Session::CheckAnswers() {
  const bool owed = !end_->ready() || !outstanding_.empty();
  const absl::Duration since = end_->ready() && owed ? outstanding_.front().sent : connected_at_;
  if (owed && loop_->Now() >= since + kAnswerPatience) {
    Lose(absl::DeadlineExceededError("the data plane does not answer"));
    return;
  }
  ExpectAnswers();
}

void Session::OnDoorbell() {
  channel::Response responses[64];
  const absl::Duration end = loop_->Now() + EventLoop::kTurn;
  for (;;) {
    if (loop_->Now() >= end) {
      PumpSoon();  // looks for more answers first
      break;
    }
    const auto got = end_->PollResponses(absl::MakeSpan(responses));
    if (!got.ok()) {
      Lose(got.status());
      return;
    }
    if (*got == 0) break;
    for (size_t i = 0; i < *got; ++i) OnResponse(responses[i]);
    if (end_ == nullptr) return;  // a callback may have ended it
  }
  Pump();
}

void Session::OnResponse(const channel::Response& response) {
  if (outstanding_.empty()) return;  // PollResponses() has checked that one is owed
  const Outstanding request = outstanding_.front();
  outstanding_.pop_front();
  if (request.arena_slot >= 0) {
    free_arena_slots_.push_back(static_cast<uint32_t>(request.arena_slot));
  }
  reported_generation_ = response.generation;
  const bool commit = request.type == channel::MessageType::kCommit;
  if (commit || request.type == channel::MessageType::kReadCounters) {
    response_times_[commit ? "commit" : "counters"].Add(
        absl::ToDoubleSeconds(loop_->Now() - request.sent));
  }
  if (request.type == channel::MessageType::kReadCounters) {
    FinishCounters();
    return;
  }
  if (request.type == channel::MessageType::kAwaitCommit) {
    OnAwaited(response);
    return;
  }
  if (request.type == channel::MessageType::kLookupFlow) {
    flow_lookups_.Answered(response, end_->ReadFlowLookup());
    return;
  }
  if (commit) {
    // By a clock that both have; what cannot be is not believed.
    const auto told = absl::Nanoseconds(static_cast<int64_t>(response.value));
    in_force_at_ = std::clamp(told, request.sent, std::max(request.sent, loop_->Now()));
  }
  transaction_->Answered(response);
  if (transaction_->finished()) FinishTransaction();
}

void Session::OnCommitted(const Transaction& transaction, uint64_t ticket) {
  in_force_ = {transaction.tables(), welcome_.instance, transaction.generation()};
  reported_generation_ = transaction.generation();
  force_full_ = false;
  problem_.clear();
  VLOG(1) << "generation " << transaction.generation() << " in force, " << transaction.sent_count()
          << " messages";
  Report(ticket, absl::OkStatus(), in_force_at_);
}

void Session::FinishTransaction() {
  std::unique_ptr<Transaction> finished = std::move(transaction_);
  if (finished->committed() && finished->not_taken()) {
    Await(std::move(finished));
    return;
  }
  if (finished->committed()) {
    OnCommitted(*finished, transaction_ticket_);
    return;
  }
  if (finished->refusal_code() == channel::ResponseCode::kNotTaken) {
    if (wanted_ == nullptr) {
      wanted_ = finished->tables();
      wanted_ticket_ = transaction_ticket_;
    }
    Await(nullptr);
    return;
  }
  problem_ = absl::StrCat("tables refused: ", finished->refusal());
  LOG(ERROR) << "data plane: " << problem_;
  last_generation_ = std::max(last_generation_, reported_generation_);
  // Somebody else has changed the tables: what they are is unknown, so send everything, once.
  const bool out_of_step = finished->refusal_code() == channel::ResponseCode::kStaleBase ||
                           finished->refusal_code() == channel::ResponseCode::kStaleGeneration;
  const bool again = out_of_step && !finished->full();
  if (again && wanted_ == nullptr) {
    wanted_ = finished->tables();
    wanted_ticket_ = transaction_ticket_;
  }
  if (out_of_step) force_full_ = true;
  if (again) return;
  Report(transaction_ticket_, finished->refusal_code() == channel::ResponseCode::kNoMemory
                                  ? absl::ResourceExhaustedError(problem_)
                                  : absl::FailedPreconditionError(problem_));
}

void Session::Report(uint64_t ticket, const absl::Status& outcome, absl::Duration in_force_at) {
  if (on_outcome_) on_outcome_(ticket, outcome, in_force_at);
}

void Session::Lose(const absl::Status& why) {
  const std::string text(why.message());
  if (problem_ != text) LOG(WARNING) << "data plane: " << text;
  problem_ = text;
  const bool was_ready = ready();
  if (end_ != nullptr) {
    loop_->Unwatch(end_->socket_fd());
    if (end_->ready()) loop_->Unwatch(end_->doorbell_fd());
  }
  end_.reset();
  loop_->Cancel(answer_timer_);
  answer_timer_ = 0;
  loop_->Cancel(ask_timer_);
  ask_timer_ = 0;
  ask_now_ = false;
  pulse_.OnLost(absl::IsDeadlineExceeded(why));
  outstanding_.clear();
  counters_asked_ = false;
  if (awaited_ && awaited_->transaction) {
    transaction_ = std::move(awaited_->transaction);
    transaction_ticket_ = awaited_->ticket;
  }
  awaited_.reset();
  if (transaction_) {
    if (transaction_->commit_sent()) {
      attempted_ = {transaction_->tables(), welcome_.instance, transaction_->generation()};
    }
    if (wanted_ == nullptr) {
      wanted_ = transaction_->tables();
      wanted_ticket_ = transaction_ticket_;
    }
    transaction_.reset();
    // These tables can never be sent.
    if (absl::IsFailedPrecondition(why)) Report(transaction_ticket_, why);
  }
  retry_timer_ = loop_->After(backoff_, [this] { Connect(); });
  backoff_ = std::min(backoff_ * 2, kLongestRetry);
  FailCounters(absl::UnavailableError(absl::StrCat("data plane: ", text)));
  flow_lookups_.FailAll(absl::UnavailableError(absl::StrCat("data plane: ", text)));
  if (was_ready && on_lost_) on_lost_();
}

}  // namespace guideway
