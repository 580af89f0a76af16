// guideway-decap: takes tunnels apart on a backend. docs/backends.md.
//
// Exit codes: 0 all is well, 1 something is wrong, 2 wrong usage.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "dataplane/decap/attach.h"
#include "dataplane/decap/checks.h"
#include "dataplane/decap/config.h"
#include "dataplane/decap/signals.h"
#include "dataplane/decap/stats.h"
#include "dataplane/decap/watch.h"
#include "lib/base/clock.h"
#include "lib/base/standard_descriptors.h"
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
  Say(STDERR_FILENO, absl::StrCat("guideway-decap: ", std::string(status.message())));
  const bool usage = status.code() == absl::StatusCode::kInvalidArgument;
  return usage ? kUsage : kWrong;
}

constexpr absl::Duration kLookEvery = absl::Seconds(1);
// What is gone may be on its way back; whoever started this is told in time that it is not.
constexpr absl::Duration kGiveUpAfter = absl::Seconds(5);

int Pin(const Options& options) {
  const absl::StatusOr<std::unique_ptr<DecapWatch>> watch = DecapWatch::Start(options.decap);
  if (!watch.ok()) return Fail(watch.status());
  Say(STDOUT_FILENO, absl::StrCat("attached to ", options.decap.interface));
  return kOk;
}

// One look. False if it is time to give up.
bool LookAgain(DecapWatch* watch, absl::Status* trouble, absl::Duration* served) {
  const absl::StatusOr<std::vector<std::string>> lines = watch->Look();
  if (lines.ok()) {
    *served = MonotonicNow();
    if (!trouble->ok()) Say(STDOUT_FILENO, "serving again");
    *trouble = absl::OkStatus();
    for (const std::string& line : *lines) Say(STDOUT_FILENO, line);
    return true;
  }
  if (lines.status() != *trouble) {
    *trouble = lines.status();
    Say(STDERR_FILENO, absl::StrCat("serving nothing: ", std::string(trouble->message())));
  }
  return !absl::IsAlreadyExists(*trouble) && MonotonicNow() - *served < kGiveUpAfter;
}

// Until a signal asks for the end, or nothing can be served.
int Run(const Options& options) {
  const absl::StatusOr<UniqueFd> signals = DecideSignals();
  if (!signals.ok()) return Fail(signals.status());
  if (options.pin) return Pin(options);
  const absl::StatusOr<std::unique_ptr<DecapWatch>> watch = DecapWatch::Start(options.decap);
  if (!watch.ok()) return Fail(watch.status());
  Say(STDOUT_FILENO, absl::StrCat("attached to ", options.decap.interface));
  absl::Status trouble;
  absl::Duration served = MonotonicNow();
  while (LookAgain(watch->get(), &trouble, &served)) {
    const SignalMeaning signal = WaitForSignal(*signals, kLookEvery);
    if (signal == SignalMeaning::kEnd) {
      const absl::Status detached = (*watch)->Detach();
      return detached.ok() ? kOk : Fail(detached);
    }
  }
  const absl::Status detached = (*watch)->Detach();
  if (!detached.ok()) Fail(detached);
  return Fail(absl::UnavailableError(
      absl::StrCat("ends, because nothing is served: ", std::string(trouble.message()))));
}

absl::StatusOr<std::vector<Finding>> FindWhatIsWrong(const Options& options) {
  GW_ASSIGN_OR_RETURN(std::vector<IpAddress> vips, VipsOf(options.decap));
  return Check({options.decap.interface, std::move(vips), options.l2, !options.decap.vips.empty()});
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

// Programs that are not attached have no counters, but who collects metrics is told so: an old file
// would go on saying that all is well.
std::string PrometheusText(const Options& options, const absl::StatusOr<VerdictCounts>& counts) {
  const auto findings = FindWhatIsWrong(options);
  return absl::StrCat(HealthToPrometheus(options.decap.interface, counts.ok(),
                                         findings.ok() ? findings->size() : 1),
                      counts.ok() ? ToPrometheus(options.decap.interface, *counts) : std::string());
}

int Stats(const Options& options) {
  const auto counts = ReadAttached(options.decap.interface);
  const bool prometheus = options.output == "prometheus";
  if (!counts.ok() && !prometheus) return Fail(counts.status());
  const std::string text = prometheus                 ? PrometheusText(options, counts)
                           : options.output == "json" ? ToJson(options.decap.interface, *counts)
                                                      : ToTable(*counts);
  if (options.file.empty()) {
    std::cout << text;
  } else {
    const absl::Status written = WriteAtomically(options.file, text);
    if (!written.ok()) return Fail(written);
  }
  return counts.ok() ? kOk : Fail(counts.status());
}

int Detach(const Options& options) {
  const absl::StatusOr<unsigned> index = InterfaceIndex("--interface", options.decap.interface);
  if (!index.ok()) return Fail(index.status());
  const Interface interface { options.decap.interface, static_cast<int>(*index) };
  std::string unlocked;  // is not worth a word for a moment's work
  const absl::StatusOr<UniqueFd> lock =
      LockForDecap(interface, options.decap.lock_directory, &unlocked);
  // What is taken off under a run is attached again by it.
  if (!lock.ok()) {
    return Fail(Annotate(lock.status(), "end `guideway-decap run` instead"));
  }
  const absl::Status status = DetachDecap(interface);
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
  const absl::Status descriptors = OpenStandardDescriptors();
  if (!descriptors.ok()) return Fail(descriptors);
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
  for (CLI::App* with_vips : {run, check, setup, stats}) {
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
