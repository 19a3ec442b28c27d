#!/usr/bin/env bash
# Our shell scripts pass shellcheck (.shellcheckrc).
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run)
shellcheck "${scripts[@]}"
echo "${#scripts[@]} scripts are clean"
