// Bookkeeping of one transaction.
#include "controlplane/session/transaction.h"

#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace guideway {

using channel::MessageType;
using channel::ResponseCode;

Transaction::Transaction(std::shared_ptr<const Tables> from, std::shared_ptr<const Tables> to,
                         uint64_t base_generation, uint64_t generation)
    : from_(std::move(from)),
      to_(std::move(to)),
      generation_(generation),
      difference_(from_.get(), to_.get()) {
  TableChange begin;
  begin.request.type = MessageType::kBegin;
  begin.request.body.begin.base_generation = base_generation;
  begin.request.body.begin.full = full() ? 1 : 0;
  to_send_.push_back(std::move(begin));
  abort_.request.type = MessageType::kAbort;
}

// Looks at a small part of the tables.
void Transaction::MakeSome() {
  if (difference_.Step(&to_send_)) return;
  all_are_made_ = true;
  TableChange commit;
  commit.request.type = MessageType::kCommit;
  commit.request.body.commit.generation = generation_;
  to_send_.push_back(std::move(commit));
}

// kBegin is not sent before it is known that something follows it.
const TableChange* Transaction::Next() {
  if (!refusal_.empty()) return abort_sent_ ? nullptr : &abort_;
  if (to_send_.size() < 2 && !all_are_made_) MakeSome();
  const bool known = to_send_.size() >= 2 || all_are_made_;
  return known && !to_send_.empty() ? &to_send_.front() : nullptr;
}

void Transaction::Sent() {
  ++sent_;
  if (!refusal_.empty()) {
    abort_sent_ = true;
    unanswered_.push_back(MessageType::kAbort);
    return;
  }
  unanswered_.push_back(to_send_.front().request.type);
  to_send_.pop_front();
}

void Transaction::Answered(const channel::Response& response) {
  const MessageType type = unanswered_.front();
  unanswered_.pop_front();
  if (!refusal_.empty()) {
    // A commit that was already out when an earlier message turned out to be refused: refused too.
    return;
  }
  not_taken_ = type == MessageType::kCommit && response.code == ResponseCode::kNotTaken;
  if (response.code != ResponseCode::kOk && !not_taken_) {
    refusal_ = absl::StrCat(NameOf(type), " refused: ", Describe(response));
    refusal_code_ = response.code;
    return;
  }
  committed_ = type == MessageType::kCommit;
}

bool Transaction::finished() const {
  if (refusal_.empty()) return commit_sent() && unanswered_.empty();
  return abort_sent_ && unanswered_.empty();
}

bool Transaction::commit_sent() const { return all_are_made_ && to_send_.empty(); }

std::string NameOf(MessageType type) {
  switch (type) {
    case MessageType::kNone:
      return "kNone";
    case MessageType::kBegin:
      return "kBegin";
    case MessageType::kSetGlobals:
      return "kSetGlobals";
    case MessageType::kSetVip:
      return "kSetVip";
    case MessageType::kDeleteVip:
      return "kDeleteVip";
    case MessageType::kSetPool:
      return "kSetPool";
    case MessageType::kDeletePool:
      return "kDeletePool";
    case MessageType::kSetBackend:
      return "kSetBackend";
    case MessageType::kDeleteBackend:
      return "kDeleteBackend";
    case MessageType::kSetNextHop:
      return "kSetNextHop";
    case MessageType::kDeleteNextHop:
      return "kDeleteNextHop";
    case MessageType::kCommit:
      return "kCommit";
    case MessageType::kAbort:
      return "kAbort";
    case MessageType::kReadCounters:
      return "kReadCounters";
    case MessageType::kSetQuicLb:
      return "kSetQuicLb";
    case MessageType::kDeleteQuicLb:
      return "kDeleteQuicLb";
    case MessageType::kLookupFlow:
      return "kLookupFlow";
    case MessageType::kAwaitCommit:
      return "kAwaitCommit";
  }
  return absl::StrCat("message type ", static_cast<uint32_t>(type));
}

std::string Describe(const channel::Response& response) {
  const auto why = [&]() -> std::string {
    switch (response.code) {
      case ResponseCode::kOk:
        return "accepted";
      case ResponseCode::kUnknownType:
        return "unknown message type";
      case ResponseCode::kOutsideTransaction:
        return "outside a transaction";
      case ResponseCode::kInsideTransaction:
        return "inside a transaction";
      case ResponseCode::kStaleBase:
        return "not the generation in force";
      case ResponseCode::kStaleGeneration:
        return "not above the generation in force";
      case ResponseCode::kOutOfRange:
        return "out of range";
      case ResponseCode::kUnresolvedReference:
        return "refers to what does not exist";
      case ResponseCode::kDuplicate:
        return "there twice";
      case ResponseCode::kNoMemory:
        return "out of memory";
      case ResponseCode::kTransactionBroken:
        return "an earlier message was refused";
      case ResponseCode::kNotTaken:
        return "has not taken the tables before";
    }
    return absl::StrCat("response code ", static_cast<uint32_t>(response.code));
  }();
  std::string field(response.field, strnlen(response.field, sizeof(response.field)));
  for (char& c : field) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  if (field.empty()) return why;
  return absl::StrCat(field, " = ", response.value, ": ", why);
}

}  // namespace guideway
