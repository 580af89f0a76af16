// A data plane's manager without workers, for tests: the real channel end and the real tables on
// the test's event loop. Thread safety: loop thread only.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_FAKE_DATAPLANE_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_FAKE_DATAPLANE_H_

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/event_loop.h"
#include "dataplane/tables/table_draft.h"
#include "lib/channel/dataplane_end.h"

namespace guideway {

class FakeDataplane {
 public:
  FakeDataplane(EventLoop* loop, const std::string& path, channel::Capacities capacities = {})
      : loop_(loop), draft_(&memory_, 1, [this](const TableState&) {
          if (late_worker) draft_.AwaitWorker(*late_worker);
          return absl::OkStatus();
        }) {
    channel::DataplaneEnd::Options options;
    options.socket_path = path;
    options.capacities = capacities;
    options.worker_count = 2;
    channel::PortInfo port;
    strcpy(port.name, "eth1");
    strcpy(port.kernel_interface, "eth1");
    port.mac = *MacAddress::Parse("02:00:00:00:00:01");
    port.mtu_bytes = 1500;
    options.ports.push_back(port);
    auto end = channel::DataplaneEnd::Listen(options);
    end_ = std::move(end).value();
    loop_->Watch(end_->fd(), EPOLLIN, [this](uint32_t) { Work(); });
    BeatOn();
  }
  ~FakeDataplane() {
    loop_->Unwatch(end_->fd());
    loop_->Cancel(beat_timer_);
  }

  // Leaves requests where they are until Resume(), and does not move unless `beats`.
  void Pause(bool beats = true) {
    loop_->Unwatch(end_->fd());
    if (!beats) loop_->Cancel(beat_timer_);
  }
  void Resume() {
    BeatOn();
    loop_->Watch(end_->fd(), EPOLLIN, [this](uint32_t) { Work(); });
  }

  // From the next commit on this worker takes no tables; Settle() says that it has.
  std::optional<uint32_t> late_worker;
  void Settle() {
    late_worker.reset();
    draft_.Settle();
  }
  channel::DataplaneVitals vitals;  // what its board says

  uint64_t generation() const { return draft_.committed().generation; }
  const TableState& tables() const { return draft_.committed(); }
  std::vector<channel::MaglevSlot> Slots(uint32_t pool) const {
    const auto slots = tables().pools.at(pool)->slots();
    return {slots.begin(), slots.end()};
  }
  // Of all requests so far.
  std::vector<channel::MessageType> types;
  uint64_t received_packets = 0;  // what the counters say
  int refuse_commits = 0;         // so many commits fail for lack of memory
  // When the workers came to use a commit's tables, as it is told; unset: the tables do not say.
  std::function<absl::Duration()> in_force_at;
  channel::TrafficValues backends[4];  // what they say of the first backends
  channel::BackendFlowValues backend_flows[4];
  channel::FlowLookup flow_lookup;  // the answer, but for the hash: that is the flow's source port

 private:
  void BeatOn() {
    loop_->Cancel(beat_timer_);
    end_->Beat(vitals);
    beat_timer_ = loop_->After(channel::kBeatInterval, [this] { BeatOn(); });
  }
  void Work() {
    const auto events = end_->HandleEvents();
    if (events.disconnected) draft_.Abort();
    channel::Request requests[32];
    for (;;) {
      const auto got = end_->ReadRequests(absl::MakeSpan(requests));
      if (!got.ok() || *got == 0) return;
      std::vector<channel::Response> responses;
      for (size_t i = 0; i < *got; ++i) {
        types.push_back(requests[i].type);
        if (requests[i].type == channel::MessageType::kReadCounters) {
          end_->counters()->generation = generation();
          end_->counters()->total[Counter::received_packets] = received_packets;
          end_->counters()->total[Counter::to_kernel_packets] = received_packets;
          std::copy(std::begin(backends), std::end(backends), end_->counters()->backends);
          std::copy(std::begin(backend_flows), std::end(backend_flows),
                    end_->counters()->backend_flows);
        }
        if (requests[i].type == channel::MessageType::kLookupFlow) {
          end_->counters()->flow_lookup = flow_lookup;
          end_->counters()->flow_lookup.flow_hash = requests[i].body.lookup_flow.source_port.host();
        }
        if (requests[i].type == channel::MessageType::kCommit && refuse_commits > 0) {
          --refuse_commits;
          channel::Response refusal = {};
          refusal.sequence = requests[i].sequence;
          refusal.generation = generation();
          refusal.code = channel::ResponseCode::kNoMemory;
          responses.push_back(refusal);
          continue;
        }
        responses.push_back(draft_.Apply(requests[i], end_->arena()));
        if (requests[i].type == channel::MessageType::kCommit && in_force_at) {
          responses.back().value = static_cast<uint64_t>(absl::ToInt64Nanoseconds(in_force_at()));
        }
      }
      end_->SetGeneration(generation());
      if (!end_->SendResponses(responses).ok()) return;
    }
  }

  EventLoop* loop_;
  EventLoop::TimerId beat_timer_ = 0;
  HeapTableMemory memory_{size_t{3} << 30};  // the largest configuration fits
  TableDraft draft_;
  std::unique_ptr<channel::DataplaneEnd> end_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_FAKE_DATAPLANE_H_
