// XDP programs on an interface: whose they are, and putting ours there and taking it off without
// touching another tool's.
//
// The kernel keeps a program on its interface whatever becomes of the process that put it there, so
// a program is ours by its name, not by who holds it. An interface has one program at most, in the
// driver (native) or behind it (generic), and maybe one more in the NIC (offloaded). Thread safety:
// functions without state, each a few netlink and bpf() calls.
#ifndef GUIDEWAY_DATAPLANE_BPF_ATTACHMENT_H_
#define GUIDEWAY_DATAPLANE_BPF_ATTACHMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/unique_fd.h"

namespace guideway {

struct XdpAttachment {
  uint32_t id = 0;         // the kernel's, unique until the next boot
  uint32_t mode_flag = 0;  // XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE or XDP_FLAGS_HW_MODE
  std::string name;        // empty if this process may not ask for it
  UniqueFd program;        // invalid if `name` is empty
};

struct Interface {
  std::string name;
  int index = 0;
};

// "'name' (id 12, generic mode)".
std::string ToString(const XdpAttachment& attachment);

absl::StatusOr<std::string> ProgramName(int program_fd);
// PermissionDenied for programs that this process has not open already, without CAP_SYS_ADMIN.
absl::StatusOr<UniqueFd> OpenProgram(uint32_t id);

// All programs on the interface.
absl::StatusOr<std::vector<XdpAttachment>> XdpAttachments(const Interface& interface);

// Puts down that the program of this id, which is attached, is ours, for a process that may not ask
// for names: /run/guideway/xdp-INTERFACE. Does nothing if this one may.
absl::Status RecordXdp(const Interface& interface, uint32_t id);

// The one that has one of the names, or was recorded if names may not be asked for; none: no
// program is there. AlreadyExists, naming the program and how to remove it, if there is one of
// another tool.
absl::StatusOr<std::optional<XdpAttachment>> OwnXdp(const Interface& interface,
                                                    absl::Span<const char* const> own_names);

// Puts `program_fd` on the interface: in place of `own` if it is there still, else if there is
// none. The modes are tried in turn; 0 is the kernel's choice, the driver if it can. If `own`,
// which is in another mode, has to go first and nothing else can be attached, it is put back.
// AlreadyExists if another program has come.
absl::Status AttachXdp(const Interface& interface, int program_fd, absl::Span<const uint32_t> modes,
                       const XdpAttachment* own);

// Takes off that program and no other one. NotFound if it is not there any more.
absl::Status DetachXdp(const Interface& interface, const XdpAttachment& attachment);

// Programs of other tools survive somebody who takes off what he finds: DPDK's AF_XDP driver does
// when it closes a device. What was there when Remember() was called and is not when the object
// ends is put back.
class ForeignXdpKeeper {
 public:
  explicit ForeignXdpKeeper(std::vector<std::string> own_names)
      : own_names_(std::move(own_names)) {}
  ~ForeignXdpKeeper();
  ForeignXdpKeeper(const ForeignXdpKeeper&) = delete;
  ForeignXdpKeeper& operator=(const ForeignXdpKeeper&) = delete;

  void Remember(const std::string& interface_name);

 private:
  struct Kept {
    Interface interface;
    XdpAttachment attachment;
  };
  const std::vector<std::string> own_names_;
  std::vector<Kept> kept_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_BPF_ATTACHMENT_H_
