// Bookkeeping of one transaction.
#include "controlplane/session/transaction.h"

#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace guideway {

using channel::MessageType;
using channel::ResponseCode;

Transaction::Transaction(const Tables* from, std::shared_ptr<const Tables> to,
                         uint64_t base_generation, uint64_t generation)
    : full_(from == nullptr), to_(std::move(to)), generation_(generation) {
  TableChange begin;
  begin.request.type = MessageType::kBegin;
  begin.request.body.begin.base_generation = base_generation;
  begin.request.body.begin.full = full_ ? 1 : 0;
  messages_.push_back(std::move(begin));
  for (TableChange& change : Difference(from, *to_)) messages_.push_back(std::move(change));
  TableChange commit;
  commit.request.type = MessageType::kCommit;
  commit.request.body.commit.generation = generation_;
  messages_.push_back(std::move(commit));
  abort_.request.type = MessageType::kAbort;
}

const TableChange* Transaction::Next() const {
  if (!refusal_.empty()) return sent_ == sent_at_refusal_ ? &abort_ : nullptr;
  return sent_ < messages_.size() ? &messages_[sent_] : nullptr;
}

void Transaction::Answered(const channel::Response& response) {
  const size_t which = answered_++;
  if (!refusal_.empty()) {
    // A commit that was already out when an earlier message turned out to be refused: refused too.
    return;
  }
  const MessageType type = messages_[which].request.type;
  not_taken_ = type == MessageType::kCommit && response.code == ResponseCode::kNotTaken;
  if (response.code != ResponseCode::kOk && !not_taken_) {
    refusal_ = absl::StrCat(NameOf(type), " refused: ", Describe(response));
    refusal_code_ = response.code;
    sent_at_refusal_ = sent_;
    return;
  }
  committed_ = type == MessageType::kCommit;
}

bool Transaction::finished() const {
  if (refusal_.empty()) return answered_ == messages_.size();
  return sent_ > sent_at_refusal_ && answered_ == sent_;
}

bool Transaction::commit_sent() const { return sent_ >= messages_.size(); }

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
