#!/usr/bin/env bash
# clang's -Wthread-safety on every source that sees the annotated mutex (proto/base/mutex.h). Which ones do is
# read from the dependencies that ninja recorded.
#   tests/check_thread_safety.sh [BUILD_FOLDER]    default build/release, which must be built
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}

sources_that_see_the_mutex() {
  ninja -C "$build" -t deps |
    awk '/^[^ ].*: #deps/ { source = "" }
         /^ / { file = $1
                if (source == "") source = file
                if (file ~ /proto\/base\/mutex\.h$/ && source ~ /\.cc$/) print source }' |
    sort -u | (cd "$build" && xargs -r realpath --relative-to="$OLDPWD")
}

mapfile -t sources < <(sources_that_see_the_mutex)
if ((${#sources[@]} == 0)); then
  echo "$build knows no source that sees proto/base/mutex.h: build it first" >&2
  exit 1
fi
# Last of all folders: it has a copy of fmt.
torch=$(sed -n 's/^TORCHLAP_TORCH_DIR:PATH=//p' "$build/CMakeCache.txt")
# Paths and versions, as texts.
mapfile -t definitions < <(grep -oE -- '-DTORCHLAP_[A-Z0-9_]+=' "$build/compile_commands.json" | sort -u | sed 's/$/""/')
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 1 clang++ -fsyntax-only -std=c++20 -I. -isystem "$build/proto" \
  -idirafter "$torch/include" "${definitions[@]}" -Wthread-safety -Werror=thread-safety
echo "${#sources[@]} files keep their locks"
