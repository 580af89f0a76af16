// guideway-decap: takes tunnels apart on a backend. docs/backends.md.
//
// Exit codes: 0 all is well, 1 something is wrong, 2 wrong usage.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "dataplane/decap/attach.h"
#include "dataplane/decap/checks.h"
#include "dataplane/decap/config.h"
#include "dataplane/decap/stats.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

enum ExitCode { kOk = 0, kWrong = 1, kUsage = 2 };

struct Options {
  DecapOptions decap;
  bool pin = false;
  bool l2 = false;
  std::string output = "text";
  std::string file;
};

int Fail(const absl::Status& status) {
  std::cerr << "guideway-decap: " << std::string(status.message()) << "\n";
  const bool usage = status.code() == absl::StatusCode::kInvalidArgument;
  return usage ? kUsage : kWrong;
}

// Until a signal asks for the end. Signals are blocked from before the attachment on.
int Run(const Options& options) {
  const absl::StatusOr<DecapConfig> config = MakeConfig(options.decap);
  if (!config.ok()) return Fail(config.status());
  const auto programs = DecapPrograms::Load(*config);
  if (!programs.ok()) return Fail(programs.status());
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  const absl::Status attached = (*programs)->Attach();
  if (!attached.ok()) return Fail(attached);
  std::cout << "attached to " << config->interface << std::endl;
  if (options.pin) return kOk;
  int number = 0;
  sigwait(&ends, &number);
  const absl::Status detached = DetachDecap(config->interface);
  return detached.ok() ? kOk : Fail(detached);
}

absl::StatusOr<std::vector<Finding>> FindWhatIsWrong(const Options& options) {
  GW_ASSIGN_OR_RETURN(std::vector<IpAddress> vips, VipsOf(options.decap));
  return Check({options.decap.interface, std::move(vips), options.l2});
}

int CheckHost(const Options& options) {
  const auto findings = FindWhatIsWrong(options);
  if (!findings.ok()) return Fail(findings.status());
  if (options.l2) {
    std::cout << "l2: needs nothing but the VIPs on lo and the ARP settings, no programs\n";
  }
  for (const Finding& finding : *findings) {
    std::cout << "wrong: " << finding.problem << "\n  mend: " << CommandText(finding) << "\n";
  }
  if (findings->empty()) std::cout << "all is well\n";
  return findings->empty() ? kOk : kWrong;
}

int SetUp(const Options& options) {
  const auto findings = FindWhatIsWrong(options);
  if (!findings.ok()) return Fail(findings.status());
  int code = kOk;
  for (const Finding& finding : *findings) {
    if (!finding.automatic) {
      std::cout << "left: " << finding.problem << "\n  mend: " << CommandText(finding) << "\n";
      continue;
    }
    std::cout << "mended: " << finding.problem << "\n  by: " << CommandText(finding) << std::endl;
    const absl::Status mended = Mend(finding);
    if (!mended.ok()) code = Fail(mended);
  }
  if (findings->empty()) std::cout << "nothing to do\n";
  return code;
}

int Stats(const Options& options) {
  const auto counts = ReadAttached(options.decap.interface);
  if (!counts.ok()) return Fail(counts.status());
  const std::string text = options.output == "json" ? ToJson(options.decap.interface, *counts)
                           : options.output == "prometheus"
                               ? ToPrometheus(options.decap.interface, *counts)
                               : ToTable(*counts);
  if (options.file.empty()) {
    std::cout << text;
    return kOk;
  }
  const absl::Status written = WriteAtomically(options.file, text);
  return written.ok() ? kOk : Fail(written);
}

int Detach(const Options& options) {
  const absl::Status status = DetachDecap(options.decap.interface);
  return status.ok() ? kOk : Fail(status);
}

void AddRunOptions(CLI::App* run, Options* options) {
  DecapOptions& decap = options->decap;
  run->add_option("--from", decap.from, "prefix or address of balancers that tunnel to this host");
  run->add_option("--local", decap.locals,
                  "address that tunnels end at; default: all of this host but VIPs");
  run->add_option("--gue-port", decap.gue_ports, "UDP port of GUE; default: 6080");
  run->add_option("--l3dsr", decap.l3dsr, "DSCP=VIP: what a DSCP stands for");
  run->add_option("--next-hop-interface", decap.next_hop_interface,
                  "interface towards the other backends, for second chance; default: --interface");
  run->add_option("--mode", decap.mode, "auto, native or generic XDP; default: auto");
  run->add_flag("--pin", options->pin, "end at once and leave the programs attached");
}

int Main(int argc, char** argv) {
  CLI::App app("Takes tunnels of a Guideway load balancer apart on a backend.", "guideway-decap");
  app.set_version_flag("--version", GUIDEWAY_VERSION);
  app.require_subcommand(1);
  Options options;
  const auto command = [&](const char* name, const char* help) {
    CLI::App* added = app.add_subcommand(name, help);
    added->add_option("--interface", options.decap.interface, "network interface, such as eth0")
        ->required();
    return added;
  };
  CLI::App* run = command("run", "decapsulate until SIGTERM or SIGINT");
  CLI::App* check = command("check", "tell what this host lacks");
  CLI::App* setup = command("setup", "mend what check finds");
  CLI::App* stats = command("stats", "print the packets by verdict");
  command("detach", "remove the programs from the interface");
  for (CLI::App* with_vips : {run, check, setup}) {
    with_vips->add_option("--vip", options.decap.vips, "VIP; default: the addresses on lo");
  }
  for (CLI::App* with_l2 : {check, setup}) {
    with_l2->add_flag("--l2", options.l2, "the backend is reached by MAC rewrite only");
  }
  AddRunOptions(run, &options);
  stats->add_option("-o,--output", options.output, "text, json or prometheus")
      ->check(CLI::IsMember({"text", "json", "prometheus"}));
  stats->add_option("--file", options.file, "replace this file instead of printing");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (run->parsed()) return Run(options);
  if (check->parsed()) return CheckHost(options);
  if (setup->parsed()) return SetUp(options);
  return stats->parsed() ? Stats(options) : Detach(options);
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) { return guideway::Main(argc, argv); }
