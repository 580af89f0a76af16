// A resolver in a network namespace of its own, linked to another one, for tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_RESOLVER_BENCH_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_RESOLVER_BENCH_H_

#include <linux/neighbour.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "controlplane/resolver/resolver.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {

inline constexpr char kPeerMac[] = "02:00:00:00:0b:01";

inline bool MayMakeNamespaces() {
  bool may = false;
  std::thread([&] { may = unshare(CLONE_NEWNET) == 0; }).join();
  if (!may) std::cerr << "SKIPPED: resolver tests need CAP_SYS_ADMIN for network namespaces\n";
  return may;
}

// Here (the resolver's side) g0 10.1.0.1/24; there b0 10.1.0.2/24, which answers ARP and ND.
class ResolverBench {
 public:
  ResolverBench() {
    there_.On([&] { there_id_ = gettid(); });
    Here("ip link set lo up");
    MakeLink();
    here.On([&] {
      resolver = std::make_unique<Resolver>(here.loop(), [this] { on_change(); });
      REQUIRE(resolver->Start().ToString() == "OK");
    });
  }
  ~ResolverBench() {
    here.On([&] { resolver.reset(); });
  }
  void MakeLink() {
    Here(absl::StrCat("ip link add g0 type veth peer name b0 && ip link set b0 netns ", there_id_));
    There(absl::StrCat("ip link set b0 address ", kPeerMac,
                       " && ip addr add 10.1.0.2/24 dev b0 && ip addr add 10.1.0.3/24 dev b0 && "
                       "ip -6 addr add fd00:1::2/64 dev b0 nodad && ip link set b0 up"));
    Here(
        "ip addr add 10.1.0.1/24 dev g0 && ip -6 addr add fd00:1::1/64 dev g0 nodad && "
        "ip link set g0 mtu 1400 up");
  }
  void Here(const std::string& command) { Run(&here, command); }
  void There(const std::string& command) { Run(&there_, command); }
  // In the resolver's namespace, while its loop goes on.
  void Beside(const std::string& command) {
    pid_t here_id = 0;
    here.On([&] { here_id = gettid(); });
    const std::string enter =
        absl::StrCat("nsenter --net=/proc/", getpid(), "/task/", here_id, "/ns/net sh -c '");
    INFO(command);
    REQUIRE(system((enter + command + "'").c_str()) == 0);
  }

  void Destinations(std::initializer_list<const char*> texts) {
    std::vector<IpAddress> addresses;
    for (const char* text : texts) addresses.push_back(*IpAddress::Parse(text));
    here.On([&] { resolver->SetDestinations(addresses); });
  }
  ResolvedNextHop Hop(const char* text) const {  // loop thread
    const auto found = resolver->next_hops().find(*IpAddress::Parse(text));
    if (found != resolver->next_hops().end()) return found->second;
    ResolvedNextHop none;  // lookups are made in turns
    none.problem = "not looked up yet";
    return none;
  }
  bool AwaitMac(const char* destination, const char* mac, absl::Duration timeout) {
    return here.Await(
        [=, this] {
          const ResolvedNextHop hop = Hop(destination);
          return hop.problem.empty() && hop.destination_mac.ToString() == mac;
        },
        timeout);
  }
  // A MAC address, whether fresh or not. Loop thread.
  bool KernelKnows(const char* address) const {
    return system(absl::StrCat("ip neigh show ", address, " dev g0 | grep -q lladdr").c_str()) == 0;
  }
  bool AwaitProblem(const char* destination, const char* part, absl::Duration timeout) {
    return here.Await(
        [=, this] { return Hop(destination).problem.find(part) != std::string::npos; }, timeout);
  }

  LoopThread here{[] { unshare(CLONE_NEWNET); }};
  std::unique_ptr<Resolver> resolver;
  std::function<void()> on_change = [] {};

 private:
  static void Run(LoopThread* thread, const std::string& command) {
    int result = -1;
    thread->On([&] { result = system(command.c_str()); });  // in the thread's namespace
    INFO(command);
    REQUIRE(result == 0);
  }

  LoopThread there_{[] { unshare(CLONE_NEWNET); }};
  pid_t there_id_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_RESOLVER_BENCH_H_
