#!/bin/sh
# Step times beside Python's, with the programs of build/release. TORCHLAP_PEER_PYTHON: a Python that has torch 2.11.0.
# All other arguments go to step_time.py.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${TORCHLAP_BUILD:-$root/build/release}
exec python3 "$root/tests/bench/step_time.py" \
  --worker "$build/bin/torchlap-worker" --worker-once "$build/tests/worker_once" \
  --python "${TORCHLAP_PEER_PYTHON:-$HOME/.cache/torchlap-peer/bin/python}" "$@"
