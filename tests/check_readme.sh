#!/usr/bin/env bash
# What the pages for users show is there: every torchlap command is read by the real client (a daemon is not asked:
# exit code 3 says that all words were good), every flag stands in some program's help, every script is there, can be
# run and knows the flags that it is shown with.
#   tests/check_readme.sh [BIN]    default build/release/bin, which must be built
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${1:-build/release/bin}")
pages=(README.md COURSE.md deploy/README.md tests/bench/README.md tests/gpu/README.md server/measure/README.md)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# The files that commands on the pages read.
mkdir "$place/deploy"
cp deploy/suite.toml "$place/deploy/"
cp deploy/suite.toml "$place/night.toml"
printf 'SQLite format 3\0' >"$place/lab2.db"

if [[ ! -x $bin/torchlap || ! -x $bin/torchlapd ]]; then
  echo "$bin has no torchlap and torchlapd: build them first" >&2
  exit 1
fi

failures=0
fail() {
  echo "$1" >&2
  failures=$((failures + 1))
}

# Each as PAGE<tab>TEXT. A block is what is indented by four; in transcripts a command stands behind `$ ` or behind the
# finding that advises it. A line that ends in a backslash goes on.
blocks() { sed -e ':a' -e '/\\$/{N;s/\\\n */ /;ba' -e '}' "$1" | sed -n 's/^    //p'; }
spans() { sed 's/^    .*//' "$1" | tr '\n' ' ' | grep -oE '`[^`]+`' | tr -d '`' | sed 's/\\|/|/g'; }
torchlap_commands() {
  blocks "$1" | sed -nE 's/^(.*(: |\$ )|bin\/|)torchlap ((run|submit|[a-z]+)( .*|$))/\3/p' | sed -E 's/ (#|&|\|).*//'
  spans "$1" | sed -nE 's/^torchlap ([a-z-].*)/\1/p'
}
script_commands() {
  { blocks "$1" | sed -E 's/^([A-Z_]+=[^ ]+ )+//; s/^sudo //' && spans "$1"; } | grep -E '^(deploy|tests)/[a-z_/]+\.(sh|py)( |$)' || true
}

# What stands for something: N, DIR, FILE.csv are no values that a command can read.
# SQL is; what it answers is seen in tests/e2e/sql_test.cc.
is_placeholder() { [[ $1 != sql\ * && $1 =~ (^|[ =])[A-Z][A-Z_]*($|[ .]) ]]; }

check_client() {
  local words code=0
  # A command that is only named.
  [[ $2 == *\ * ]] || set -- "$1" "help $2"
  mapfile -t words < <(xargs -n 1 printf '%s\n' <<<"$2")
  (cd "$place" && "$bin/torchlap" --address unix:/nowhere.sock "${words[@]}") >"$place/out" 2>&1 || code=$?
  ((code == 3 || code == 0)) || fail "$1: torchlap $2: exit code $code: $(tail -n 1 "$place/out")"
}

# Scripts that have no help are only looked for.
check_script() {
  local script=${2%% *} flag
  [[ -x $script ]] || { fail "$1: $script is not there, or cannot be run" && return; }
  grep -q -e '--help' -e 'argparse' "$script" || return 0
  if ! "$script" --help >"$place/help" 2>&1; then
    # What measures torch needs one even to say so.
    grep -q "No module named 'torch'" "$place/help" || fail "$1: $script --help ends with an error"
    return 0
  fi
  for flag in $(grep -oE -e ' --[a-z][a-z-]*' <<<"$2" || true); do
    grep -qE -e "$flag([^a-z-]|$)" "$place/help" || fail "$1: $script has no flag $flag"
  done
}

flags_of_programs() {
  local command
  "$bin/torchlapd" --help
  "$bin/torchlap" --help
  "$bin/torchlap" --help | sed -nE 's/^  ([a-z]+) .*/\1/p' | while read -r command; do
    "$bin/torchlap" "$command" --help
  done
  cat deploy/*.sh tests/*.sh tests/bench/*.py tests/bench/*.sh tests/gpu/*.py tests/gpu/*.sh
}
flags_of_programs >"$place/flags"

commands=0
for page in "${pages[@]}"; do
  while IFS= read -r command; do
    is_placeholder "$command" && continue
    check_client "$page" "$command"
    commands=$((commands + 1))
  done < <(torchlap_commands "$page" | sort -u)
  while IFS= read -r command; do
    check_script "$page" "$command"
    commands=$((commands + 1))
  done < <(script_commands "$page" | sort -u)
  for flag in $(spans "$page" | grep -oE -e '(^| )--[a-z][a-z-]+' | sort -u || true); do
    grep -qE -e "(^|[^a-z-])$flag([^a-z-]|$)" "$place/flags" || fail "$page: no program has the flag $flag"
  done
done
((failures == 0)) || exit 1
echo "$commands commands of ${#pages[@]} pages can be typed"
