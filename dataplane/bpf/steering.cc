#include "dataplane/bpf/steering.h"

#include <bpf/bpf.h>
#include <glog/logging.h>
#include <net/if.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <numeric>
#include <vector>

#include "dataplane/bpf/attachment.h"
#include "dataplane/bpf/placeholder.skel.h"
#include "dataplane/bpf/steering.skel.h"
#include "dataplane/bpf/steering_key.h"
#include "lib/base/status.h"

namespace guideway {

struct Steering::Key : gw_steering_key {};

struct Steering::KeyLess {
  bool operator()(const Key& a, const Key& b) const { return std::memcmp(&a, &b, sizeof(a)) < 0; }
};

namespace {

static_assert(sizeof(gw_steering_key) == 20, "padding would make map keys differ");

template <typename Key>
Key MakeKey(const IpAddress& address, Be16 port, uint8_t protocol) {
  Key key{};
  std::memcpy(key.address, address.bytes.data(), sizeof(key.address));
  key.port = port.wire();
  key.protocol = protocol;
  return key;
}

// By these a program of a killed process is known to be ours.
constexpr const char* kOwnNames[] = {"gw_steering", "gw_placeholder"};

absl::StatusOr<Interface> FindInterface(const std::string& name) {
  const auto index = static_cast<int>(if_nametoindex(name.c_str()));
  if (index == 0) return absl::NotFoundError(absl::StrCat("no network interface named ", name));
  return Interface{name, index};
}

}  // namespace

Steering::Steering(std::string interface_name)
    : interface_name_(std::move(interface_name)),
      keys_(std::make_unique<std::set<Key, KeyLess>>()) {}

absl::StatusOr<std::unique_ptr<Steering>> Steering::Load(const std::string& interface_name) {
  std::unique_ptr<Steering> steering(new Steering(interface_name));
  GW_ASSIGN_OR_RETURN(const Interface interface, FindInterface(interface_name));
  steering->interface_index_ = interface.index;
  steering->program_ = steering_bpf::open_and_load();
  if (steering->program_ == nullptr) {
    return ErrnoStatus(errno, "loading the XDP steering program (needs CAP_BPF and CAP_NET_ADMIN)");
  }
  return steering;
}

Steering::~Steering() {
  if (attached_) {
    const absl::Status status = Detach();
    if (!status.ok() && !absl::IsNotFound(status)) LOG(WARNING) << status;
  }
  if (program_ != nullptr) steering_bpf::destroy(program_);
}

absl::Status Steering::AddSocket(uint32_t queue, int xsk_fd) {
  const int map = bpf_map__fd(program_->maps.xsks_map);
  if (bpf_map_update_elem(map, &queue, &xsk_fd, BPF_ANY) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("giving queue ", queue, " of ", interface_name_, " its AF_XDP socket"));
  }
  return absl::OkStatus();
}

absl::Status Steering::Attach() {
  const Interface interface { interface_name_, interface_index_ };
  GW_ASSIGN_OR_RETURN(const std::optional<XdpAttachment> own, OwnXdp(interface, kOwnNames));
  GW_RETURN_IF_ERROR(AttachXdp(interface, program_fd(), {0}, own.has_value() ? &*own : nullptr));
  attached_ = true;
  XdpAttachment attachment;
  GW_ASSIGN_OR_RETURN(const bool found, FindAttached(&attachment));
  const absl::Status recorded = found ? RecordXdp(interface, attachment.id) : absl::OkStatus();
  if (!recorded.ok()) LOG(WARNING) << recorded << ": after a crash the program has to be removed";
  return absl::OkStatus();
}

absl::StatusOr<bool> Steering::FindAttached(XdpAttachment* attachment) const {
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program_fd(), &info, &length) != 0) {
    return ErrnoStatus(errno, "asking for the id of the XDP program");
  }
  GW_ASSIGN_OR_RETURN(std::vector<XdpAttachment> found,
                      XdpAttachments({interface_name_, interface_index_}));
  for (XdpAttachment& one : found) {
    if (one.id != info.id) continue;
    *attachment = std::move(one);
    return true;
  }
  return false;
}

bool Steering::IsAttached() const {
  XdpAttachment ignored;
  const absl::StatusOr<bool> found = FindAttached(&ignored);
  return found.ok() && *found;
}

int Steering::program_fd() const { return bpf_program__fd(program_->progs.gw_steering); }

absl::Status Steering::Detach() {
  attached_ = false;
  XdpAttachment attachment;
  GW_ASSIGN_OR_RETURN(const bool found, FindAttached(&attachment));
  if (!found) {
    return absl::NotFoundError(
        absl::StrCat("the XDP program is not on ", interface_name_, " any more"));
  }
  return DetachXdp({interface_name_, interface_index_}, attachment);
}

uint64_t Steering::UnservedPackets() const {
  const int cpus = libbpf_num_possible_cpus();
  std::vector<uint64_t> counts(static_cast<size_t>(std::max(cpus, 1)));
  const uint32_t first = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(program_->maps.unserved), &first, counts.data()) != 0) {
    return 0;
  }
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

absl::Status Steering::SetVips(absl::Span<const SteeredVip> vips) {
  std::set<Key, KeyLess> wanted;
  for (const SteeredVip& vip : vips) {
    wanted.insert(MakeKey<Key>(vip.address, vip.port, static_cast<uint8_t>(vip.protocol)));
    wanted.insert(MakeKey<Key>(vip.address, Be16(0), 0));
  }
  const int map = bpf_map__fd(program_->maps.vips);
  for (auto it = keys_->begin(); it != keys_->end();) {
    if (wanted.contains(*it)) {
      ++it;
      continue;
    }
    if (bpf_map_delete_elem(map, &*it) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, absl::StrCat("removing a VIP from steering of ", interface_name_));
    }
    it = keys_->erase(it);
  }
  const uint8_t present = 1;
  for (const Key& key : wanted) {
    if (keys_->contains(key)) continue;
    if (bpf_map_update_elem(map, &key, &present, BPF_ANY) != 0) {
      return ErrnoStatus(errno, absl::StrCat("adding a VIP to steering of ", interface_name_));
    }
    keys_->insert(key);
  }
  return absl::OkStatus();
}

absl::Status Steering::CheckFree(const std::string& interface_name) {
  GW_ASSIGN_OR_RETURN(const Interface interface, FindInterface(interface_name));
  return OwnXdp(interface, kOwnNames).status();
}

absl::Status Steering::Clear(const std::string& interface_name) {
  GW_ASSIGN_OR_RETURN(const Interface interface, FindInterface(interface_name));
  GW_ASSIGN_OR_RETURN(const std::optional<XdpAttachment> own, OwnXdp(interface, kOwnNames));
  if (!own.has_value()) return absl::OkStatus();
  const absl::Status detached = DetachXdp(interface, *own);
  return absl::IsNotFound(detached) ? absl::OkStatus() : detached;
}

std::unique_ptr<ForeignXdpKeeper> Steering::KeeperOfOthers() {
  return std::make_unique<ForeignXdpKeeper>(
      std::vector<std::string>(std::begin(kOwnNames), std::end(kOwnNames)));
}

absl::StatusOr<PlaceholderProgram> PlaceholderProgram::Create() {
  size_t size = 0;
  const void* object = placeholder_bpf::elf_bytes(&size);
  PlaceholderProgram file;
  file.memfd_ = UniqueFd(memfd_create("guideway-placeholder", MFD_CLOEXEC));
  if (!file.memfd_.valid()) return ErrnoStatus(errno, "memfd_create");
  if (write(file.memfd_.get(), object, size) != static_cast<ssize_t>(size)) {
    return ErrnoStatus(errno, "writing the placeholder XDP program");
  }
  return file;
}

std::string PlaceholderProgram::path() const {
  return absl::StrCat("/proc/self/fd/", memfd_.get());
}

}  // namespace guideway
