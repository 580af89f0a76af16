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

absl::StatusOr<UniqueFd> LockForDecap(const std::string& interface,
                                      const std::string& directory) {
  absl::StatusOr<UniqueFd> lock = TakeNamedLock(directory, absl::StrCat("decap-", interface));
  if (!absl::IsAlreadyExists(lock.status())) return lock;
  return absl::FailedPreconditionError(
      absl::StrCat("another guideway-decap is at work on ", interface, " (",
                   std::string(lock.status().message()), ")"));
}

absl::StatusOr<std::unique_ptr<DecapWatch>> DecapWatch::Start(const DecapOptions& options) {
  std::unique_ptr<DecapWatch> watch(new DecapWatch(options));
  GW_ASSIGN_OR_RETURN(const DecapConfig config, MakeConfig(options));
  GW_ASSIGN_OR_RETURN(watch->lock_, LockForDecap(options.interface, options.lock_directory));
  GW_RETURN_IF_ERROR(watch->Load(config));
  return watch;
}

absl::Status DecapWatch::Load(const DecapConfig& config) {
  GW_ASSIGN_OR_RETURN(std::unique_ptr<DecapPrograms> programs, DecapPrograms::Load(config));
  GW_RETURN_IF_ERROR(programs->Attach());
  programs_ = std::move(programs);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> DecapWatch::Look() {
  std::vector<std::string> lines;
  GW_ASSIGN_OR_RETURN(const DecapConfig config, MakeConfig(options_));
  const bool anew = config.interface_index != programs_->config().interface_index;
  if (anew || config.next_hop_index != programs_->config().next_hop_index) {
    // The programs of a deleted interface have gone with it. The number of the next hop's interface
    // is a constant of the program.
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

void DecapWatch::LookAtHost(std::vector<std::string>* lines) {
  const auto findings = Check({.interface = options_.interface,
                               .vips = programs_->config().vips,
                               .l2 = false,
                               .vips_given = !options_.vips.empty(),
                               .watched = true});
  if (!findings.ok()) return;  // the interface has gone: the next look says so
  std::vector<std::string> wrong;
  for (const Finding& finding : *findings) {
    wrong.push_back(finding.problem);
    if (Contains(wrong_, finding.problem)) continue;
    lines->push_back(absl::StrCat("wrong: ", finding.problem, "; mend: ", CommandText(finding)));
  }
  for (const std::string& before : wrong_) {
    if (!Contains(wrong, before)) lines->push_back(absl::StrCat("no longer wrong: ", before));
  }
  wrong_ = std::move(wrong);
}

absl::Status DecapWatch::Detach() {
  if (!InterfaceIndex("--interface", options_.interface).ok()) return absl::OkStatus();
  const absl::Status detached = DetachDecap(options_.interface);
  return absl::IsNotFound(detached) ? absl::OkStatus() : detached;
}

}  // namespace guideway
