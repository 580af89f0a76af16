// The BPF programs on an interface: loading, configuring, attaching and detaching.
#include "dataplane/decap/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "dataplane/decap/config.h"
#include "dataplane/decap/decap.skel.h"
#include "dataplane/decap/decap_abi.h"
#include "dataplane/decap/tc_filter.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr char kProgramName[] = "guideway_decap";
constexpr const char* kOwnNames[] = {kProgramName};
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

// While it lives, what libbpf has to say is kept and not printed.
class KeptMessages {
 public:
  KeptMessages() {
    libbpf_messages.clear();
    libbpf_set_print(KeepMessage);
  }
  ~KeptMessages() { libbpf_set_print(nullptr); }
  KeptMessages(const KeptMessages&) = delete;
  KeptMessages& operator=(const KeptMessages&) = delete;
};

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

absl::StatusOr<uint32_t> ProgramId(int program_fd) {
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program_fd, &info, &length) == 0) return info.id;
  return ErrnoStatus(errno, "asking for the id of a BPF program");
}

absl::Status Put(int map, const void* key, const void* value, const std::string& what) {
  if (bpf_map_update_elem(map, key, value, BPF_ANY) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("telling the program about ", what));
}

// How an address got into a map: its value.
constexpr uint8_t kGiven = 1, kLookedUp = 2;

IpAddress FromKey(const gw_decap_address& key) {
  IpAddress address;
  std::memcpy(address.bytes.data(), key.words, sizeof(key.words));
  return address;
}

// Makes `map` hold exactly `wanted` instead of `held`; says what changes.
absl::Status Exchange(int map, const std::vector<IpAddress>& held,
                      const std::vector<IpAddress>& wanted, uint8_t value, const std::string& what,
                      std::vector<std::string>* changes) {
  const auto in = [](const std::vector<IpAddress>& list, const IpAddress& address) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  for (const IpAddress& address : wanted) {
    if (in(held, address)) continue;
    const gw_decap_address key = ToKey(address);
    GW_RETURN_IF_ERROR(Put(map, &key, &value, address.ToString()));
    changes->push_back(absl::StrCat(what, " ", address.ToString(), " added"));
  }
  for (const IpAddress& address : held) {
    if (in(wanted, address)) continue;
    const gw_decap_address key = ToKey(address);
    if (bpf_map_delete_elem(map, &key) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, absl::StrCat("telling the program about ", address.ToString()));
    }
    changes->push_back(absl::StrCat(what, " ", address.ToString(), " removed"));
  }
  return absl::OkStatus();
}

absl::Status ReadAddresses(int program, const std::string& map_name, std::set<IpAddress>* addresses,
                           bool* looked_up) {
  GW_ASSIGN_OR_RETURN(const UniqueFd map, MapOf(program, map_name));
  gw_decap_address key{}, next{};
  const gw_decap_address* from = nullptr;
  while (bpf_map_get_next_key(map.get(), from, &next) == 0) {
    key = next;
    from = &key;
    uint8_t value = 0;
    if (bpf_map_lookup_elem(map.get(), &key, &value) != 0) continue;
    addresses->insert(FromKey(key));
    *looked_up = *looked_up || value == kLookedUp;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DecapPrograms>> DecapPrograms::Load(const DecapConfig& config) {
  std::unique_ptr<DecapPrograms> programs(new DecapPrograms(config));
  const KeptMessages messages;
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
  const uint8_t present = kGiven;
  for (const IpPrefix& prefix : config_.from) {
    gw_decap_prefix key{};
    key.length_bits = prefix.length_bits + (prefix.address.IsIpv4() ? 96U : 0U);
    key.address = ToKey(prefix.address);
    GW_RETURN_IF_ERROR(Put(bpf_map__fd(program_->maps.from), &key, &present, prefix.ToString()));
  }
  std::vector<std::string> ignored;
  GW_RETURN_IF_ERROR(Exchange(bpf_map__fd(program_->maps.vips), {}, config_.vips,
                              config_.vips_looked_up ? kLookedUp : kGiven, "VIP", &ignored));
  GW_RETURN_IF_ERROR(Exchange(bpf_map__fd(program_->maps.locals), {}, config_.locals,
                              config_.locals_looked_up ? kLookedUp : kGiven, "address", &ignored));
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
  const KeptMessages messages;
  GW_ASSIGN_OR_RETURN(const std::optional<XdpAttachment> own, OwnXdp(interface(), kOwnNames));
  GW_ASSIGN_OR_RETURN(const uint32_t own_filter, OwnTcFilter(interface()));
  UniqueFd filter_before;
  if (own_filter != 0) {
    GW_ASSIGN_OR_RETURN(filter_before, OpenProgram(own_filter));
  }
  // The tc program first: nothing is marked for it before the XDP program is there.
  GW_RETURN_IF_ERROR(AttachTcFilter(interface(), tc_fd()));
  std::vector<uint32_t> modes;
  // The driver's, if it has XDP at all; that may refuse an MTU.
  if (config_.mode == XdpMode::kAuto) modes = {0, XDP_FLAGS_SKB_MODE};
  if (config_.mode == XdpMode::kNative) modes = {XDP_FLAGS_DRV_MODE};
  if (config_.mode == XdpMode::kGeneric) modes = {XDP_FLAGS_SKB_MODE};
  const absl::Status status =
      AttachXdp(interface(), xdp_fd(), modes, own.has_value() ? &*own : nullptr);
  if (status.ok()) return status;
  // All is as it was: an earlier run's programs belong together, ours are of no use alone.
  GW_RETURN_IF_ERROR(filter_before.valid() ? AttachTcFilter(interface(), filter_before.get())
                                           : DetachTcFilter(interface()));
  if (absl::IsAlreadyExists(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat(std::string(status.message()), " (another --mode may work)\n  ",
                                   LastLines(libbpf_messages)));
}

absl::StatusOr<std::vector<std::string>> DecapPrograms::Missing() const {
  std::vector<std::string> missing;
  GW_ASSIGN_OR_RETURN(const uint32_t xdp, ProgramId(xdp_fd()));
  GW_ASSIGN_OR_RETURN(const uint32_t tc, ProgramId(tc_fd()));
  GW_ASSIGN_OR_RETURN(const std::vector<XdpAttachment> found, XdpAttachments(interface()));
  const bool there = std::any_of(found.begin(), found.end(),
                                 [&](const XdpAttachment& one) { return one.id == xdp; });
  if (!there) missing.emplace_back("the XDP program");
  GW_ASSIGN_OR_RETURN(const uint32_t filter, OwnTcFilter(interface()));
  if (filter != tc) missing.emplace_back("the tc program");
  return missing;
}

absl::StatusOr<std::vector<std::string>> DecapPrograms::Update(const DecapConfig& config) {
  std::vector<std::string> changes;
  config_.interface = config.interface;
  GW_RETURN_IF_ERROR(Exchange(bpf_map__fd(program_->maps.vips), config_.vips, config.vips,
                              config.vips_looked_up ? kLookedUp : kGiven, "VIP", &changes));
  config_.vips = config.vips;
  GW_RETURN_IF_ERROR(Exchange(bpf_map__fd(program_->maps.locals), config_.locals, config.locals,
                              config.locals_looked_up ? kLookedUp : kGiven, "address", &changes));
  config_.locals = config.locals;
  return changes;
}

Interface DecapPrograms::interface() const {
  return {config_.interface, static_cast<int>(config_.interface_index)};
}

int DecapPrograms::xdp_fd() const { return bpf_program__fd(program_->progs.guideway_decap); }
int DecapPrograms::tc_fd() const { return bpf_program__fd(program_->progs.guideway_hops); }
int DecapPrograms::verdicts_fd() const { return bpf_map__fd(program_->maps.gw_verdicts); }

absl::StatusOr<UniqueFd> AttachedProgram(const std::string& interface) {
  GW_ASSIGN_OR_RETURN(const unsigned index, InterfaceIndex("--interface", interface));
  absl::StatusOr<std::optional<XdpAttachment>> own =
      OwnXdp({interface, static_cast<int>(index)}, kOwnNames);
  const std::string none = absl::StrCat("guideway-decap is not attached to ", interface);
  if (absl::IsAlreadyExists(own.status())) {
    return absl::NotFoundError(absl::StrCat(none, ": ", std::string(own.status().message())));
  }
  if (!own.ok()) return own.status();
  if (!own->has_value()) return absl::NotFoundError(none);
  return std::move((*own)->program);
}

absl::StatusOr<UniqueFd> MapOf(int program_fd, const std::string& name) {
  std::array<__u32, 64> ids{};
  bpf_prog_info info{};
  info.nr_map_ids = ids.size();
  info.map_ids = reinterpret_cast<__u64>(ids.data());
  __u32 length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program_fd, &info, &length) != 0) {
    return ErrnoStatus(errno, "asking for the program's maps");
  }
  for (size_t i = 0; i < std::min<size_t>(info.nr_map_ids, ids.size()); ++i) {
    UniqueFd map(bpf_map_get_fd_by_id(ids[i]));
    bpf_map_info map_info{};
    length = sizeof(map_info);
    if (!map.valid() || bpf_obj_get_info_by_fd(map.get(), &map_info, &length) != 0) continue;
    if (map_info.name == name) return map;
  }
  return absl::NotFoundError(absl::StrCat("the attached program has no map ", name));
}

absl::StatusOr<AttachedState> ReadAttachedState(const std::string& interface) {
  GW_ASSIGN_OR_RETURN(const UniqueFd program, AttachedProgram(interface));
  AttachedState state;
  GW_RETURN_IF_ERROR(ReadAddresses(program.get(), "vips", &state.vips, &state.vips_looked_up));
  GW_RETURN_IF_ERROR(
      ReadAddresses(program.get(), "locals", &state.locals, &state.locals_looked_up));
  GW_ASSIGN_OR_RETURN(const unsigned index, InterfaceIndex("--interface", interface));
  const absl::StatusOr<uint32_t> filter = OwnTcFilter({interface, static_cast<int>(index)});
  state.tc = filter.ok() && *filter != 0;
  return state;
}

absl::Status DetachDecap(const Interface& interface) {
  GW_ASSIGN_OR_RETURN(const std::vector<XdpAttachment> found, XdpAttachments(interface));
  // Marked packets last: the XDP program marks none any more when the tc program goes.
  absl::Status detached =
      absl::NotFoundError(absl::StrCat("guideway-decap is not attached to ", interface.name));
  for (const XdpAttachment& attachment : found) {
    if (attachment.name == kProgramName) detached = DetachXdp(interface, attachment);
  }
  GW_RETURN_IF_ERROR(DetachTcFilter(interface));
  return detached;
}

}  // namespace guideway
