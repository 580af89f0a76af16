// A run of the tool sees what has become of what it set up, and touches nothing of other tools.
#include "dataplane/decap/watch.h"

#include "absl/strings/str_join.h"
#include "dataplane/decap/checks.h"
#include "dataplane/decap/tc_filter.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/dataplane/other_tool.h"
#include "tests/unit/decap/decap_bench.h"

namespace guideway {
namespace {

using Catch::Matchers::Contains;

constexpr char kMake[] =
    "ip link add w0 type veth peer name w1 && ip link set w0 up && ip link set w1 up && "
    "ip addr add 10.9.0.1/24 dev w0";

constexpr char kMakeAnother[] =
    "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up";

// Older kernels rename only what is switched off.
void Rename(const std::string& from, const std::string& to) {
  Shell(absl::StrCat("ip link set ", from, " down && ip link set ", from, " name ", to,
                     " && ip link set ", to, " up"));
}

// A veth pair w0, w1, made anew for each case, and a VIP on lo.
class Host {
 public:
  Host() {
    DecapBench::Get();
    Shell(kMake);
    Shell("ip addr add 203.0.113.1/32 dev lo");
    Shell(
        "sysctl -qw net/ipv4/conf/w0/arp_ignore=1 net/ipv4/conf/w0/arp_announce=2 "
        "net/ipv4/conf/w0/rp_filter=0 net/ipv4/conf/all/rp_filter=0");
  }
  ~Host() {
    std::system(
        "for i in w0 w9 v0 v9; do ip link del $i 2>/dev/null; done; ip addr del 203.0.113.1/32 dev "
        "lo; "
        "ip addr del 203.0.113.2/32 dev lo 2>/dev/null");
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
};

DecapOptions Options(const std::string& mode = "auto") {
  static const TemporaryDirectory locks;
  DecapOptions options;
  options.lock_directory = locks.path();
  options.interface = "w0";
  options.from = {"10.9.0.0/24"};
  options.mode = mode;
  return options;
}

std::unique_ptr<DecapWatch> Started(const DecapOptions& options) {
  auto watch = DecapWatch::Start(options);
  INFO(watch.status());
  REQUIRE(watch.ok());
  return std::move(watch).value();
}

// What a look says.
std::string Look(DecapWatch* watch) {
  const auto lines = watch->Look();
  return lines.ok() ? absl::StrJoin(*lines, "\n")
                    : "error: " + std::string(lines.status().message());
}

std::vector<std::string> Wrong() {
  std::vector<std::string> problems;
  const auto findings = Check({.interface = "w0", .vips = VipsOf(Options()).value()});
  REQUIRE(findings.ok());
  for (const Finding& finding : *findings) problems.push_back(finding.problem);
  return problems;
}

TEST_CASE("programs that were taken off are attached again") {
  const Host host;
  const std::string mode = GENERATE("native", "generic");
  const auto watch = Started(Options(mode));
  Look(watch.get());
  CHECK(Look(watch.get()).empty());
  CHECK(OnInterface("w0") == "guideway_decap/" + mode);
  Shell(mode == "native" ? "ip link set w0 xdpdrv off" : "ip link set w0 xdpgeneric off");
  CHECK_THAT(absl::StrJoin(Wrong(), "\n"), Contains("not attached"));
  CHECK(Look(watch.get()) == "w0 had lost the XDP program: attached again");
  CHECK(OnInterface("w0") == "guideway_decap/" + mode);
  Shell("tc qdisc del dev w0 clsact");
  CHECK_THAT(absl::StrJoin(Wrong(), "\n"), Contains("tc program is not attached"));
  CHECK(Look(watch.get()) == "w0 had lost the tc program: attached again");
  CHECK(ReadAttachedState("w0")->tc);
  CHECK(Look(watch.get()).empty());
  CHECK(watch->Detach().ok());
  CHECK(OnInterface("w0").empty());
  CHECK(OwnTcFilter(Named("w0")).value() == 0);
}

TEST_CASE("an interface that was made anew gets its programs again") {
  const Host host;
  const auto watch = Started(Options());
  Shell("ip link del w0");
  CHECK_THAT(Look(watch.get()), Contains("no such network interface"));
  Shell(kMake);
  CHECK_THAT(Look(watch.get()), Contains("w0 was made anew: attached again"));
  CHECK(OnInterface("w0") == "guideway_decap/native");
  CHECK(ReadAttachedState("w0")->tc);
  CHECK_THAT(Look(watch.get()), !Contains("anew"));
}

TEST_CASE("the next hops' interface that was made anew") {
  const Host host;
  Shell(kMakeAnother);
  DecapOptions options = Options();
  options.next_hop_interface = "v0";
  const auto watch = Started(options);
  Shell("ip link del v0");
  // The tunnels' own packets are served without it.
  CHECK_THAT(Look(watch.get()), Contains("wrong: --next-hop-interface v0 is gone") &&
                                    !Contains("error") && !Contains("attached"));
  CHECK(Look(watch.get()).empty());
  CHECK(OnInterface("w0") == "guideway_decap/native");
  Shell(kMakeAnother);
  CHECK_THAT(Look(watch.get()), Contains("v0 was made anew: attached again") &&
                                    Contains("no longer wrong: --next-hop-interface v0 is gone"));
  Rename("v0", "v9");
  CHECK_THAT(Look(watch.get()),
             Contains("wrong: --next-hop-interface v0 is called v9 now") && !Contains("anew"));
}

TEST_CASE("a start without the next hops' interface is refused") {
  const Host host;
  DecapOptions options = Options();
  options.next_hop_interface = "v0";
  CHECK(absl::IsInvalidArgument(DecapWatch::Start(options).status()));
}

TEST_CASE("an interface that is called otherwise is served and looked after") {
  const Host host;
  const auto watch = Started(Options());
  Look(watch.get());
  Rename("w0", "w9");
  CHECK(Look(watch.get()) ==
        "wrong: --interface w0 is called w9 now: it is served, but a restart would not find it; "
        "mend: guideway-decap run --interface w9");
  CHECK(OnInterface("w9") == "guideway_decap/native");
  Shell("ip link set w9 xdpdrv off && ip addr add 203.0.113.2/32 dev lo");
  CHECK(Look(watch.get()) == "VIP 203.0.113.2 added\nw9 had lost the XDP program: attached again");
  DecapOptions second = Options();
  second.interface = "w9";
  CHECK(absl::IsFailedPrecondition(DecapWatch::Start(second).status()));
  Rename("w9", "w0");
  CHECK_THAT(Look(watch.get()), Contains("no longer wrong: --interface w0 is called w9 now"));
  Rename("w0", "w9");
  CHECK(watch->Detach().ok());
  CHECK(OnInterface("w9").empty());
  CHECK(OwnTcFilter(Named("w9")).value() == 0);
}

TEST_CASE("another interface has the name now") {
  const Host host;
  Shell(kMakeAnother);
  const auto watch = Started(Options());
  Look(watch.get());
  Rename("w0", "w9");
  Rename("v0", "w0");
  CHECK_THAT(Look(watch.get()), Contains("w0 was made anew: attached again"));
  CHECK(OnInterface("w9").empty());
  CHECK(OwnTcFilter(Named("w9")).value() == 0);
  CHECK(OnInterface("w0") == "guideway_decap/native");
  CHECK(ReadAttachedState("w0")->tc);
  CHECK(watch->Detach().ok());
  CHECK(OnInterface("w0").empty());
}

TEST_CASE("addresses and VIPs that come later are adopted, and those that go are given up") {
  const Host host;
  const auto watch = Started(Options());
  Look(watch.get());
  const IpAddress vip = IpAddress::Parse("203.0.113.2").value();
  const IpAddress local = IpAddress::Parse("10.9.0.2").value();
  Shell("ip addr add 203.0.113.2/32 dev lo && ip addr add 10.9.0.2/24 dev w0");
  CHECK_THAT(absl::StrJoin(Wrong(), "\n"), Contains("do not know VIP 203.0.113.2"));
  CHECK_THAT(absl::StrJoin(Wrong(), "\n"), Contains("do not know this host's address 10.9.0.2"));
  CHECK(Look(watch.get()) == "VIP 203.0.113.2 added\naddress 10.9.0.2 added");
  CHECK(ReadAttachedState("w0")->vips.contains(vip));
  CHECK(ReadAttachedState("w0")->locals.contains(local));
  CHECK(Wrong().empty());
  Shell("ip addr del 203.0.113.2/32 dev lo && ip addr del 10.9.0.2/24 dev w0");
  CHECK(Look(watch.get()) == "VIP 203.0.113.2 removed\naddress 10.9.0.2 removed");
  CHECK_FALSE(ReadAttachedState("w0")->vips.contains(vip));
  CHECK_FALSE(ReadAttachedState("w0")->locals.contains(local));
}

TEST_CASE("addresses that were given are not looked up") {
  const Host host;
  DecapOptions options = Options();
  options.vips = {"203.0.113.1"};
  options.locals = {"10.9.0.1"};
  const auto watch = Started(options);
  Look(watch.get());
  Shell("ip addr add 203.0.113.2/32 dev lo && ip addr add 10.9.0.2/24 dev w0");
  CHECK(Look(watch.get()).empty());
  CHECK(Wrong().empty());  // lo may have addresses that are no VIPs
  CHECK(ReadAttachedState("w0")->vips.size() == 1);
  Shell("ip addr del 10.9.0.1/24 dev w0");
  CHECK_THAT(absl::StrJoin(Wrong(), "\n"), Contains("nothing is decapsulated"));
  CHECK_THAT(Look(watch.get()), Contains("wrong: no address that tunnels may end at"));
}

TEST_CASE("what is wrong on the host is said once, and when it is over") {
  const Host host;
  const auto watch = Started(Options());
  Look(watch.get());
  Shell("sysctl -qw net/ipv4/conf/w0/arp_ignore=0");
  CHECK_THAT(Look(watch.get()), Contains("wrong: arp_ignore is 0") && Contains("mend: sysctl"));
  CHECK(Look(watch.get()).empty());
  Shell("sysctl -qw net/ipv4/conf/w0/arp_ignore=1");
  CHECK_THAT(Look(watch.get()), Contains("no longer wrong: arp_ignore is 0"));
  Shell("ip link set w0 down");
  CHECK_THAT(Look(watch.get()), Contains("wrong: w0 is down"));
}

TEST_CASE("another tool's XDP program is refused, and nothing of ours is left") {
  const Host host;
  const uint32_t flag = GENERATE(uint32_t{XDP_FLAGS_DRV_MODE}, uint32_t{XDP_FLAGS_SKB_MODE});
  const std::string mode = GENERATE("auto", "native", "generic");
  const UniqueFd other = AttachOther("w0", "other_tool", flag);
  const std::string before = OnInterface("w0");
  const auto refused = DecapWatch::Start(Options(mode));
  CHECK(absl::IsAlreadyExists(refused.status()));
  CHECK_THAT(std::string(refused.status().message()), Contains("'other_tool' (id "));
  CHECK(OnInterface("w0") == before);
  CHECK(OwnTcFilter(Named("w0")).value() == 0);
  CHECK(absl::IsNotFound(DetachDecap(Named("w0"))));
  CHECK_THAT(absl::StrJoin(Wrong(), "\n"), Contains("not attached") && Contains("other_tool"));
  CHECK(OnInterface("w0") == before);
}

TEST_CASE("another tool's XDP program takes our place") {
  const Host host;
  const auto watch = Started(Options());
  const UniqueFd other = AttachOther("w0", "other_tool", XDP_FLAGS_DRV_MODE);
  CHECK(absl::IsAlreadyExists(watch->Look().status()));
  CHECK(watch->Detach().ok());
  CHECK(OnInterface("w0") == "other_tool/native");
  CHECK(OwnTcFilter(Named("w0")).value() == 0);
}

TEST_CASE("another tool's tc program is refused, and stays") {
  const Host host;
  const UniqueFd other = OtherProgram("other_filter", BPF_PROG_TYPE_SCHED_CLS);
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = Named("w0").index, .attach_point = BPF_TC_INGRESS);
  REQUIRE(bpf_tc_hook_create(&hook) == 0);
  LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = other.get(), .handle = 1, .priority = 6080);
  REQUIRE(bpf_tc_attach(&hook, &filter) == 0);
  const auto refused = DecapWatch::Start(Options());
  CHECK(absl::IsAlreadyExists(refused.status()));
  CHECK_THAT(std::string(refused.status().message()), Contains("tc program 'other_filter' (id "));
  CHECK(OnInterface("w0").empty());
  CHECK(absl::IsNotFound(DetachDecap(Named("w0"))));
  CHECK(absl::IsAlreadyExists(OwnTcFilter(Named("w0")).status()));
}

TEST_CASE("what a killed run left is replaced, in whatever mode it is") {
  const Host host;
  const std::string first = GENERATE("native", "generic");
  const std::string second = GENERATE("auto", "native", "generic");
  { const auto killed = Started(Options(first)); }  // does not detach
  CHECK(OnInterface("w0") == "guideway_decap/" + first);
  const auto watch = Started(Options(second));
  CHECK(OnInterface("w0") == "guideway_decap/" + (second == "auto" ? "native" : second));
  CHECK(watch->Detach().ok());
  CHECK(OnInterface("w0").empty());
  CHECK(OwnTcFilter(Named("w0")).value() == 0);
}

TEST_CASE("auto is generic where the driver refuses the MTU") {
  const Host host;
  Shell("ip link set w0 mtu 9000 && ip link set w1 mtu 9000");
  const auto refused = DecapWatch::Start(Options("native"));
  REQUIRE_FALSE(refused.ok());
  CHECK(OwnTcFilter(Named("w0")).value() == 0);  // nothing is left of the start that failed
  const auto watch = Started(Options());
  CHECK(OnInterface("w0") == "guideway_decap/generic");
  CHECK(watch->Detach().ok());
  CHECK(OnInterface("w0").empty());
}

TEST_CASE("one run at a time works on an interface") {
  const Host host;
  const auto watch = Started(Options());
  const auto second = DecapWatch::Start(Options());
  CHECK(second.status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK_THAT(std::string(second.status().message()),
             Contains("another guideway-decap is at work on w0 (process " +
                      std::to_string(getpid()) + ")"));
  CHECK(Look(watch.get()).find("lost") == std::string::npos);
}

}  // namespace
}  // namespace guideway
