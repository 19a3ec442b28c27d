#!/usr/bin/env bash
# Installs what is missing, builds the release preset with the tests, runs the checks, then the tests. The last lines
# are ctest's summary; the exit status is not 0 if a check or a test failed.
set -euo pipefail
# shellcheck source=../deploy/stages.sh
source "$(dirname "${BASH_SOURCE[0]}")/../deploy/stages.sh"

usage() {
  cat <<'END'
usage: tests/run.sh [--fast] [--sanitizers] [--opened] [--torch DIR] [-- CTEST ARGUMENT...]

  --fast         no checks: build and test
  --sanitizers   also the unit tests under AddressSanitizer, UBSan and ThreadSanitizer (builds of their own)
  --opened       also installs Chromium, LaTeX, pandas and sqlite3, which open reports and exports in tests
  --torch DIR    use this torch 2.11.0 instead of fetching one; also TORCHLAP_TORCH_DIR
  -- ARGUMENTS   for ctest, such as -R Oracle or -L unit

One check alone: tests/check_format.sh and its neighbours.
END
}

torch=()
sections=(build tests)
checks=(layers format scripts readme thread_safety tidy)
while (($# > 0)); do
  case $1 in
    --fast) checks=() && shift ;;
    --opened) sections+=(opened) && shift ;;
    --sanitizers) checks+=(sanitizers) && shift ;;
    --torch) torch=(--torch "${2:?--torch needs a folder}") && shift 2 ;;
    --help | -h) usage && exit 0 ;;
    --) shift && break ;;
    *) echo "run.sh: '$1' is no option; --help lists them" >&2 && exit 1 ;;
  esac
done
ctest_arguments=("$@")
began=$EPOCHREALTIME

packages() { "$root/deploy/install_packages.sh" "${sections[@]}"; }

libtorch() { torch_dir=$("$root/deploy/fetch_libtorch.sh" "${torch[@]}"); }

build_all() {
  configure release "-DTORCHLAP_TORCH_DIR=$torch_dir"
  build release
}

# A check that fails does not keep the tests from running, and fails the test `checks` with what it printed.
failed=()
logs=$root/build/release/checks
check() {
  "$root/tests/check_$1.sh" 2>&1 | tee "$logs/$1.log" && return
  failed+=("$1")
  echo "== check $1: FAILED" >&2
}

stage packages "Debian packages" packages
stage libtorch "LibTorch 2.11.0" libtorch
stage build "programs and tests in build/release" build_all
mkdir -p "$logs"
for name in "${checks[@]}"; do
  stage "check $name" "tests/check_$name.sh" check "$name"
done

if ((${#failed[@]} > 0)); then
  echo "== checks that FAILED: ${failed[*]} (the tests run all the same)" >&2
fi
echo "== tests: everything before took $(seconds_since "$began")"
# Not a stage: nothing may follow ctest's summary.
export TORCHLAP_CHECKS_RUN="${checks[*]}" TORCHLAP_CHECKS_FAILED="${failed[*]}" TORCHLAP_CHECKS_LOGS=$logs
ctest --test-dir "$root/build/release" --output-on-failure -j2 "${ctest_arguments[@]}"
((${#failed[@]} == 0))
