#!/usr/bin/env bash
# From a clone on Debian 12 to the first table: packages, LibTorch, build, daemon, one small benchmark.
# A second call takes seconds: every stage looks first at what is there.
set -euo pipefail
# shellcheck source=deploy/stages.sh
source "$(dirname "${BASH_SOURCE[0]}")/stages.sh"

usage() {
  cat <<'END'
usage: deploy/quickstart.sh [--torch DIR] [--no-run] [--stage NAME]

  --torch DIR   use this torch 2.11.0 (the torch folder of an unpacked wheel) instead of fetching one;
                also TORCHLAP_TORCH_DIR
  --no-run      stop when the daemon answers
  --stage NAME  this stage alone: packages, libtorch, build, start or run
  --help

stages:
  packages      the Debian packages of deploy/packages.txt (with sudo unless root)
  libtorch      LibTorch 2.11.0 in ~/.cache/torchlap (or TORCHLAP_CACHE); 0.5 GB to fetch, 1.1 GB on disk;
                2 GB more where an NVIDIA driver answers
  build         torchlapd, torchlap and torchlap-worker in build/release/bin
  start         a daemon for this user, unless one answers already
  run           a small language model, forward and backward, and its table
END
}

torch=()
with_run=yes
only=
while (($# > 0)); do
  case $1 in
    --torch) torch=(--torch "${2:?--torch needs a folder}") && shift 2 ;;
    --no-run) with_run=no && shift ;;
    --stage) only=${2:?--stage needs a name} && shift 2 ;;
    --help | -h) usage && exit 0 ;;
    *) echo "quickstart.sh: '$1' is no option; --help lists them" >&2 && exit 1 ;;
  esac
done
case $only in
  '' | packages | libtorch | build | start | run) ;;
  *) echo "quickstart.sh: --stage is '$only', must be packages, libtorch, build, start or run" >&2 && exit 1 ;;
esac

bin=$root/build/release/bin

packages() { "$root/deploy/install_packages.sh" build; }

libtorch() { torch_dir=$("$root/deploy/fetch_libtorch.sh" "${torch[@]}"); }

build_programs() {
  [[ -n ${torch_dir:-} ]] || libtorch
  configure release "-DTORCHLAP_TORCH_DIR=$torch_dir"
  build release torchlapd torchlap torchlap-worker
}

answers() { "$bin/torchlap" status >/dev/null 2>&1; }

start() {
  if answers; then
    echo "a daemon answers already; none is started"
    return
  fi
  # In a session of its own, so that closing this terminal does not end it.
  "$bin/torchlapd" --detach
}

run() {
  "$bin/torchlap" run --model-sizes small --batch-size 1 --context-length 64 --pass-type forward-backward \
    --warmup-steps 2 --measure-steps 5
}

chosen() { [[ -z $only || $only == "$1" ]]; }

if chosen packages; then stage packages "Debian packages" packages; fi
if chosen libtorch; then stage libtorch "LibTorch 2.11.0" libtorch; fi
if chosen build; then stage build "three programs in build/release/bin" build_programs; fi
if chosen start; then stage start "a daemon for $(id -un)" start; fi
if chosen run && [[ $with_run == yes ]]; then
  stage run "small, batch 1, context 64, forward and backward, 2 warm-up and 5 measured steps" run
  torchlap=$(realpath --relative-to=. "$bin/torchlap")
  cat <<END

Three commands to try next:
  $torchlap run --model-sizes small medium --batch-size 1 --context-length 32 64
  $torchlap export --format csv
  $torchlap devices
END
fi
