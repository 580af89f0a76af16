// guideway completion, and the hidden command by which the script asks for names.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/complete.h"
#include "controlplane/cli/names.h"
#include "controlplane/cli/tree.h"
#include "lib/base/status.h"

namespace guideway::cli {

namespace {

// The script's logic; the tables before it are made from the tree.
constexpr char kScript[] = R"bash(
_guideway() {
  local cur="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD - 1]}"
  local path="guideway" word i words kind
  local -a values=() socket=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    if [[ "$word" == -* ]]; then
      if [[ -n "${_guideway_options["$path:$word"]-${_guideway_options["guideway:$word"]-}}" ]]; then
        if [[ "$word" == --socket ]]; then socket=(--socket "${COMP_WORDS[i + 1]}"); fi
        ((i++))
      fi
    elif [[ " ${_guideway_children["$path"]} " == *" $word "* ]]; then
      path="$path $word"
    else
      values+=("$word")
    fi
  done
  kind=""
  if [[ "$previous" == -* ]]; then
    kind="${_guideway_options["$path:$previous"]-${_guideway_options["guideway:$previous"]-}}"
  fi
  if [[ -z "$kind" ]]; then
    if [[ "$cur" == -* ]]; then
      words="${_guideway_flags["$path"]} ${_guideway_flags["guideway"]}"
      if [[ "$path" == guideway ]]; then words+=" $_guideway_program_flags"; fi
      COMPREPLY=($(compgen -W "$words" -- "$cur"))
      return
    fi
    local -a positionals=(${_guideway_positionals["$path"]})
    kind="${positionals[${#values[@]}]-}"
    if [[ -z "$kind" ]]; then
      COMPREPLY=($(compgen -W "${_guideway_children["$path"]}" -- "$cur"))
      return
    fi
  fi
  case "$kind" in
    POOL | VIP) words="$("${COMP_WORDS[0]}" "${socket[@]}" names "$kind" 2>/dev/null)" ;;
    BACKEND) words="$("${COMP_WORDS[0]}" "${socket[@]}" names "$kind" "${values[0]}" 2>/dev/null)" ;;
    FILE) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    *"|"*) words="${kind//|/ }" ;;
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o filenames -F _guideway guideway
)bash";

// Both ask `guideway complete`, which knows the tree: a word a line, or ":file" for a path.
constexpr char kZshScript[] = R"zsh(#compdef guideway
# zsh completion for guideway, made by `guideway completion zsh`
_guideway() {
  local -a found
  found=("${(@f)$(${words[1]} complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "${found[1]}" == ":file" ]]; then
    _files
  else
    compadd -- ${(@)found:#}
  fi
}
compdef _guideway guideway
)zsh";

constexpr char kFishScript[] =
    R"fish(# fish completion for guideway, made by `guideway completion fish`
function __guideway_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l found ($words[1] complete -- $words[2..-1] "$typed" 2>/dev/null)
    if test "$found[1]" = ":file"
        __fish_complete_path "$typed"
    else if test (count $found) -gt 0
        printf '%s\n' $found
    end
end
complete -c guideway -f -a '(__guideway_complete)'
)fish";

absl::Status PrintNames(Cli* cli, const std::string& kind, const std::string& pool) {
  GW_ASSIGN_OR_RETURN(const std::vector<std::string> names, FetchNames(&cli->client(), kind, pool));
  for (const std::string& name : names) cli->out() << name << "\n";
  return absl::OkStatus();
}

absl::Status PrintCompletion(Cli* cli, const std::vector<std::string>& words) {
  if (words.empty()) return absl::OkStatus();
  const Completion completion = Complete(cli->app(), words);
  if (completion.files) cli->out() << ":file\n";
  for (const std::string& word : completion.words) cli->out() << word << "\n";
  if (completion.names_of.empty()) return absl::OkStatus();
  Client other(completion.socket);
  GW_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                      FetchNames(completion.socket.empty() ? &cli->client() : &other,
                                 completion.names_of, completion.names_pool));
  for (const std::string& name : WithPrefix(names, words.back())) cli->out() << name << "\n";
  return absl::OkStatus();
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  std::string children, flags, options, positionals, program_flags;
  for (const CommandInfo& command : ReadTree(app)) {
    // Bash has no empty keys, so paths start with the program.
    const std::string path =
        absl::StrCat("guideway", command.path.empty() ? "" : " ", command.path);
    std::vector<std::string> spellings = {"--help"};
    for (const OptionInfo& option : command.options) {
      if (option.program_only) {
        absl::StrAppend(&program_flags, " ", absl::StrJoin(option.spellings, " "));
      } else {
        spellings.insert(spellings.end(), option.spellings.begin(), option.spellings.end());
      }
      if (option.type.empty() || option.value_optional) continue;
      for (const std::string& spelling : option.spellings) {
        absl::StrAppend(&options, "  [\"", path, ":", spelling, "\"]=\"", option.type, "\"\n");
      }
    }
    std::vector<std::string> types;
    for (const OptionInfo& positional : command.positionals) types.push_back(positional.type);
    const std::string key = absl::StrCat("  [\"", path, "\"]=\"");
    absl::StrAppend(&children, key, absl::StrJoin(command.children, " "), "\"\n");
    absl::StrAppend(&flags, key, absl::StrJoin(spellings, " "), "\"\n");
    absl::StrAppend(&positionals, key, absl::StrJoin(types, " "), "\"\n");
  }
  return absl::StrCat(
      "# bash completion for guideway, made by `guideway completion bash`\n",
      "declare -gA _guideway_children=(\n", children, ")\ndeclare -gA _guideway_flags=(\n", flags,
      ")\ndeclare -gA _guideway_options=(\n", options, ")\ndeclare -gA _guideway_positionals=(\n",
      positionals, ")\n_guideway_program_flags=\"", program_flags, "\"\n", kScript);
}

void AddCompletionCommands(Cli* cli) {
  CLI::App* noun = cli->AddNoun("completion", "Scripts that make a shell complete commands");
  cli->AddCommand(noun, "bash", "Print the script for bash: eval \"$(guideway completion bash)\"",
                  [cli]() -> absl::Status {
                    cli->out() << BashCompletion(cli->app());
                    return absl::OkStatus();
                  });
  cli->AddCommand(noun, "zsh", "Print the script for zsh: eval \"$(guideway completion zsh)\"",
                  [cli]() -> absl::Status {
                    cli->out() << kZshScript;
                    return absl::OkStatus();
                  });
  cli->AddCommand(noun, "fish", "Print the script for fish: guideway completion fish | source",
                  [cli]() -> absl::Status {
                    cli->out() << kFishScript;
                    return absl::OkStatus();
                  });
  const auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* complete = cli->AddCommand(&cli->app(), "complete", "What a command line goes on with",
                                       [=] { return PrintCompletion(cli, *words); });
  complete->group("");  // hidden
  complete->add_option("words", *words)->expected(1, -1);
  struct Options {
    std::string kind;
    std::string pool;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* names = cli->AddCommand(&cli->app(), "names", "Names for completion",
                                    [=] { return PrintNames(cli, options->kind, options->pool); });
  names->group("");  // hidden
  names->add_option("kind", options->kind)
      ->required()
      ->check(CLI::IsMember({kPoolType, kBackendType, kVipType}));
  names->add_option("pool", options->pool);
}

}  // namespace guideway::cli
