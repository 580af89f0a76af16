// The BPF objects as they are shipped, and the kernels that they are for: tests/guest boots an old
// one, this test asserts here and now what the old one asks for.
#include <bpf/libbpf.h>

#include <cstdlib>
#include <sstream>

#include "dataplane/decap/attach.h"
#include "dataplane/decap/config.h"
#include "tests/unit/decap/decap_bench.h"

namespace guideway {
namespace {

// Paths of all objects of the build.
std::vector<std::string> Objects() {
  const char* list = std::getenv("BPF_OBJECTS");
  REQUIRE(list != nullptr);
  std::istringstream words(list);
  std::vector<std::string> paths;
  for (std::string path; words >> path;) paths.push_back(path);
  REQUIRE(paths.size() == 3);
  return paths;
}

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

TEST_CASE("every object loads into this kernel") {
  for (const std::string& path : Objects()) {
    INFO(path);
    const Object object(bpf_object__open_file(path.c_str(), nullptr));
    REQUIRE(object != nullptr);
    CHECK(bpf_object__load(object.get()) == 0);
  }
}

// Linux 6.1 forgets the bound of a value whose bytes it swaps.
TEST_CASE("a swapped 16-bit value is masked before it is used") {
  int swaps = 0;
  for (const std::string& path : Objects()) {
    const Object object(bpf_object__open_file(path.c_str(), nullptr));
    REQUIRE(object != nullptr);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.get()) {
      const bpf_insn* code = bpf_program__insns(program);
      const size_t count = bpf_program__insn_cnt(program);
      for (size_t i = 0; i < count; ++i) {
        if (BPF_CLASS(code[i].code) != BPF_ALU || BPF_OP(code[i].code) != BPF_END) continue;
        if (code[i].imm != 16) continue;
        ++swaps;
        INFO(path << ", " << bpf_program__name(program) << ", instruction " << i);
        REQUIRE(i + 1 < count);
        const bpf_insn& next = code[i + 1];
        CHECK(BPF_OP(next.code) == BPF_AND);
        CHECK(BPF_SRC(next.code) == BPF_K);
        CHECK(next.dst_reg == code[i].dst_reg);
        CHECK(next.imm == 0xffff);
      }
    }
  }
  CHECK(swaps >= 5);  // each length that decapsulation reads
}

// What is off is cut out before the verifier looks, so each selection is another program to it.
TEST_CASE("every selection of tunnels loads") {
  DecapBench::Get();
  DecapOptions options;
  options.interface = "lo";
  options.vips = {"198.51.100.7"};
  options.locals = {"10.0.0.1"};
  for (const bool from : {false, true}) {
    for (const auto& l3dsr :
         {std::vector<std::string>{}, {"10=198.51.100.7"}, {"10=198.51.100.7", "10=2001:db8::7"}}) {
      for (const std::vector<uint16_t>& ports :
           {std::vector<uint16_t>{}, {6080, 19523}, {6080, 19523, 1, 65535}}) {
        options.from = from ? std::vector<std::string>{"10.0.1.0/24", "2001:db8::/64"}
                            : std::vector<std::string>{};
        options.l3dsr = l3dsr;
        options.gue_ports = ports;
        const auto config = MakeConfig(options);
        if (!from && l3dsr.empty()) {
          CHECK_FALSE(config.ok());
          continue;
        }
        REQUIRE(config.ok());
        const auto programs = DecapPrograms::Load(*config);
        INFO(programs.status());
        CHECK(programs.ok());
      }
    }
  }
}

}  // namespace
}  // namespace guideway
