#!/usr/bin/env bash
# clang-tidy (.clang-tidy) on the sources that changed since BASE, the latest change first, in at most 5 minutes: what does
# not fit is named.
# Files that see LibTorch are left out: one of them takes 50 to 100 s, nearly all of it in LibTorch's headers.
#   tests/check_tidy.sh [BASE]    default: where this branch left origin/main; on main itself what was committed in the
#                                 12 hours before its head
# TIDY_SECONDS sets the limit, BUILD_FOLDER the folder with compile_commands.json (build/release).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_FOLDER:-build/release}
limit=${TIDY_SECONDS:-300}

default_base() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || true)
  if [[ -z $base || $base == "$(git rev-parse HEAD)" ]]; then
    base=$(git rev-list -1 --before="$(($(git log -1 --format=%ct) - 12 * 3600))" HEAD)
  fi
  # Nothing where the history is younger than that: everything is looked at.
  echo "$base"
}
base=${1:-$(default_base)}
# Else it would find no change, and pass.
if [[ -n $base ]] && ! git rev-parse --quiet --verify "$base^{commit}" >/dev/null; then
  echo "check_tidy.sh: '$base' is no commit" >&2 && exit 1
fi

# Only what the build compiles: a test's source of another preset has no command.
changed_sources() {
  {
    git diff --name-only --diff-filter=d HEAD -- '*.cc' && git ls-files --others --exclude-standard -- '*.cc'
    git log --format= --name-only HEAD ${base:+--not "$base"} -- '*.cc'
  } | awk '!seen[$0]++' | while read -r file; do
    grep -qF "$PWD/$file\"" "$build/compile_commands.json" || continue
    grep -qE '#include <(torch|ATen|c10)/' "$file" && continue
    echo "$file"
  done
}

mapfile -t sources < <(changed_sources)
if ((${#sources[@]} == 0)); then
  echo "no source changed since ${base:-the first commit}"
  exit 0
fi

done_list=$(mktemp)
trap 'rm -f "$done_list"' EXIT
tidy_one() {
  local left=$((deadline - EPOCHSECONDS)) status=0
  ((left > 0)) || return 0
  timeout "$left" clang-tidy --quiet -p "$build" "$1" 2>/dev/null || status=$?
  # 124: out of time, no finding.
  ((status != 124)) || return 0
  echo "$1" >>"$done_list"
  return "$status"
}
deadline=$((EPOCHSECONDS + limit))
export -f tidy_one
export build deadline done_list

status=0
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 1 bash -c 'tidy_one "$1"' tidy || status=1
left_out=$(printf '%s\n' "${sources[@]}" | grep -vxFf "$done_list" || true)
[[ -z $left_out ]] || echo "not checked within $limit s: $(paste -sd' ' <<<"$left_out")"
echo "$(wc -l <"$done_list") of ${#sources[@]} files that changed since ${base:-the first commit} were checked"
exit "$status"
