#!/bin/sh
# Step times beside Python's, with the programs of build/release (TORCHLAP_BUILD: of another build folder).
# TORCHLAP_PEER_PYTHON: a Python that has torch 2.11.0. All arguments go to step_time.py.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
exec python3 "$root/tests/bench/step_time.py" --bin "${TORCHLAP_BUILD:-$root/build/release}/bin" "$@"
