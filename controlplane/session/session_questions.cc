// What a session asks beside transactions: counters, flows, and whether all workers have taken the
// tables; and what it reads of the data plane's ports.
#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/session/session.h"
#include "glog/logging.h"

namespace guideway {
namespace {

constexpr absl::Duration kCountersPatience = absl::Seconds(1);
// How often a data plane is asked whether all workers use their tables, longer each time.
constexpr absl::Duration kFirstAsk = absl::Milliseconds(2);
constexpr absl::Duration kLongestAsk = absl::Milliseconds(100);
constexpr char kNoInterface[sizeof(channel::PortInfo::kernel_interface)] = {};

template <size_t kBytes>
bool Adopt(const char (&from)[kBytes], char (*to)[kBytes]) {
  if (std::strncmp(from, *to, kBytes) == 0) return false;
  std::memcpy(*to, from, kBytes);
  return true;
}

}  // namespace

uint64_t Session::generation() const {
  if (!ready()) return 0;
  if (!awaited_ || (!awaited_->transaction && !awaited_->worker)) return reported_generation_;
  return awaited_->transaction ? in_force_.generation : 0;
}

std::string Session::DelayReason() const {
  if (!awaited_ || !awaited_->worker) return "";
  return absl::StrCat("worker ", *awaited_->worker, " of the data plane has not taken generation ",
                      reported_generation_);
}

absl::Duration Session::DelayTime() const {
  return awaited_ && awaited_->worker ? loop_->Now() - awaited_->since : absl::ZeroDuration();
}

void Session::OnLook() {
  bool changed = false;
  for (uint32_t i = 0; i < welcome_.port_count; ++i) {
    const channel::PortVitals& now = pulse_.vitals().ports[i];
    channel::PortInfo& port = welcome_.ports[i];
    if (now.mtu_bytes == 0) continue;  // nothing is said
    // What has a gone interface's name now is another one, by which nothing can be sent.
    const bool gone = (now.faults & static_cast<uint32_t>(channel::PortFault::kGone)) != 0;
    changed = Adopt(gone ? kNoInterface : now.kernel_interface, &port.kernel_interface) || changed;
    if (now.mtu_bytes == port.mtu_bytes && now.mac == port.mac) continue;
    port.mtu_bytes = now.mtu_bytes;
    port.mac = now.mac;
    changed = true;
  }
  if (changed && on_ports_) on_ports_();
}

// Nothing new is sent until all workers use what the data plane has.
void Session::Await(std::unique_ptr<Transaction> transaction) {
  awaited_ = Awaited{.transaction = std::move(transaction),
                     .ticket = transaction_ticket_,
                     .since = loop_->Now(),
                     .pause = kFirstAsk,
                     .worker = std::nullopt};
  ask_now_ = true;
}

void Session::AskSoon() {
  ask_timer_ = loop_->After(awaited_->pause, [this] {
    ask_timer_ = 0;
    ask_now_ = true;
    Pump();
  });
  awaited_->pause = std::min(awaited_->pause * 2, kLongestAsk);
}

void Session::OnAwaited(const channel::Response& response) {
  if (!awaited_) return;
  if (response.code == channel::ResponseCode::kNotTaken) {
    if (!awaited_->worker) VLOG(1) << "worker " << response.value << " is late";
    awaited_->worker = response.value;
    AskSoon();
    return;
  }
  const Awaited over = std::move(*awaited_);
  awaited_.reset();
  if (over.transaction == nullptr) return;
  const auto told = absl::Nanoseconds(static_cast<int64_t>(response.value));
  in_force_at_ = std::clamp(told, over.since, std::max(over.since, loop_->Now()));
  OnCommitted(*over.transaction, over.ticket);
}

void Session::ReadCounters(CountersDone done) {
  if (!ready()) {
    done(absl::UnavailableError(absl::StrCat("data plane: ", problem_)));
    return;
  }
  const uint64_t id = next_waiter_id_++;
  const auto timer = loop_->After(kCountersPatience, [this, id] {
    const auto found = std::find_if(counters_waiting_.begin(), counters_waiting_.end(),
                                    [id](const CountersWaiter& w) { return w.id == id; });
    if (found == counters_waiting_.end()) return;
    const CountersDone late = std::move(found->done);
    counters_waiting_.erase(found);
    late(absl::DeadlineExceededError("data plane: no counters within 1 s"));
  });
  counters_waiting_.push_back({std::move(done), timer, id});
  Pump();
}

void Session::LookupFlow(const FlowKey& flow, FlowLookups::Done done) {
  if (!ready()) {
    done(absl::UnavailableError(absl::StrCat("data plane: ", problem_)));
    return;
  }
  flow_lookups_.Add(flow, std::move(done));
  Pump();
}

void Session::FinishCounters() {
  counters_asked_ = false;
  const std::shared_ptr<channel::CountersRegion> counters = SpareCounters();
  end_->ReadCounters(counters.get());
  std::vector<CountersWaiter> waiting;
  waiting.swap(counters_waiting_);
  for (CountersWaiter& waiter : waiting) {
    loop_->Cancel(waiter.timer);
    waiter.done(counters);
  }
}

// Megabytes: new memory each second would cost the kernel more than the copy.
std::shared_ptr<channel::CountersRegion> Session::SpareCounters() {
  for (const auto& spare : counters_memory_) {
    if (spare.use_count() == 1) return spare;
  }
  return std::make_shared<channel::CountersRegion>();  // somebody keeps old ones
}

void Session::FailCounters(const absl::Status& why) {
  std::vector<CountersWaiter> waiting;
  waiting.swap(counters_waiting_);
  for (CountersWaiter& waiter : waiting) {
    loop_->Cancel(waiter.timer);
    waiter.done(why);
  }
}

}  // namespace guideway
