#include "dataplane/decap/tc_filter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <string>

#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr char kProgramName[] = "guideway_hops";
constexpr uint32_t kHandle = 1, kPriority = 6080;

bpf_tc_opts Place() {
  bpf_tc_opts options{};
  options.sz = sizeof(options);
  options.handle = kHandle;
  options.priority = kPriority;
  return options;
}

bpf_tc_hook Hook(const Interface& interface) {
  bpf_tc_hook hook{};
  hook.sz = sizeof(hook);
  hook.ifindex = interface.index;
  hook.attach_point = BPF_TC_INGRESS;
  return hook;
}

}  // namespace

absl::StatusOr<uint32_t> OwnTcFilter(const Interface& interface) {
  const bpf_tc_hook hook = Hook(interface);
  bpf_tc_opts place = Place();
  const int error = bpf_tc_query(&hook, &place);
  // No such filter, no clsact qdisc, no qdisc at all.
  if (error == -ENOENT || error == -EINVAL || error == -ENODEV || error == -EOPNOTSUPP) return 0;
  if (error != 0) {
    return ErrnoStatus(-error, absl::StrCat("asking for the tc program of ", interface.name));
  }
  std::string name = "unknown";
  const absl::StatusOr<UniqueFd> program = OpenProgram(place.prog_id);
  if (program.ok()) {
    GW_ASSIGN_OR_RETURN(name, ProgramName(program->get()));
  } else if (absl::IsNotFound(program.status())) {
    return 0;  // it has gone in between
  } else if (!absl::IsPermissionDenied(program.status())) {
    return program.status();
  }
  if (name == kProgramName) return place.prog_id;
  return absl::AlreadyExistsError(
      absl::StrCat(interface.name, " has the tc program '", name, "' (id ", place.prog_id,
                   ") of another tool in the place of this one's. To remove it: tc filter del dev ",
                   interface.name, " ingress pref ", kPriority));
}

absl::Status AttachTcFilter(const Interface& interface, int program_fd) {
  GW_RETURN_IF_ERROR(OwnTcFilter(interface).status());
  bpf_tc_hook hook = Hook(interface);
  int error = bpf_tc_hook_create(&hook);
  if (error != 0 && error != -EEXIST) {
    return ErrnoStatus(-error, absl::StrCat("creating the clsact qdisc of ", interface.name));
  }
  bpf_tc_opts options = Place();
  options.prog_fd = program_fd;
  options.flags = BPF_TC_F_REPLACE;
  error = bpf_tc_attach(&hook, &options);
  if (error == 0) return absl::OkStatus();
  return ErrnoStatus(-error, absl::StrCat("attaching the tc program to ", interface.name,
                                          " with priority ", kPriority));
}

absl::Status DetachTcFilter(const Interface& interface) {
  const absl::StatusOr<uint32_t> own = OwnTcFilter(interface);
  if (absl::IsAlreadyExists(own.status())) return absl::OkStatus();
  if (!own.ok() || *own == 0) return own.status();
  const bpf_tc_hook hook = Hook(interface);
  const bpf_tc_opts place = Place();
  const int error = bpf_tc_detach(&hook, &place);
  if (error == 0 || error == -ENOENT || error == -EINVAL) return absl::OkStatus();
  return ErrnoStatus(-error, absl::StrCat("detaching the tc program from ", interface.name));
}

}  // namespace guideway
