// One transaction with the data plane: which message to send next, and what its answers came to.
//
// No I/O: the session takes messages while there is room and reports the responses. Thread safety:
// one thread.
#ifndef GUIDEWAY_CONTROLPLANE_SESSION_TRANSACTION_H_
#define GUIDEWAY_CONTROLPLANE_SESSION_TRANSACTION_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "controlplane/compiler/tables.h"
#include "lib/channel/messages.h"

namespace guideway {

class Transaction {
 public:
  // From the tables of `base_generation` to `to`; `from` null: a full one.
  Transaction(std::shared_ptr<const Tables> from, std::shared_ptr<const Tables> to,
              uint64_t base_generation, uint64_t generation);

  // The message to send next; null: none, or it is not found yet and Next() goes on looking, see
  // IsLooking(). After a refusal the rest is skipped and the transaction ends with kAbort. There
  // may be tens of thousands of messages, so they are made when they are asked for.
  const TableChange* Next();
  bool IsLooking() const { return refusal_.empty() && !all_are_made_; }
  // It is known that nothing differs, so there is nothing to send.
  bool IsEmpty() const { return !full() && sent_ == 0 && all_are_made_ && to_send_.size() == 2; }
  void Sent();
  // The response to the oldest unanswered message.
  void Answered(const channel::Response& response);

  bool finished() const;  // everything is answered
  bool committed() const { return committed_; }
  // Committed, but some worker still uses the tables before.
  bool not_taken() const { return not_taken_; }
  bool commit_sent() const;  // its outcome may be unknown if the connection breaks
  bool full() const { return from_ == nullptr; }
  // Empty unless refused: "kSetVip refused: port = 7 is out of range".
  const std::string& refusal() const { return refusal_; }
  channel::ResponseCode refusal_code() const { return refusal_code_; }
  uint64_t generation() const { return generation_; }
  const std::shared_ptr<const Tables>& tables() const { return to_; }
  size_t sent_count() const { return sent_; }  // messages

 private:
  void MakeSome();

  const std::shared_ptr<const Tables> from_;
  const std::shared_ptr<const Tables> to_;
  const uint64_t generation_;
  TableDifference difference_;
  std::deque<TableChange> to_send_;  // kBegin, changes, kCommit: those made and not sent
  bool all_are_made_ = false;
  std::deque<channel::MessageType> unanswered_;
  TableChange abort_;
  size_t sent_ = 0;
  bool abort_sent_ = false;  // after a refusal
  bool committed_ = false;
  bool not_taken_ = false;
  std::string refusal_;
  channel::ResponseCode refusal_code_ = channel::ResponseCode::kOk;
};

// "kSetVip", for messages.
std::string NameOf(channel::MessageType type);
// "vip.port = 7: out of range"
std::string Describe(const channel::Response& response);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SESSION_TRANSACTION_H_
