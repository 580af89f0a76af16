// The real WatchServer with a made-up control plane, for the browser test. Prints its port, ends
// when its input does. With --metrics prints /metrics of the sample and ends.
#include <sys/epoll.h>
#include <unistd.h>

#include <cstring>
#include <iostream>

#include "controlplane/metrics/families.h"
#include "controlplane/metrics/watch_server.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace guideway {
namespace {

constexpr uint64_t kPacketsPerSecond = 1'250'000;

// Counters that grow at a known rate.
WatchHooks SampleHooks(EventLoop* loop) {
  const auto grown = [loop] {
    return static_cast<uint64_t>(absl::ToDoubleSeconds(loop->Now()) * kPacketsPerSecond);
  };
  WatchHooks hooks;
  hooks.read_totals = [grown](auto done) {
    v1::GetStatsResponse stats = SampleSnapshot().stats;
    stats.mutable_counters(0)->set_value(grown());
    done(stats);
  };
  hooks.fill_state_part = [grown](int, StateCursor*, v1::GetStateResponse* state) {
    *state = *SampleSnapshot().state;
    SetTraffic(grown(), state->mutable_vips(0)->mutable_traffic());
    SetTraffic(grown(), state->mutable_pools(0)->mutable_backends(0)->mutable_traffic());
    return true;
  };
  hooks.fill_status = [](v1::GetStatusResponse* status) { *status = SampleSnapshot().status; };
  hooks.fill_observations = [](Observations*) {};
  return hooks;
}

int Serve() {
  EventLoop loop;
  WatchServer server(&loop, *HttpAddress::Parse("127.0.0.1:0"), SampleHooks(&loop));
  std::cout << server.port() << std::endl;
  loop.Watch(STDIN_FILENO, EPOLLIN | EPOLLHUP, [&](uint32_t) { loop.Stop(); });
  loop.Run();
  return 0;
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "--metrics") == 0) {
    std::cout << guideway::MetricsText(guideway::SampleSnapshot());
    return 0;
  }
  return guideway::Serve();
}
