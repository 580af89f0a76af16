// Comparing what was set up with what is.
#include "dataplane/decap/watch.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "dataplane/decap/checks.h"
#include "lib/base/named_lock.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

absl::StatusOr<UniqueFd> LockForDecap(const Interface& interface, const std::string& directory,
                                      std::string* problem) {
  absl::StatusOr<UniqueFd> lock =
      TakeNamedLock(directory, absl::StrCat("decap-", interface.index), problem);
  if (!absl::IsAlreadyExists(lock.status())) return lock;
  return absl::FailedPreconditionError(absl::StrCat("another guideway-decap is at work on ",
                                                    interface.name, " (",
                                                    std::string(lock.status().message()), ")"));
}

absl::StatusOr<std::unique_ptr<DecapWatch>> DecapWatch::Start(const DecapOptions& options) {
  std::unique_ptr<DecapWatch> watch(new DecapWatch(options));
  GW_ASSIGN_OR_RETURN(const DecapConfig config, MakeConfig(options));
  GW_RETURN_IF_ERROR(watch->Load(config));
  return watch;
}

absl::Status DecapWatch::Load(const DecapConfig& config) {
  const bool another =
      programs_ == nullptr || programs_->config().interface_index != config.interface_index;
  UniqueFd lock;
  std::string lock_problem;
  if (another) {
    GW_ASSIGN_OR_RETURN(lock,
                        LockForDecap({config.interface, static_cast<int>(config.interface_index)},
                                     options_.lock_directory, &lock_problem));
  }
  GW_ASSIGN_OR_RETURN(std::unique_ptr<DecapPrograms> programs, DecapPrograms::Load(config));
  GW_RETURN_IF_ERROR(programs->Attach());
  // The interface before this one may be there still, under another name. It served until now.
  const absl::Status detached = another && programs_ != nullptr ? Detach() : absl::OkStatus();
  programs_ = std::move(programs);
  if (another) {
    lock_ = std::move(lock);
    lock_problem_ = std::move(lock_problem);
  }
  return detached;
}

absl::StatusOr<std::vector<std::string>> DecapWatch::Look() {
  std::vector<std::string> lines;
  const DecapConfig& running = programs_->config();
  GW_ASSIGN_OR_RETURN(const DecapConfig config, MakeConfig(options_, &running));
  const bool anew = config.interface_index != running.interface_index;
  if (anew || config.next_hop_index != running.next_hop_index) {
    // The number of the next hop's interface is a constant of the program.
    GW_RETURN_IF_ERROR(Load(config));
    lines.push_back(absl::StrCat(anew ? config.interface : options_.next_hop_interface,
                                 " was made anew: attached again, counters begin at 0"));
  } else {
    GW_ASSIGN_OR_RETURN(lines, programs_->Update(config));
    GW_ASSIGN_OR_RETURN(const std::vector<std::string> missing, programs_->Missing());
    if (!missing.empty()) {
      GW_RETURN_IF_ERROR(programs_->Attach());
      lines.push_back(absl::StrCat(config.interface, " had lost ", absl::StrJoin(missing, " and "),
                                   ": attached again"));
    }
  }
  LookAtHost(&lines);
  return lines;
}

// What is served, but not what the options say.
std::vector<Finding> DecapWatch::LookAtNames() const {
  const DecapConfig& running = programs_->config();
  std::vector<Finding> findings;
  if (!lock_problem_.empty()) findings.push_back({lock_problem_, {}, false});
  if (running.interface != options_.interface) {
    findings.push_back(
        {absl::StrCat("--interface ", options_.interface, " is called ", running.interface,
                      " now: it is served, but a restart would not find it"),
         {"guideway-decap", "run", "--interface", running.interface},
         false});
  }
  const std::string& wanted = options_.next_hop_interface;
  if (wanted.empty() || InterfaceIndex("", wanted).ok()) return findings;
  const std::string name = InterfaceName(running.next_hop_index);
  if (name.empty()) {
    findings.push_back({absl::StrCat("--next-hop-interface ", wanted,
                                     " is gone: packets for other backends are lost until it is "
                                     "there again"),
                        {},
                        false});
  } else {
    findings.push_back({absl::StrCat("--next-hop-interface ", wanted, " is called ", name,
                                     " now: it is used, but a restart would not find it"),
                        {"guideway-decap", "run", "--next-hop-interface", name},
                        false});
  }
  return findings;
}

void DecapWatch::LookAtHost(std::vector<std::string>* lines) {
  auto findings = Check({.interface = programs_->config().interface,
                         .vips = programs_->config().vips,
                         .l2 = false,
                         .vips_given = !options_.vips.empty(),
                         .watched = true});
  if (!findings.ok()) return;  // the interface has gone: the next look says so
  for (Finding& finding : LookAtNames()) findings->push_back(std::move(finding));
  std::vector<std::string> wrong;
  for (const Finding& finding : *findings) {
    wrong.push_back(finding.problem);
    if (Contains(wrong_, finding.problem)) continue;
    const std::string mend = finding.command.empty() ? "" : "; mend: " + CommandText(finding);
    lines->push_back(absl::StrCat("wrong: ", finding.problem, mend));
  }
  for (const std::string& before : wrong_) {
    if (!Contains(wrong, before)) lines->push_back(absl::StrCat("no longer wrong: ", before));
  }
  wrong_ = std::move(wrong);
}

absl::Status DecapWatch::Detach() {
  const unsigned index = programs_->config().interface_index;
  const std::string name = InterfaceName(index);
  if (name.empty()) return absl::OkStatus();
  const absl::Status detached = DetachDecap({name, static_cast<int>(index)});
  return absl::IsNotFound(detached) ? absl::OkStatus() : detached;
}

}  // namespace guideway
