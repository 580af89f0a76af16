#include "dataplane/bpf/steering.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glog/logging.h>
#include <net/if.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <numeric>
#include <vector>

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

}  // namespace

Steering::Steering(std::string interface_name)
    : interface_name_(std::move(interface_name)),
      keys_(std::make_unique<std::set<Key, KeyLess>>()) {}

absl::StatusOr<std::unique_ptr<Steering>> Steering::Load(const std::string& interface_name) {
  std::unique_ptr<Steering> steering(new Steering(interface_name));
  steering->interface_index_ = static_cast<int>(if_nametoindex(interface_name.c_str()));
  if (steering->interface_index_ == 0) {
    return absl::NotFoundError(absl::StrCat("no network interface named ", interface_name));
  }
  steering->program_ = steering_bpf::open_and_load();
  if (steering->program_ == nullptr) {
    return ErrnoStatus(errno, "loading the XDP steering program (needs CAP_BPF and CAP_NET_ADMIN)");
  }
  return steering;
}

Steering::~Steering() {
  if (attached_) {
    const absl::Status status = Detach();
    if (!status.ok()) LOG(WARNING) << status;
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
  const int error = bpf_xdp_attach(interface_index_, program_fd(), 0, nullptr);
  if (error != 0) {
    return ErrnoStatus(-error, absl::StrCat("attaching the XDP program to ", interface_name_));
  }
  attached_ = true;
  return absl::OkStatus();
}

bool Steering::IsAttached() const {
  __u32 on_interface = 0;
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  if (bpf_xdp_query_id(interface_index_, 0, &on_interface) != 0) return false;
  if (bpf_obj_get_info_by_fd(program_fd(), &info, &length) != 0) return false;
  return info.id == on_interface;
}

int Steering::program_fd() const { return bpf_program__fd(program_->progs.gw_steering); }

absl::Status Steering::Detach() {
  attached_ = false;
  const int error = bpf_xdp_detach(interface_index_, 0, nullptr);
  if (error != 0) {
    return ErrnoStatus(-error, absl::StrCat("detaching the XDP program from ", interface_name_));
  }
  return absl::OkStatus();
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

absl::Status Steering::Clear(const std::string& interface_name) {
  const int index = static_cast<int>(if_nametoindex(interface_name.c_str()));
  if (index == 0) {
    return absl::NotFoundError(absl::StrCat("no network interface named ", interface_name));
  }
  const int error = bpf_xdp_detach(index, 0, nullptr);
  if (error != 0 && error != -ENOENT) {
    return ErrnoStatus(-error, absl::StrCat("removing the XDP program of ", interface_name));
  }
  return absl::OkStatus();
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
