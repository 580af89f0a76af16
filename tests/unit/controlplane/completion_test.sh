#!/bin/bash
# Completes words as an interactive bash would, without a daemon and with a stand-in that knows names.
set -eu
program=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
eval "$("$program" completion bash)"

# Prints what `guideway WORDS...` is completed to; the last word is the one being typed.
complete_words() {
  COMP_WORDS=("$@")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _guideway
  echo "${COMPREPLY[*]-}"
}

failures=0
expect() {
  local wanted=$1
  shift
  local got
  got=$(complete_words "$@")
  if [[ "$got" != "$wanted" ]]; then
    echo "FAILED: '$*' completes to '$got', not '$wanted'"
    failures=$((failures + 1))
  fi
}

expect "pool" guideway po
expect "list show create delete pause-probes resume-probes" guideway pool ""
expect "list" guideway pool l
expect "list" guideway -o json pool l
expect "l2 ipip gre gue l3dsr" guideway pool create x --encapsulation ""
expect "table json" guideway -o ""
expect "--state" guideway backend add web --st
expect "--socket" guideway backend add web --so
expect "enabled" guideway backend add web x 10.0.0.1 --state e
expect "bash zsh fish" guideway completion ""
expect "" guideway pool show ""  # no daemon: no names, no error

# Names come from the program itself; this one answers as if a daemon were there.
cat >"$directory/guideway" <<'STANDIN'
#!/bin/bash
[[ "$1" == --socket ]] && { echo "socket=$2" >>"$0.log"; shift 2; }
case "$*" in
  "names POOL") echo web; echo dns ;;
  "names VIP") echo site ;;
  "names BACKEND web") echo web-1; echo web-2 ;;
esac
STANDIN
chmod +x "$directory/guideway"
expect "web dns" "$directory/guideway" pool show ""
expect "site" "$directory/guideway" vip show ""
expect "web-1 web-2" "$directory/guideway" backend drain web ""
expect "web-2" "$directory/guideway" --socket /tmp/x backend drain web web-2
grep -q "socket=/tmp/x" "$directory/guideway.log" || { echo "FAILED: --socket is not passed on"; failures=1; }
touch "$directory/file.yaml"
expect "$directory/file.yaml" guideway apply -f "$directory/fi"

exit $((failures > 0))
