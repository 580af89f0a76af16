// See flow_lookups.h.
#include "controlplane/session/flow_lookups.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/session/transaction.h"

namespace guideway {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(1);

}  // namespace

FlowLookups::~FlowLookups() {
  for (const Waiter& waiter : waiting_) loop_->Cancel(waiter.timer);
}

void FlowLookups::Add(const FlowKey& flow, Done done) {
  const uint64_t id = next_id_++;
  const auto timer = loop_->After(kPatience, [this, id] { GiveUp(id); });
  waiting_.push_back({id, flow, std::move(done), timer});
}

std::optional<channel::Request> FlowLookups::Next() const {
  if (asked_ != 0 || waiting_.empty()) return std::nullopt;
  const FlowKey& flow = waiting_.front().flow;
  channel::Request request;
  request.type = channel::MessageType::kLookupFlow;
  request.body.lookup_flow = {.source = flow.source,
                              .destination = flow.destination,
                              .source_port = flow.source_port,
                              .destination_port = flow.destination_port,
                              .protocol = static_cast<uint8_t>(flow.protocol)};
  return request;
}

void FlowLookups::Sent() { asked_ = waiting_.front().id; }

void FlowLookups::Answered(const channel::Response& response, const channel::FlowLookup& lookup) {
  const uint64_t id = std::exchange(asked_, 0);
  if (waiting_.empty() || waiting_.front().id != id) return;  // it has given up
  const Waiter waiter = std::move(waiting_.front());
  waiting_.pop_front();
  loop_->Cancel(waiter.timer);
  if (response.code == channel::ResponseCode::kOk) {
    waiter.done(lookup);
  } else {
    waiter.done(absl::FailedPreconditionError(absl::StrCat("data plane: ", Describe(response))));
  }
}

void FlowLookups::FailAll(const absl::Status& why) {
  asked_ = 0;
  std::deque<Waiter> waiting;
  waiting.swap(waiting_);
  for (const Waiter& waiter : waiting) {
    loop_->Cancel(waiter.timer);
    waiter.done(why);
  }
}

void FlowLookups::GiveUp(uint64_t id) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [id](const Waiter& waiter) { return waiter.id == id; });
  if (found == waiting_.end()) return;
  const Done late = std::move(found->done);
  waiting_.erase(found);
  late(absl::DeadlineExceededError("data plane: no answer within 1 s"));
}

}  // namespace guideway
