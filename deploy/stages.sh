# Sourced by quickstart.sh and tests/run.sh: announces stages and their times, and builds.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
current_stage=

seconds_since() { awk -v began="$1" -v now="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", now - began }'; }

# stage NAME WHAT COMMAND...: not `if COMMAND`, which would turn errexit off inside of it.
stage() {
  local name=$1 what=$2 began=$EPOCHREALTIME
  shift 2
  current_stage=$name
  printf '== %s: %s\n' "$name" "$what"
  "$@"
  current_stage=
  printf '== %s: done in %s\n' "$name" "$(seconds_since "$began")"
}

say_failed_stage() {
  local status=$?
  if ((status != 0)) && [[ -n $current_stage ]]; then
    printf '== %s: failed (exit status %d)\n' "$current_stage" "$status" >&2
  fi
}
trap say_failed_stage EXIT

# As many compilers as there are cores, and 2 GiB for each: a file with LibTorch's headers takes most of that.
build_jobs() {
  awk -v cores="$(nproc)" '/^MemAvailable:/ { jobs = int($2 / 2097152) }
    END { if (jobs > cores) jobs = cores; print (jobs < 1 ? 1 : jobs) }' /proc/meminfo
}

# configure PRESET [CMAKE OPTION...]: only where it could change something; ninja itself configures again after a
# change of a CMakeLists.txt.
configure() {
  local preset=$1 stamp=$root/build/$1/.configured-with
  shift
  if [[ -f $root/build/$preset/build.ninja && -f $stamp && "$(<"$stamp")" == "$*" ]]; then return; fi
  (cd "$root" && cmake --log-level=NOTICE --preset "$preset" "$@")
  printf '%s' "$*" >"$stamp"
}

# build PRESET [TARGET...]; no target: everything.
build() {
  local preset=$1
  shift
  (cd "$root" && cmake --build --preset "$preset" -j "$(build_jobs)" ${1:+--target "$@"})
}
