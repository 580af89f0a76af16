// See flag_problems.h.
#include "controlplane/flag_problems.h"

#include <gflags/gflags.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/version_store.h"

namespace guideway {
namespace {

// Flags of gflags' own that read others; it reports on them itself.
bool ReadsOtherFlags(const std::string& name) {
  return name == "flagfile" || name == "fromenv" || name == "tryfromenv" || name == "undefok";
}

bool IsBool(const std::string& name) {
  gflags::CommandLineFlagInfo info;
  return gflags::GetCommandLineFlagInfo(name.c_str(), &info) && info.type == "bool";
}

bool IsKnown(const std::string& name) {
  gflags::CommandLineFlagInfo info;
  return gflags::GetCommandLineFlagInfo(name.c_str(), &info);
}

// `value`: null if nothing stands behind the name and it does not need it.
std::string WrongWith(const std::string& name, const std::string* value) {
  if (!IsKnown(name)) return absl::StrCat("unknown command line flag '", name, "'");
  if (value == nullptr || ReadsOtherFlags(name)) return "";
  if (!gflags::SetCommandLineOption(name.c_str(), value->c_str()).empty()) return "";
  return absl::StrCat("--", name, ": '", *value, "' makes no sense");
}

}  // namespace

std::vector<std::string> TakeOutBadFlags(int* argc, char** argv) {
  std::vector<std::string> problems;
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    const std::string argument = argv[i];
    if (argument.size() < 2 || argument[0] != '-' || argument == "--") {
      problems.push_back(absl::StrCat("unexpected argument ", argument));
      continue;
    }
    std::string name = argument.substr(absl::StartsWith(argument, "--") ? 2 : 1);
    const int first = i;
    std::string value;
    bool has_value = false;
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
      has_value = true;
    } else if (!IsKnown(name) && absl::StartsWith(name, "no") && IsBool(name.substr(2))) {
      name = name.substr(2);
    } else if (IsKnown(name) && !IsBool(name)) {
      if (i + 1 == *argc) {
        problems.push_back(absl::StrCat("--", name, ": its value is missing"));
        continue;
      }
      value = argv[++i];
      has_value = true;
    }
    const std::string wrong = WrongWith(name, has_value ? &value : nullptr);
    if (!wrong.empty()) {
      problems.push_back(wrong);
      continue;
    }
    for (int j = first; j <= i; ++j) argv[kept++] = argv[j];
  }
  *argc = kept;
  argv[kept] = nullptr;
  return problems;
}

bool HasKeptVersions(const std::string& state_directory) {
  return !VersionStore(state_directory).List().empty();
}

}  // namespace guideway
