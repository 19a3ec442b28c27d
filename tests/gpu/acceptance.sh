#!/usr/bin/env bash
# What torchlap does on a real GPU, in numbers: see acceptance.py --help. From a clone, or from an unpacked bundle
# (deploy/bundle.sh), where nothing has to be installed but the driver, a python3, and LibTorch.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/acceptance.py" "$@"
