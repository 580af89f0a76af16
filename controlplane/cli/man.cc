// See man.h.
#include "controlplane/cli/man.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/cli/tree.h"

namespace guideway::cli {

namespace {

// Text that roff prints as it is.
std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      // A control line begins with one of these.
      if (out.empty() && (c == '.' || c == '\'')) out += "\\&";
      out += c;
    }
  }
  return out;
}

std::string Bold(const std::string& text) { return absl::StrCat("\\fB", Escape(text), "\\fR"); }
std::string Italic(const std::string& text) { return absl::StrCat("\\fI", Escape(text), "\\fR"); }

std::string ValueText(const OptionInfo& option) {
  if (!option.choices.empty()) return absl::StrJoin(option.choices, "|");
  return option.type;
}

std::string Synopsis(const CommandInfo& command) {
  std::string text = Bold(absl::StrCat("guideway ", command.path));
  for (const OptionInfo& positional : command.positionals) {
    absl::StrAppend(&text, positional.required ? " " : " [", Italic(ValueText(positional)),
                    positional.required ? "" : "]");
  }
  for (const OptionInfo& option : command.options) {
    std::string value = option.type.empty() ? "" : " " + Italic(ValueText(option));
    if (option.value_optional) value = " [" + Italic(ValueText(option)) + "]";
    absl::StrAppend(&text, option.required ? " " : " [", Bold(option.spellings[0]), value,
                    option.required ? "" : "]");
  }
  return text;
}

std::string Entry(const OptionInfo& option) {
  std::vector<std::string> names;
  for (const std::string& spelling : option.spellings) names.push_back(Bold(spelling));
  std::string head = absl::StrJoin(names, ", ");
  if (!option.type.empty()) {
    absl::StrAppend(&head, head.empty() ? "" : " ", Italic(ValueText(option)));
  }
  const std::string standard =
      option.default_value.empty() ? "" : absl::StrCat(" Default: ", option.default_value, ".");
  return absl::StrCat(".TP\n", head, "\n", Escape(absl::StrCat(option.help, ".", standard)), "\n");
}

std::string Entries(const CommandInfo& command, bool program_only) {
  std::string text;
  for (const OptionInfo& positional : command.positionals) text += Entry(positional);
  for (const OptionInfo& option : command.options) {
    if (option.program_only == program_only) text += Entry(option);
  }
  return text;
}

constexpr char kDescription[] = R"roff(.SH DESCRIPTION
Operates a Guideway load balancer: talks to
.BR guideway\-controlplane (8)
over its Unix socket.
Every change lasts over a restart of the control plane, until the configuration file of the control
plane itself changes.
)roff";

constexpr char kEnd[] = R"roff(.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
Refused or failed; the reason is on standard error.
.TP
.B 2
Wrong usage.
.TP
.B 3
The control plane is not reachable or does not answer within 10 s.
.TP
.B 4
.B guideway status
says NOT WELL.
.SH FILES
.TP
.I /run/guideway/controlplane.sock
The control plane's socket.
.TP
.I ~/.guideway_history
What was typed in
.BR "guideway shell" .
.SH SEE ALSO
.BR guideway\-controlplane (8),
.BR guideway\-dataplane (8)
)roff";

}  // namespace

std::string ManPage(const CLI::App& app) {
  const std::vector<CommandInfo> commands = ReadTree(app);
  std::string page = absl::StrCat(
      ".\\\" Made from the command tree in controlplane/cli; do not edit.\n"
      ".TH GUIDEWAY 1 \"2026-11-21\" \"Guideway " GUIDEWAY_VERSION
      "\" \"Guideway\"\n"
      ".SH NAME\nguideway \\- operate a Guideway load balancer\n"
      ".SH SYNOPSIS\n.B guideway\n[\\fIOPTION\\fR]... \\fICOMMAND\\fR ...\n.br\n.B guideway\n"
      "[\\fIOPTION\\fR]... \\fB\\-f\\fR \\fIFILE\\fR [\\fB\\-\\-keep\\-going\\fR]\n",
      kDescription, ".SH OPTIONS\nThey may stand before or behind the command.\n",
      ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrint help and exit.\n", Entries(commands[0], false),
      ".SS Without a command\n", Entries(commands[0], true), ".SH COMMANDS\n");
  for (const CommandInfo& command : commands) {
    if (command.path.empty()) continue;
    if (!command.children.empty()) {
      absl::StrAppend(&page, ".SS ", Escape(command.help), "\n");
      continue;
    }
    absl::StrAppend(&page, ".TP\n", Synopsis(command), "\n", Escape(command.help), ".\n");
    const std::string entries = Entries(command, false);
    if (!entries.empty()) absl::StrAppend(&page, ".RS\n", entries, ".RE\n");
  }
  return page + kEnd;
}

}  // namespace guideway::cli
