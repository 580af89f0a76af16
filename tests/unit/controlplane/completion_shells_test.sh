#!/bin/bash
# Completes words in real shells, fish and zsh, without a daemon and with a stand-in that knows names.
set -eu
program=$(realpath "$1")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir "$directory/bin"
export HOME="$directory" PATH="$directory/bin:$PATH"
# The program, but for the names: they would be the daemon's.
cat >"$directory/bin/guideway" <<STANDIN
#!/bin/bash
case "\$*" in
  "complete -- pool show "*) echo web; echo dns ;;
  *) exec "$program" "\$@" ;;
esac
STANDIN
chmod +x "$directory/bin/guideway"

failures=0
check() {
  local what=$1 wanted=$2 got=$3
  if [[ "$got" != "$wanted" ]]; then
    echo "FAILED: $what: '$got', not '$wanted'"
    failures=$((failures + 1))
  fi
}

in_fish() {
  # shellcheck disable=SC2016  # the variables are fish's
  fish -c 'guideway completion fish | source; complete -C "$argv[1]"' "$1" | cut -f1 | sort |
    tr '\n' ' '
}
check "fish: pool l" "list " "$(in_fish 'guideway pool l')"
check "fish: pool" "create delete list pause-probes resume-probes show " "$(in_fish 'guideway pool ')"
check "fish: -o" "json table " "$(in_fish 'guideway -o ')"
check "fish: names" "dns web " "$(in_fish 'guideway pool show ')"
touch "$directory/file.yaml"
check "fish: files" "$directory/file.yaml " "$(in_fish "guideway apply -f $directory/fi")"

# What the function hands to compadd; completion itself wants a terminal.
in_zsh() {
  # shellcheck disable=SC2016  # the variables are zsh's
  zsh -f -c '
    compdef() { :; }
    compadd() { shift; print -r -- "$@"; }
    _files() { print files; }
    eval "$(guideway completion zsh)"
    words=("$@"); CURRENT=$#
    _guideway' zsh "$@"
}
check "zsh: pool l" "list" "$(in_zsh guideway pool l)"
check "zsh: pool" "list show create delete pause-probes resume-probes" "$(in_zsh guideway pool "")"
check "zsh: names" "web dns" "$(in_zsh guideway pool show "")"
check "zsh: files" "files" "$(in_zsh guideway apply -f "")"
# shellcheck disable=SC2016
zsh -f -c 'autoload -Uz compinit && compinit -u -d "$HOME/dump" && eval "$(guideway completion zsh)" &&
  [[ ${_comps[guideway]} == _guideway ]]' || { echo "FAILED: zsh: compdef"; failures=1; }

exit $((failures > 0))
