#!/usr/bin/env bash
# Under AddressSanitizer with UBSan (preset asan): unit tests, and the real daemon and client with the fake worker; the
# daemon is fuzzed, too (tests/attack). Under ThreadSanitizer (preset tsan): unit tests free of gRPC (Debian's is not
# instrumented and gives false reports), and that of connections. Both without the worker and with generated code
# uninstrumented.
#   tests/check_sanitizers.sh [asan|tsan]    default: both
set -euo pipefail
# shellcheck source=../deploy/stages.sh
source "$(dirname "${BASH_SOURCE[0]}")/../deploy/stages.sh"

export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:check_initialization_order=1
export UBSAN_OPTIONS=print_stacktrace=1
# A report is left out by its stacks, so both must be known.
export TSAN_OPTIONS=second_deadlock_stack=1:history_size=7

# run_preset PRESET LABELS TARGET...
run_preset() {
  local preset=$1 labels=$2
  shift 2
  configure "$preset"
  build "$preset" "$@"
  ctest --test-dir "$root/build/$preset" --output-on-failure -j2 -L "$labels" --no-tests=error
}

(($# > 0)) || set -- asan tsan
for preset in "$@"; do
  case $preset in
    asan) run_preset asan 'unit|e2e|fuzz' unit_tests e2e_tests fuzz_tests ;;
    tsan) run_preset tsan unit unit_tests_without_grpc connections_test ;;
    *) echo "check_sanitizers.sh: '$preset' is no preset of this check; there are asan and tsan" >&2 && exit 1 ;;
  esac
done
