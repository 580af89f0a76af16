// See tree.h.
#include "controlplane/cli/tree.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "controlplane/cli/cli.h"

namespace guideway::cli {

namespace {

OptionInfo ReadOption(const CLI::Option& option) {
  OptionInfo info;
  for (const std::string& name : option.get_snames()) info.spellings.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) info.spellings.push_back("--" + name);
  if (option.get_positional()) info.name = option.get_name(true, false);
  if (option.get_items_expected_max() > 0) info.type = option.get_type_name();
  // CLI::IsMember shows its values as "TEXT:{a,b}".
  const size_t open = info.type.find('{');
  if (open != std::string::npos && info.type.ends_with('}')) {
    info.choices = absl::StrSplit(info.type.substr(open + 1, info.type.size() - open - 2), ',');
    info.type = absl::StrJoin(info.choices, "|");
  } else if (const size_t colon = info.type.find(':'); colon != std::string::npos) {
    info.type.resize(colon);  // a range after the type
  }
  info.help = option.get_description();
  info.default_value = option.get_default_str();
  info.program_only = option.get_group() == kProgramOnly;
  info.required = option.get_required();
  info.value_optional = option.get_items_expected_max() > 0 && option.get_items_expected_min() == 0;
  return info;
}

void Read(const CLI::App& app, const std::string& path, std::vector<CommandInfo>* commands) {
  CommandInfo info;
  info.path = path;
  info.help = app.get_description();
  for (const CLI::Option* option : app.get_options()) {
    if (option == app.get_help_ptr()) continue;
    OptionInfo read = ReadOption(*option);
    // What may also be given by name ("-f FILE") is shown once, by its place.
    const bool by_place = option->get_positional();
    if (by_place) read.spellings.clear();
    (by_place ? info.positionals : info.options).push_back(std::move(read));
  }
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : children) {
    if (!child->get_group().empty()) info.children.push_back(child->get_name());
  }
  commands->push_back(std::move(info));
  for (const CLI::App* child : children) {
    if (child->get_group().empty()) continue;
    Read(*child, absl::StrCat(path, path.empty() ? "" : " ", child->get_name()), commands);
  }
}

std::string Usage(const CommandInfo& command) {
  std::string usage = absl::StrCat("guideway ", command.path);
  for (const OptionInfo& positional : command.positionals) {
    absl::StrAppend(&usage, " ", positional.required ? "" : "[", positional.type,
                    positional.required ? "" : "]");
  }
  for (const OptionInfo& option : command.options) {
    std::string text = option.spellings[0];
    if (option.value_optional) {
      absl::StrAppend(&text, " [", option.type, "]");
    } else if (!option.type.empty()) {
      absl::StrAppend(&text, " ", option.type);
    }
    absl::StrAppend(&usage, " ", option.required ? text : absl::StrCat("[", text, "]"));
  }
  return usage;
}

std::string Rows(const std::vector<OptionInfo>& options, bool program_only = false) {
  std::string text;
  for (const OptionInfo& option : options) {
    if (option.program_only != program_only) continue;
    const std::string name =
        option.spellings.empty() ? option.type : absl::StrJoin(option.spellings, ", ");
    absl::StrAppend(&text, "- `", name, "`: ", option.help);
    if (!option.choices.empty()) {
      absl::StrAppend(&text, ". One of `", absl::StrJoin(option.choices, "`, `"), "`");
    }
    if (!option.default_value.empty())
      absl::StrAppend(&text, ". Default: `", option.default_value, "`");
    text += ".\n";
  }
  return text;
}

constexpr char kIntroduction[] = R"page(# The command line

<!-- Made from the command tree in controlplane/cli by `ninja -C build update_docs`; do not edit. -->

`guideway` talks to `guideway-controlplane` over its Unix socket. Every change it makes lasts over a
restart of the control plane, until the configuration FILE of the control plane itself changes.

Exit codes: 0 done; 1 refused or failed, with the reason on standard error; 2 wrong usage; 3 the
control plane is not reachable or does not answer within 10 s; 4 `guideway status` says NOT WELL.

`eval "$(guideway completion bash)"` completes commands, options, and names of VIPs, pools and
backends; zsh and fish have scripts of their own. `guideway shell` completes as well.

Options of every command:

)page";

constexpr char kFiles[] = R"page(
## Command lines from a file

    guideway -f FILE [--keep-going]

Runs the lines of a file, each as it would stand behind `guideway`; every message names the file and
the line. Quotes keep blanks in a word; what follows a # is a comment. Exit code: that of the first
line that failed.

)page";

}  // namespace

std::vector<CommandInfo> ReadTree(const CLI::App& app) {
  std::vector<CommandInfo> commands;
  Read(app, "", &commands);
  return commands;
}

std::string DocsPage(const CLI::App& app) {
  const std::vector<CommandInfo> commands = ReadTree(app);
  std::string page = absl::StrCat(kIntroduction, "- `-h, --help`: Print help and exit.\n",
                                  Rows(commands[0].options), kFiles,
                                  Rows(commands[0].options, /*program_only=*/true));
  for (const CommandInfo& command : commands) {
    if (command.path.empty()) continue;
    if (!command.children.empty()) {
      absl::StrAppend(&page, "\n## guideway ", command.path, "\n\n", command.help, ".\n");
      continue;
    }
    const bool top = command.path.find(' ') == std::string::npos;
    absl::StrAppend(&page, "\n", top ? "## " : "### ", "guideway ", command.path, "\n\n    ",
                    Usage(command), "\n\n", command.help, ".\n");
    const std::string rows = absl::StrCat(Rows(command.positionals), Rows(command.options));
    if (!rows.empty()) absl::StrAppend(&page, "\n", rows);
  }
  return page;
}

}  // namespace guideway::cli
