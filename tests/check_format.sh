#!/usr/bin/env bash
# clang-format (.clang-format) has nothing to change in our C++ and proto sources.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t sources < <(git ls-files --cached --others --exclude-standard -- '*.h' '*.cc')
((${#sources[@]} > 0)) || exit 0
clang-format --dry-run -Werror "${sources[@]}" || {
  echo "clang-format -i on these files repairs it" >&2
  exit 1
}
echo "${#sources[@]} files are formatted"
