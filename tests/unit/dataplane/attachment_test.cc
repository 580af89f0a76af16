// Only what is ours is put on an interface, replaced and taken off. Needs CAP_SYS_ADMIN,
// CAP_NET_ADMIN and CAP_BPF; the network namespace is the test's own.
#include "dataplane/bpf/attachment.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "dataplane/bpf/steering.h"
#include "tests/unit/dataplane/other_tool.h"

namespace guideway {
namespace {

using Catch::Matchers::Contains;

// A veth pair a0, a1, made anew for each case.
class Pair {
 public:
  Pair() {
    static const bool own_namespace = unshare(CLONE_NEWNET) == 0;
    REQUIRE(own_namespace);
    Shell("ip link add a0 type veth peer name a1 && ip link set a0 up && ip link set a1 up");
  }
  ~Pair() { std::system("ip link del a0"); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
};

std::string Text(const absl::Status& status) { return std::string(status.message()); }

TEST_CASE("another tool's program is refused by name, id and mode, and stays") {
  const Pair pair;
  const auto [mode, word] =
      GENERATE(std::pair<uint32_t, const char*>{XDP_FLAGS_DRV_MODE, "native"},
               std::pair<uint32_t, const char*>{XDP_FLAGS_SKB_MODE, "generic"});
  const UniqueFd other = AttachOther("a0", "other_tool", mode);
  const std::string before = OnInterface("a0");
  auto steering = Steering::Load("a0");
  REQUIRE(steering.ok());
  const uint32_t id = XdpAttachments(Named("a0"))->front().id;
  for (const absl::Status& refused :
       {Steering::CheckFree("a0"), Steering::Clear("a0"), (*steering)->Attach()}) {
    CHECK(absl::IsAlreadyExists(refused));
    CHECK_THAT(Text(refused), Contains("'other_tool' (id " + std::to_string(id) + ", " + word +
                                       " mode) of another tool"));
    CHECK_THAT(Text(refused), Contains("ip link set dev a0 xdp"));
  }
  CHECK_FALSE((*steering)->IsAttached());
  CHECK(absl::IsNotFound((*steering)->Detach()));
  steering->reset();
  CHECK(OnInterface("a0") == before);
}

TEST_CASE("what a killed process left is replaced, in whatever mode it is") {
  const Pair pair;
  const uint32_t mode = GENERATE(uint32_t{XDP_FLAGS_DRV_MODE}, uint32_t{XDP_FLAGS_SKB_MODE});
  const char* name = GENERATE("gw_steering", "gw_placeholder");
  const UniqueFd left = AttachOther("a0", name, mode);
  CHECK(Steering::CheckFree("a0").ok());
  auto steering = Steering::Load("a0");
  REQUIRE(steering.ok());
  REQUIRE((*steering)->Attach().ok());
  CHECK((*steering)->IsAttached());
  CHECK(OnInterface("a0") == "gw_steering/native");
  CHECK((*steering)->Detach().ok());
  CHECK(OnInterface("a0").empty());
}

TEST_CASE("a leftover is cleared") {
  const Pair pair;
  const uint32_t mode = GENERATE(uint32_t{XDP_FLAGS_DRV_MODE}, uint32_t{XDP_FLAGS_SKB_MODE});
  const UniqueFd left = AttachOther("a0", "gw_placeholder", mode);
  REQUIRE(Steering::Clear("a0").ok());
  CHECK(OnInterface("a0").empty());
  CHECK(Steering::Clear("a0").ok());
}

TEST_CASE("a program that another tool has replaced ours with stays") {
  const Pair pair;
  auto steering = Steering::Load("a0");
  REQUIRE(steering.ok());
  REQUIRE((*steering)->Attach().ok());
  const UniqueFd other = AttachOther("a0", "other_tool", XDP_FLAGS_DRV_MODE);
  CHECK_FALSE((*steering)->IsAttached());
  CHECK(absl::IsAlreadyExists((*steering)->Attach()));
  steering->reset();
  CHECK(OnInterface("a0") == "other_tool/native");
}

// What the page says that a data plane needs: all but CAP_SYS_ADMIN, for as long as it lives.
class WithoutSysAdmin {
 public:
  WithoutSysAdmin() { Set(false); }
  ~WithoutSysAdmin() { Set(true); }
  WithoutSysAdmin(const WithoutSysAdmin&) = delete;
  WithoutSysAdmin& operator=(const WithoutSysAdmin&) = delete;

 private:
  static void Set(bool on) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2] = {};
    REQUIRE(syscall(SYS_capget, &header, data) == 0);
    const uint32_t bit = 1U << CAP_SYS_ADMIN;
    data[0].effective = on ? data[0].effective | bit : data[0].effective & ~bit;
    REQUIRE(syscall(SYS_capset, &header, data) == 0);
  }
};

TEST_CASE("without CAP_SYS_ADMIN") {
  const Pair pair;
  std::filesystem::create_directories("/run/guideway");
  const char* record = "/run/guideway/xdp-a0";
  std::filesystem::remove(record);
  // Somebody else's, in the way of the record: not waited for.
  REQUIRE(mkfifo(record, 0600) == 0);
  UniqueFd left;  // what a killed process would leave
  {
    const WithoutSysAdmin without;
    // The driver's placeholder is open in this process, so it is known.
    const UniqueFd placeholder = AttachOther("a0", "gw_placeholder", XDP_FLAGS_DRV_MODE);
    auto steering = Steering::Load("a0");
    REQUIRE(steering.ok());
    REQUIRE((*steering)->Attach().ok());
    CHECK((*steering)->IsAttached());
    CHECK((*steering)->Detach().ok());
    REQUIRE((*steering)->Attach().ok());
    left = UniqueFd(dup((*steering)->program_fd()));
  }
  REQUIRE(bpf_xdp_attach(Named("a0").index, left.get(), 0, nullptr) == 0);
  left.reset();
  {
    const WithoutSysAdmin without;
    auto steering = Steering::Load("a0");
    REQUIRE(steering.ok());
    REQUIRE((*steering)->Attach().ok());
    CHECK((*steering)->IsAttached());
  }
  // A program that was not recorded is not taken for ours, whatever its name is.
  std::filesystem::remove(record);
  REQUIRE(mkfifo(record, 0600) == 0);
  AttachOther("a0", "gw_steering", XDP_FLAGS_DRV_MODE);
  {
    const WithoutSysAdmin without;
    const absl::Status refused = Steering::CheckFree("a0");
    CHECK(absl::IsAlreadyExists(refused));
    CHECK_THAT(Text(refused), Contains("cannot be asked for without CAP_SYS_ADMIN"));
  }
  CHECK(Steering::CheckFree("a0").ok());
  std::filesystem::remove(record);
}

TEST_CASE("every mode that is asked for is the mode it gets, and each is detached") {
  const Pair pair;
  const UniqueFd program = OtherProgram("gw_steering");
  const uint32_t first = GENERATE(uint32_t{XDP_FLAGS_DRV_MODE}, uint32_t{XDP_FLAGS_SKB_MODE});
  const uint32_t second = GENERATE(uint32_t{XDP_FLAGS_DRV_MODE}, uint32_t{XDP_FLAGS_SKB_MODE});
  const Interface a0 = Named("a0");
  REQUIRE(AttachXdp(a0, program.get(), {first}, nullptr).ok());
  CHECK(XdpAttachments(a0)->front().mode_flag == first);
  const XdpAttachment own = std::move(XdpAttachments(a0)->front());
  const UniqueFd next = OtherProgram("gw_steering");
  REQUIRE(AttachXdp(a0, next.get(), {second}, &own).ok());
  const auto found = XdpAttachments(a0);
  REQUIRE(found->size() == 1);
  CHECK(found->front().mode_flag == second);
  CHECK(found->front().id != own.id);
  CHECK(absl::IsNotFound(DetachXdp(a0, own)));
  CHECK(DetachXdp(a0, found->front()).ok());
  CHECK(XdpAttachments(a0)->empty());
}

TEST_CASE("what cannot be replaced is put back") {
  const Pair pair;
  // A native program wants frames in one page; a generic one does not.
  const UniqueFd left = AttachOther("a0", "gw_steering", XDP_FLAGS_SKB_MODE);
  Shell("ip link set a0 mtu 9000 && ip link set a1 mtu 9000");
  const Interface a0 = Named("a0");
  const XdpAttachment own = std::move(XdpAttachments(a0)->front());
  const UniqueFd next = OtherProgram("gw_steering");
  CHECK_FALSE(AttachXdp(a0, next.get(), {XDP_FLAGS_DRV_MODE}, &own).ok());
  CHECK(OnInterface("a0") == "gw_steering/generic");
  CHECK(XdpAttachments(a0)->front().id == own.id);
}

TEST_CASE("what the driver takes off on its way out is put back") {
  const Pair pair;
  const uint32_t mode = GENERATE(uint32_t{XDP_FLAGS_DRV_MODE}, uint32_t{XDP_FLAGS_SKB_MODE});
  const UniqueFd other = AttachOther("a0", "other_tool", mode);
  const std::string before = OnInterface("a0");
  {
    const auto keeper = Steering::KeeperOfOthers();
    keeper->Remember("a0");
    keeper->Remember("nosuchif0");
    REQUIRE(bpf_xdp_detach(Named("a0").index, mode, nullptr) == 0);
  }
  CHECK(OnInterface("a0") == before);
  // Ours is not, and nothing is taken from who has come.
  const UniqueFd own = AttachOther("a0", "gw_steering", mode);
  {
    const auto keeper = Steering::KeeperOfOthers();
    keeper->Remember("a0");
    REQUIRE(bpf_xdp_detach(Named("a0").index, mode, nullptr) == 0);
  }
  CHECK(OnInterface("a0").empty());
}

}  // namespace
}  // namespace guideway
