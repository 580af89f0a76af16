#include "dataplane/bpf/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "lib/base/regular_file.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

// `old_fd` is expected to be there; -1: nothing is.
int Replace(const Interface& interface, int program_fd, int old_fd, uint32_t mode_flag) {
  bpf_xdp_attach_opts options = {};
  options.sz = sizeof(options);
  if (old_fd < 0) mode_flag |= XDP_FLAGS_UPDATE_IF_NOEXIST;
  if (old_fd >= 0) options.old_prog_fd = old_fd;
  return bpf_xdp_attach(interface.index, program_fd, mode_flag, &options);
}

bool IsOwn(const std::string& name, absl::Span<const char* const> own_names) {
  return std::any_of(own_names.begin(), own_names.end(),
                     [&](const char* own) { return name == own; });
}

absl::Status Refusal(const Interface& interface, const XdpAttachment& other) {
  const char* mode = other.mode_flag == XDP_FLAGS_SKB_MODE   ? "xdpgeneric"
                     : other.mode_flag == XDP_FLAGS_DRV_MODE ? "xdpdrv"
                                                             : "xdpoffload";
  const std::string mend =
      absl::StrCat(" To remove it: ip link set dev ", interface.name, " ", mode, " off");
  if (other.name.empty()) {
    return absl::AlreadyExistsError(
        absl::StrCat(interface.name, " has the XDP program ", ToString(other),
                     ", and whose it is cannot be asked for without CAP_SYS_ADMIN.", mend));
  }
  return absl::AlreadyExistsError(absl::StrCat(interface.name, " has the XDP program ",
                                               ToString(other), " of another tool.", mend));
}

// A program that this process has open itself, which takes no privilege.
UniqueFd OwnDescriptor(uint32_t id) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo", ignored)) {
    std::ifstream info(entry.path());
    std::string word;
    bool program = false;  // else it may be a link of one
    uint32_t found = 0;
    while (info >> word) {
      program = program || word == "prog_type:";
      if (word == "prog_id:") info >> found;
    }
    if (!program || found != id) continue;
    return UniqueFd(fcntl(std::atoi(entry.path().filename().c_str()), F_DUPFD_CLOEXEC, 3));
  }
  return UniqueFd();
}

std::string RecordPath(const Interface& interface) {
  return absl::StrCat("/run/guideway/xdp-", interface.name);
}

std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

bool IsRecorded(const Interface& interface, uint32_t id) {
  const absl::StatusOr<std::string> record = ReadRegularFile(RecordPath(interface));
  if (!record.ok()) return false;
  std::istringstream text(*record);
  std::string boot;
  int index = 0;
  uint32_t recorded = 0;
  return text >> boot >> index >> recorded && boot == BootId() && index == interface.index &&
         recorded == id;
}

absl::Status AttachError(const Interface& interface, int error) {
  return ErrnoStatus(error, absl::StrCat("attaching the XDP program to ", interface.name));
}

}  // namespace

std::string ToString(const XdpAttachment& attachment) {
  const char* mode = attachment.mode_flag == XDP_FLAGS_SKB_MODE   ? "generic"
                     : attachment.mode_flag == XDP_FLAGS_DRV_MODE ? "native"
                                                                  : "offloaded";
  const std::string details = absl::StrCat("(id ", attachment.id, ", ", mode, " mode)");
  if (attachment.name.empty()) return details;
  return absl::StrCat("'", attachment.name, "' ", details);
}

absl::StatusOr<UniqueFd> OpenProgram(uint32_t id) {
  UniqueFd program(bpf_prog_get_fd_by_id(id));
  if (program.valid()) return program;
  const int error = errno;
  if (error == EPERM) program = OwnDescriptor(id);
  if (program.valid()) return program;
  return ErrnoStatus(error, absl::StrCat("opening the BPF program of id ", id));
}

absl::StatusOr<std::string> ProgramName(int program_fd) {
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program_fd, &info, &length) != 0) {
    return ErrnoStatus(errno, "asking for the name of a BPF program");
  }
  return std::string(info.name);
}

absl::StatusOr<std::vector<XdpAttachment>> XdpAttachments(const Interface& interface) {
  bpf_xdp_query_opts query = {};
  query.sz = sizeof(query);
  const int error = bpf_xdp_query(interface.index, 0, &query);
  if (error != 0) {
    return ErrnoStatus(-error, absl::StrCat("asking for the XDP programs of ", interface.name));
  }
  std::vector<XdpAttachment> found;
  for (const auto& [id, mode_flag] : {std::pair{query.drv_prog_id, XDP_FLAGS_DRV_MODE},
                                      {query.skb_prog_id, XDP_FLAGS_SKB_MODE},
                                      {query.hw_prog_id, XDP_FLAGS_HW_MODE}}) {
    if (id == 0) continue;
    XdpAttachment attachment{.id = id, .mode_flag = mode_flag, .name = {}, .program = {}};
    absl::StatusOr<UniqueFd> program = OpenProgram(id);
    if (program.ok()) {
      attachment.program = std::move(program).value();
      GW_ASSIGN_OR_RETURN(attachment.name, ProgramName(attachment.program.get()));
      if (attachment.name.empty()) attachment.name = "(without a name)";
    } else if (absl::IsNotFound(program.status())) {
      continue;  // it has gone in between
    } else if (!absl::IsPermissionDenied(program.status())) {
      return program.status();
    }
    found.push_back(std::move(attachment));
  }
  return found;
}

absl::StatusOr<std::optional<XdpAttachment>> OwnXdp(const Interface& interface,
                                                    absl::Span<const char* const> own_names) {
  GW_ASSIGN_OR_RETURN(std::vector<XdpAttachment> found, XdpAttachments(interface));
  std::optional<XdpAttachment> own;
  for (XdpAttachment& attachment : found) {
    const bool recorded = attachment.name.empty() && IsRecorded(interface, attachment.id);
    if (!recorded && !IsOwn(attachment.name, own_names)) return Refusal(interface, attachment);
    own = std::move(attachment);
  }
  return own;
}

absl::Status AttachXdp(const Interface& interface, int program_fd, absl::Span<const uint32_t> modes,
                       const XdpAttachment* own) {
  int error = -EINVAL;
  if (own != nullptr && !own->program.valid()) {
    GW_RETURN_IF_ERROR(DetachXdp(interface, *own));
    own = nullptr;
  }
  bool gone = own == nullptr;
  for (const uint32_t mode : modes) {
    error = Replace(interface, program_fd, gone ? -1 : own->program.get(), mode);
    if (error == 0) return absl::OkStatus();
    // It stands in the way of one in another mode.
    if (gone || (mode != 0 && mode == own->mode_flag)) continue;
    if (Replace(interface, -1, own->program.get(), own->mode_flag) != 0) break;
    gone = true;
    error = Replace(interface, program_fd, -1, mode);
    if (error == 0) return absl::OkStatus();
  }
  if (own != nullptr && gone) Replace(interface, own->program.get(), -1, own->mode_flag);
  if (error != -EBUSY && error != -EEXIST) return AttachError(interface, -error);
  GW_ASSIGN_OR_RETURN(const std::vector<XdpAttachment> found, XdpAttachments(interface));
  for (const XdpAttachment& attachment : found) {
    if (own == nullptr || attachment.id != own->id) return Refusal(interface, attachment);
  }
  return AttachError(interface, -error);
}

absl::Status DetachXdp(const Interface& interface, const XdpAttachment& attachment) {
  // Without a descriptor the kernel cannot be told what to expect.
  const int error = attachment.program.valid()
                        ? Replace(interface, -1, attachment.program.get(), attachment.mode_flag)
                        : bpf_xdp_detach(interface.index, attachment.mode_flag, nullptr);
  if (error == 0) return absl::OkStatus();
  if (error == -EEXIST || error == -ENODEV || error == -ENOENT) {
    return absl::NotFoundError(absl::StrCat("the XDP program ", ToString(attachment), " is not on ",
                                            interface.name, " any more"));
  }
  return ErrnoStatus(-error, absl::StrCat("detaching the XDP program from ", interface.name));
}

absl::Status RecordXdp(const Interface& interface, uint32_t id) {
  // Who may open programs by their id needs no record.
  if (UniqueFd(bpf_prog_get_fd_by_id(id)).valid() || errno != EPERM) return absl::OkStatus();
  const std::string path = RecordPath(interface);
  return ReplaceFile(path, path + ".new",
                     absl::StrCat(BootId(), " ", interface.index, " ", id, "\n"), 0644);
}

void ForeignXdpKeeper::Remember(const std::string& interface_name) {
  const Interface interface {
    interface_name, static_cast<int>(if_nametoindex(interface_name.c_str()))
  };
  absl::StatusOr<std::vector<XdpAttachment>> found = XdpAttachments(interface);
  if (!found.ok()) return;  // the interface has gone, and its programs with it
  for (XdpAttachment& attachment : *found) {
    const bool own =
        std::find(own_names_.begin(), own_names_.end(), attachment.name) != own_names_.end();
    if (!own && attachment.program.valid()) kept_.push_back({interface, std::move(attachment)});
  }
}

ForeignXdpKeeper::~ForeignXdpKeeper() {
  // Where it is still there, or another one has come, this does nothing.
  for (const Kept& kept : kept_) {
    Replace(kept.interface, kept.attachment.program.get(), -1, kept.attachment.mode_flag);
  }
}

}  // namespace guideway
