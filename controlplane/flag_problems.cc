// See flag_problems.h.
#include "controlplane/flag_problems.h"

#include <fnmatch.h>
#include <gflags/gflags.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/version_store.h"
#include "lib/base/regular_file.h"

namespace guideway {
namespace {

// Files and variables that name others: so deep at most.
constexpr int kDeepest = 8;
constexpr uint64_t kLargestFile = 1 << 20;

bool IsBool(const std::string& name) {
  gflags::CommandLineFlagInfo info;
  return gflags::GetCommandLineFlagInfo(name.c_str(), &info) && info.type == "bool";
}

bool IsKnown(const std::string& name) {
  gflags::CommandLineFlagInfo info;
  return gflags::GetCommandLineFlagInfo(name.c_str(), &info);
}

struct Flag {
  std::string name;
  std::optional<std::string> value;
};

// Without the value that may stand in the next argument.
Flag Split(const std::string& argument) {
  Flag flag{argument.substr(absl::StartsWith(argument, "--") ? 2 : 1), std::nullopt};
  if (const size_t equals = flag.name.find('='); equals != std::string::npos) {
    flag.value = flag.name.substr(equals + 1);
    flag.name.resize(equals);
  } else if (!IsKnown(flag.name) && absl::StartsWith(flag.name, "no") &&
             IsBool(flag.name.substr(2))) {
    flag = {flag.name.substr(2), "false"};
  }
  return flag;
}

class BadFlags {
 public:
  void TakeOut(const std::vector<std::string>& arguments);
  std::vector<std::string> good, problems;

 private:
  void Take(const Flag& flag, int depth);
  void TakeFile(const std::string& path, int depth);
  void TakeVariable(const std::string& name, bool must_be_there, int depth);
  void Wrong(const std::string& what) { problems.push_back(what); }
};

void BadFlags::TakeOut(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].size() < 2 || arguments[i][0] != '-' || arguments[i] == "--") {
      Wrong(absl::StrCat("unexpected argument ", arguments[i]));
      continue;
    }
    Flag flag = Split(arguments[i]);
    if (!flag.value.has_value() && IsKnown(flag.name) && !IsBool(flag.name) &&
        i + 1 < arguments.size()) {
      flag.value = arguments[++i];
    }
    Take(flag, 0);
  }
}

void BadFlags::Take(const Flag& flag, int depth) {
  const auto& [name, value] = flag;
  if (!IsKnown(name)) return Wrong(absl::StrCat("unknown command line flag '", name, "'"));
  if (!value.has_value() && !IsBool(name)) {
    return Wrong(absl::StrCat("--", name, ": its value is missing"));
  }
  if (depth > kDeepest) return Wrong(absl::StrCat("--", name, ": is nested too deep"));
  if (name == "flagfile" || name == "fromenv" || name == "tryfromenv") {
    for (const auto named : absl::StrSplit(*value, ',', absl::SkipEmpty())) {
      if (name == "flagfile") {
        TakeFile(std::string(named), depth + 1);
      } else {
        TakeVariable(std::string(named), name == "fromenv", depth);
      }
    }
    return;
  }
  if (value.has_value() && name != "undefok" &&
      gflags::SetCommandLineOption(name.c_str(), value->c_str()).empty()) {
    return Wrong(absl::StrCat("--", name, ": '", *value, "' makes no sense"));
  }
  good.push_back(value.has_value() ? absl::StrCat("--", name, "=", *value)
                                   : absl::StrCat("--", name));
}

// As gflags reads it: a flag a line, comments, and lines of patterns of the names of the programs
// that the flags behind them are for.
void BadFlags::TakeFile(const std::string& path, int depth) {
  if (depth > kDeepest) return Wrong(absl::StrCat("--flagfile: ", path, ": is nested too deep"));
  const auto text = ReadRegularFile(path, {.max_bytes = kLargestFile});
  if (!text.ok()) {
    return Wrong(absl::StrCat("--flagfile: ", std::string(text.status().message())));
  }
  bool for_us = true, after_patterns = false;
  for (const auto raw : absl::StrSplit(*text, '\n')) {
    const std::string line(absl::StripAsciiWhitespace(raw));
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '-') {
      after_patterns = false;
      if (for_us) Take(Split(line), depth);
      continue;
    }
    if (!std::exchange(after_patterns, true)) for_us = false;
    const std::vector<std::string> patterns = absl::StrSplit(line, ' ', absl::SkipEmpty());
    for (const std::string& pattern : patterns) {
      for (const char* program : {program_invocation_name, program_invocation_short_name}) {
        for_us = for_us || fnmatch(pattern.c_str(), program, FNM_PATHNAME) == 0;
      }
    }
  }
}

void BadFlags::TakeVariable(const std::string& name, bool must_be_there, int depth) {
  const std::string variable = absl::StrCat("FLAGS_", name);
  const char* value = getenv(variable.c_str());
  if (value != nullptr) return Take({name, value}, depth + 1);
  if (must_be_there) Wrong(absl::StrCat("--fromenv: ", variable, ": is not in the environment"));
}

}  // namespace

std::vector<std::string> TakeOutBadFlags(std::vector<std::string>* arguments) {
  BadFlags flags;
  flags.TakeOut({arguments->begin() + 1, arguments->end()});
  arguments->resize(1);
  arguments->insert(arguments->end(), flags.good.begin(), flags.good.end());
  return std::move(flags.problems);
}

bool HasKeptVersions(const std::string& state_directory) {
  return VersionStore(state_directory).HasAny();
}

}  // namespace guideway
