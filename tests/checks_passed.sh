#!/usr/bin/env bash
# The test `checks` of ctest: fails with the last lines of each check that tests/run.sh saw fail, so that the summary of a
# whole run, which may be all that is kept of it, names them. Skipped (status 77) without such a run.
set -euo pipefail
if [[ -z ${TORCHLAP_CHECKS_RUN:-} ]]; then
  echo "tests/run.sh has not run the checks"
  exit 77
fi
for name in ${TORCHLAP_CHECKS_FAILED:-}; do
  echo "== check $name: FAILED"
  tail -n 40 "$TORCHLAP_CHECKS_LOGS/$name.log"
done
[[ -z ${TORCHLAP_CHECKS_FAILED:-} ]]
