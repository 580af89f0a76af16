// The BPF programs on an interface: loading, configuring, attaching and detaching.
#include "dataplane/decap/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "dataplane/decap/config.h"
#include "dataplane/decap/decap.skel.h"
#include "dataplane/decap/decap_abi.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr char kProgramName[] = "guideway_decap";
// The place of the filter among those of the interface; another run finds and replaces it.
constexpr uint32_t kTcHandle = 1, kTcPriority = 6080;
constexpr size_t kLogLines = 12;

std::string libbpf_messages;  // NOLINT: libbpf's callback has no argument of its caller's

int KeepMessage(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = vsnprintf(nullptr, 0, format, again);  // a log has any length
  va_end(again);
  if (length < 0) return 0;
  std::string line(static_cast<size_t>(length) + 1, '\0');
  vsnprintf(line.data(), line.size(), format, arguments);
  line.pop_back();
  libbpf_messages += line;
  return length;
}

// The verifier says last what is wrong; before it are thousands of lines about what is not.
std::string LastLines(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  if (lines.size() > kLogLines) lines.erase(lines.begin(), lines.end() - kLogLines);
  return absl::StrJoin(lines, "\n  ");
}

gw_decap_address ToKey(const IpAddress& address) {
  gw_decap_address key;
  std::memcpy(key.words, address.bytes.data(), sizeof(key.words));
  return key;
}

absl::Status Put(int map, const void* key, const void* value, const std::string& what) {
  if (bpf_map_update_elem(map, key, value, BPF_ANY) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("telling the program about ", what));
}

bpf_tc_opts TcOptions() {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kTcHandle;
  options.priority = kTcPriority;
  return options;
}

bpf_tc_hook TcHook(unsigned interface_index) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = static_cast<int>(interface_index);
  hook.attach_point = BPF_TC_INGRESS;
  return hook;
}

// 0: no XDP program.
absl::StatusOr<UniqueFd> ProgramOn(unsigned interface_index, std::string* name) {
  __u32 id = 0;
  const int error = bpf_xdp_query_id(static_cast<int>(interface_index), 0, &id);
  if (error != 0) return ErrnoStatus(-error, "asking for the interface's XDP program");
  if (id == 0) return UniqueFd();
  UniqueFd program(bpf_prog_get_fd_by_id(id));
  if (!program.valid()) return ErrnoStatus(errno, "opening the interface's XDP program");
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) {
    return ErrnoStatus(errno, "asking about the interface's XDP program");
  }
  *name = info.name;
  return program;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DecapPrograms>> DecapPrograms::Load(const DecapConfig& config) {
  std::unique_ptr<DecapPrograms> programs(new DecapPrograms(config));
  libbpf_messages.clear();
  libbpf_set_print(KeepMessage);
  programs->program_ = decap_bpf::open();
  if (programs->program_ == nullptr) return ErrnoStatus(errno, "opening the BPF programs");
  auto* constants = programs->program_->rodata;
  for (size_t i = 0; i < config.gue_ports.size(); ++i) {
    const_cast<__be16&>(constants->gue_ports[i]) = Be16(config.gue_ports[i]).wire();
  }
  const_cast<__u8&>(constants->l3dsr_enabled) = !config.l3dsr4.empty() || !config.l3dsr6.empty();
  const_cast<__u32&>(constants->next_hop_ifindex) = config.next_hop_index;
  uint8_t mark[sizeof(constants->next_hop_mark)];
  if (getrandom(mark, sizeof(mark), 0) != sizeof(mark)) return ErrnoStatus(errno, "getrandom");
  mark[0] = static_cast<uint8_t>((mark[0] & 0xfe) | 2);  // a unicast address of no vendor's
  for (size_t i = 0; i < sizeof(mark); ++i) {
    const_cast<__u8&>(constants->next_hop_mark[i]) = mark[i];
  }
  const int error = decap_bpf::load(programs->program_);
  if (error != 0) {
    return ErrnoStatus(-error,
                       absl::StrCat("loading the BPF programs (needs CAP_BPF, CAP_NET_ADMIN and "
                                    "Linux 5.15)\n  ",
                                    LastLines(libbpf_messages), "\n "));
  }
  GW_RETURN_IF_ERROR(programs->FillMaps());
  return programs;
}

DecapPrograms::~DecapPrograms() {
  if (program_ != nullptr) decap_bpf::destroy(program_);
}

absl::Status DecapPrograms::FillMaps() {
  const uint8_t present = 1;
  for (const IpPrefix& prefix : config_.from) {
    gw_decap_prefix key{};
    key.length_bits = prefix.length_bits + (prefix.address.IsIpv4() ? 96U : 0U);
    key.address = ToKey(prefix.address);
    GW_RETURN_IF_ERROR(Put(bpf_map__fd(program_->maps.from), &key, &present, prefix.ToString()));
  }
  for (const IpAddress& vip : config_.vips) {
    const gw_decap_address key = ToKey(vip);
    GW_RETURN_IF_ERROR(Put(bpf_map__fd(program_->maps.vips), &key, &present, vip.ToString()));
  }
  for (const IpAddress& local : config_.locals) {
    const gw_decap_address key = ToKey(local);
    GW_RETURN_IF_ERROR(Put(bpf_map__fd(program_->maps.locals), &key, &present, local.ToString()));
  }
  for (const auto* by_dscp : {&config_.l3dsr4, &config_.l3dsr6}) {
    for (const auto& [dscp, vip] : *by_dscp) {
      const uint32_t slot = dscp + (vip.IsIpv4() ? 0U : GW_DECAP_DSCPS);
      const gw_decap_l3dsr value{.vip = ToKey(vip), .present = 1};
      GW_RETURN_IF_ERROR(Put(bpf_map__fd(program_->maps.l3dsr), &slot, &value, vip.ToString()));
    }
  }
  return absl::OkStatus();
}

absl::Status DecapPrograms::Attach() {
  std::string name;
  GW_ASSIGN_OR_RETURN(const UniqueFd old, ProgramOn(config_.interface_index, &name));
  if (old.valid() && name != kProgramName) {
    return absl::AlreadyExistsError(absl::StrCat(
        config_.interface, " has the XDP program '", name,
        "' of another tool. To remove it: ip link set dev ", config_.interface, " xdp off"));
  }
  // The tc program first: nothing is marked for it before the XDP program is there.
  bpf_tc_hook hook = TcHook(config_.interface_index);
  int error = bpf_tc_hook_create(&hook);
  if (error != 0 && error != -EEXIST) {
    return ErrnoStatus(-error, absl::StrCat("creating the clsact qdisc of ", config_.interface));
  }
  bpf_tc_opts options = TcOptions();
  options.prog_fd = tc_fd();
  options.flags = BPF_TC_F_REPLACE;
  error = bpf_tc_attach(&hook, &options);
  if (error != 0) {
    return ErrnoStatus(-error, absl::StrCat("attaching the tc program to ", config_.interface));
  }
  const int index = static_cast<int>(config_.interface_index);
  const auto attach = [&](uint32_t flags) {
    return bpf_xdp_attach(index, xdp_fd(), flags, nullptr);
  };
  switch (config_.mode) {
    case XdpMode::kNative:
      error = attach(XDP_FLAGS_DRV_MODE);
      break;
    case XdpMode::kGeneric:
      error = attach(XDP_FLAGS_SKB_MODE);
      break;
    case XdpMode::kAuto:
      error = attach(0);  // the driver's, if it has XDP at all; that may refuse an MTU
      if (error != 0) error = attach(XDP_FLAGS_SKB_MODE);
      break;
  }
  if (error == 0) return absl::OkStatus();
  return ErrnoStatus(-error, absl::StrCat("attaching the XDP program to ", config_.interface,
                                          " (another --mode may work; `detach` first if one of "
                                          "another mode is attached)"));
}

int DecapPrograms::xdp_fd() const { return bpf_program__fd(program_->progs.guideway_decap); }
int DecapPrograms::tc_fd() const { return bpf_program__fd(program_->progs.guideway_hops); }
int DecapPrograms::verdicts_fd() const { return bpf_map__fd(program_->maps.gw_verdicts); }

absl::StatusOr<UniqueFd> AttachedProgram(const std::string& interface) {
  GW_ASSIGN_OR_RETURN(const unsigned index, InterfaceIndex("--interface", interface));
  std::string name;
  GW_ASSIGN_OR_RETURN(UniqueFd program, ProgramOn(index, &name));
  if (!program.valid() || name != kProgramName) {
    return absl::NotFoundError(absl::StrCat("guideway-decap is not attached to ", interface));
  }
  return program;
}

absl::Status DetachDecap(const std::string& interface) {
  GW_RETURN_IF_ERROR(AttachedProgram(interface).status());
  GW_ASSIGN_OR_RETURN(const unsigned index, InterfaceIndex("--interface", interface));
  int error = bpf_xdp_detach(static_cast<int>(index), 0, nullptr);
  if (error != 0) {
    return ErrnoStatus(-error, absl::StrCat("detaching the XDP program from ", interface));
  }
  const bpf_tc_hook hook = TcHook(index);
  const bpf_tc_opts options = TcOptions();
  error = bpf_tc_detach(&hook, &options);
  if (error != 0 && error != -ENOENT && error != -EINVAL) {
    return ErrnoStatus(-error, absl::StrCat("detaching the tc program from ", interface));
  }
  return absl::OkStatus();
}

}  // namespace guideway
