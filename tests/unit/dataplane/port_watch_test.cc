// Ports that change while they are served: veth pairs with real AF_XDP sockets, and kernel twins.
// Needs root; the namespaces are the test's own.
#include "dataplane/ports/port_watch.h"

#include <fcntl.h>
#include <rte_dev.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "dataplane/ports/port_watches.h"
#include "tests/unit/dataplane/other_tool.h"
#include "tests/unit/dataplane/start_eal.h"

namespace guideway {
namespace {

using Catch::Matchers::Contains;

// /sys shows the interfaces of the namespace in which it was mounted.
void EnterNamespace() {
  static const bool entered = unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
                              mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                              mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0;
  REQUIRE(entered);
}

rte_mempool* Packets() {
  static int count = 0;
  rte_mempool* mempool = rte_pktmbuf_pool_create(absl::StrCat("watch_pool", ++count).c_str(), 16383,
                                                 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  REQUIRE(mempool != nullptr);
  return mempool;
}

// One worker, and the AF_XDP ports p0 and q0, the ends of two veth pairs.
class TwoPorts {
 public:
  TwoPorts() {
    EnterNamespace();
    StartEal(256);
    mempool_ = Packets();
    Make("p");
    Make("q");
    Open("p0");
    Open("q0");
    watches_ = std::make_unique<PortWatches>(ports_, 1);
    REQUIRE(Look().ok());
    REQUIRE(Faults(0).empty());
  }
  ~TwoPorts() {
    watches_.reset();
    ports_.clear();
    for (const char* name : {"p0", "q0", "r0"}) {
      std::system(absl::StrCat("ip link del ", name, " 2>/dev/null").c_str());
    }
    rte_mempool_free(mempool_);
  }
  TwoPorts(const TwoPorts&) = delete;
  TwoPorts& operator=(const TwoPorts&) = delete;

  static void Make(const std::string& name, int queues = 1) {
    Shell(absl::StrCat("ip link add ", name, "0 numrxqueues ", queues, " type veth peer name ",
                       name, "1 && ip link set ", name, "0 up && ip link set ", name, "1 up"));
  }
  absl::Status Look() { return watches_->Look(absl::ZeroDuration()); }
  std::vector<std::string> Faults(size_t port) const { return (*watches_)[port].Faults(); }

 private:
  void Open(const std::string& name) {
    static uint32_t device = 0;
    const PortSpec spec{.kind = PortKind::kAfXdp, .name = name, .device = {}};
    std::vector<std::string> devices;
    for (const std::string& argument :
         Port::EalArguments(spec, 1, placeholder_.path(), &device, &devices)) {
      REQUIRE(rte_dev_probe(argument.substr(sizeof("--vdev=") - 1).c_str()) == 0);
    }
    auto port = Port::Open(spec, devices, 1, mempool_);
    INFO(port.status());
    REQUIRE(port.ok());
    ports_.push_back(std::move(port).value());
  }

  PlaceholderProgram placeholder_ = PlaceholderProgram::Create().value();
  rte_mempool* mempool_ = nullptr;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<PortWatches> watches_;
};

const std::vector<std::string> kGone = {"gone"};

TEST_CASE("a port that was made anew is worth a new process") {
  TwoPorts host;
  Shell("ip link del p0");
  CHECK(host.Look().ok());
  CHECK(host.Faults(0) == kGone);
  CHECK(host.Faults(1).empty());
  TwoPorts::Make("p", 2);  // would be refused itself
  CHECK(host.Look().ok());
  Shell("ip link del p0");
  TwoPorts::Make("p");
  const absl::Status end = host.Look();
  CHECK(absl::IsFailedPrecondition(end));
  CHECK_THAT(std::string(end.message()), Contains("port p0: the interface was made anew"));
}

TEST_CASE("a port that was made anew ends nothing while a start would be refused") {
  TwoPorts host;
  UniqueFd other;
  Shell("ip link del p0");
  std::string undo;
  SECTION("another port is called otherwise now") {
    Shell("ip link set q0 down && ip link set q0 name r0 && ip link set r0 up");
    undo = "ip link set r0 down && ip link set r0 name q0 && ip link set q0 up";
  }
  SECTION("another port is gone as well") {
    Shell("ip link del q0");
    undo =
        "ip link add q0 numrxqueues 1 type veth peer name q1 && ip link set q0 up && "
        "ip link set q1 up";
  }
  SECTION("another port has an MTU that no buffer holds") {
    Shell("ip link set q0 xdp off && ip link set q0 mtu 9000");
    undo = "ip link set q0 mtu 1500";
  }
  SECTION("the new one has another tool's program") { undo = "ip link set p0 xdp off"; }
  TwoPorts::Make("p");
  if (undo == "ip link set p0 xdp off") other = AttachOther("p0", "other_tool", 0);
  CHECK(host.Look().ok());
  CHECK(host.Look().ok());
  CHECK(host.Faults(0) == kGone);
  Shell(undo);
  CHECK(absl::IsFailedPrecondition(host.Look()));
}

// A port that the kernel sees as the TAP t0 only.
class TwinPort {
 public:
  TwinPort() {
    EnterNamespace();
    StartEal(256);
    mempool_ = Packets();
    static int device = 0;
    const std::string name = absl::StrCat("net_null", device++);
    REQUIRE(rte_dev_probe(name.c_str()) == 0);
    auto port =
        Port::Open({.kind = PortKind::kVdev, .name = name, .device = name}, {name}, 1, mempool_);
    INFO(port.status());
    REQUIRE(port.ok());
    ports_.push_back(std::move(port).value());
    REQUIRE(ports_[0]->AddTwin("t0", mempool_).ok());
    watches_ = std::make_unique<PortWatches>(ports_, 1);
    CHECK(Faults().empty());
  }
  ~TwinPort() {
    watches_.reset();
    ports_.clear();
    rte_mempool_free(mempool_);
  }
  TwinPort(const TwinPort&) = delete;
  TwinPort& operator=(const TwinPort&) = delete;

  // After a look.
  std::vector<std::string> Faults() {
    CHECK(watches_->Look(absl::ZeroDuration()).ok());
    return (*watches_)[0].Faults();
  }
  std::string KernelInterface() const { return (*watches_)[0].vitals().kernel_interface; }

 private:
  rte_mempool* mempool_ = nullptr;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<PortWatches> watches_;
};

TEST_CASE("a kernel twin that is switched off is named") {
  TwinPort host;
  Shell("ip link set t0 down");
  CHECK(host.Faults() == std::vector<std::string>{"link-down"});
  Shell("ip link set t0 up");
  CHECK(host.Faults().empty());
}

TEST_CASE("a kernel twin is followed by its name, and made anew if it was deleted") {
  TwinPort host;
  Shell("ip link set t0 down && ip link set t0 name longer0 && ip link set longer0 up");
  CHECK(host.Faults().empty());
  CHECK(host.KernelInterface() == "longer0");
  Shell("ip link del longer0");
  CHECK(host.Faults().empty());
  CHECK(host.KernelInterface() == "t0");
  CHECK(if_nametoindex("t0") != 0);
}

TEST_CASE("a kernel twin in another network namespace is gone") {
  TwinPort host;
  UniqueFd elsewhere;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) return;
    elsewhere = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  REQUIRE(elsewhere.valid());
  Shell(absl::StrCat("ip link set t0 netns /proc/", getpid(), "/fd/", elsewhere.get()));
  CHECK(host.Faults() == kGone);
  CHECK(host.Faults() == kGone);
}

}  // namespace
}  // namespace guideway
