// An XDP or tc program that another tool might have put on an interface: passes everything.
//
// Also a shell for the test's own network namespace. One thread.
#ifndef GUIDEWAY_TESTS_UNIT_DATAPLANE_OTHER_TOOL_H_
#define GUIDEWAY_TESTS_UNIT_DATAPLANE_OTHER_TOOL_H_

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "dataplane/bpf/attachment.h"
#include "lib/base/unique_fd.h"

namespace guideway {

inline void Shell(const std::string& command) {
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

inline UniqueFd OtherProgram(const char* name, bpf_prog_type type = BPF_PROG_TYPE_XDP) {
  const int verdict = type == BPF_PROG_TYPE_XDP ? 2 /* XDP_PASS */ : -1 /* TC_ACT_UNSPEC */;
  const bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = verdict},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  UniqueFd program(bpf_prog_load(type, name, "GPL", code, 2, nullptr));
  REQUIRE(program.valid());
  return program;
}

// The interface as the library knows it.
inline Interface Named(const std::string& name) {
  return {name, static_cast<int>(if_nametoindex(name.c_str()))};
}

// Another tool's way: whatever is there is replaced.
inline UniqueFd AttachOther(const std::string& interface, const char* name, uint32_t mode_flag) {
  UniqueFd program = OtherProgram(name);
  REQUIRE(bpf_xdp_attach(Named(interface).index, program.get(), mode_flag, nullptr) == 0);
  return program;
}

// The names of the programs on the interface.
inline std::string OnInterface(const std::string& interface) {
  const auto found = XdpAttachments(Named(interface));
  REQUIRE(found.ok());
  std::string names;
  for (const XdpAttachment& one : *found) {
    names += (names.empty() ? "" : " ") + one.name +
             (one.mode_flag == XDP_FLAGS_SKB_MODE ? "/generic" : "/native");
  }
  return names;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_DATAPLANE_OTHER_TOOL_H_
