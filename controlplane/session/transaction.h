// One transaction with the data plane: which message to send next, and what its answers came to.
//
// No I/O: the session takes messages while there is room and reports the responses. Thread safety:
// one thread.
#ifndef GUIDEWAY_CONTROLPLANE_SESSION_TRANSACTION_H_
#define GUIDEWAY_CONTROLPLANE_SESSION_TRANSACTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/compiler/tables.h"
#include "lib/channel/messages.h"

namespace guideway {

class Transaction {
 public:
  // From the tables of `base_generation` to `to`; `from` null: a full one.
  Transaction(const Tables* from, std::shared_ptr<const Tables> to, uint64_t base_generation,
              uint64_t generation);

  // The message to send next, null if all are sent. After a refusal the rest is skipped and the
  // transaction ends with kAbort.
  const TableChange* Next() const;
  void Sent() { ++sent_; }
  // The response to the oldest unanswered message.
  void Answered(const channel::Response& response);

  bool finished() const;  // everything is answered
  bool committed() const { return committed_; }
  // Committed, but some worker still uses the tables before.
  bool not_taken() const { return not_taken_; }
  bool commit_sent() const;  // its outcome may be unknown if the connection breaks
  bool full() const { return full_; }
  // Empty unless refused: "kSetVip refused: port = 7 is out of range".
  const std::string& refusal() const { return refusal_; }
  channel::ResponseCode refusal_code() const { return refusal_code_; }
  uint64_t generation() const { return generation_; }
  const std::shared_ptr<const Tables>& tables() const { return to_; }
  size_t message_count() const { return messages_.size(); }

 private:
  bool full_;
  std::shared_ptr<const Tables> to_;
  uint64_t generation_;
  std::vector<TableChange> messages_;  // kBegin, changes, kCommit
  TableChange abort_;
  size_t sent_ = 0;
  size_t answered_ = 0;
  // After a refusal: how many messages were out by then; the next one is kAbort.
  size_t sent_at_refusal_ = 0;
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
