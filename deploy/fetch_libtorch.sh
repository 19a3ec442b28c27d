#!/usr/bin/env bash
# Prints the torch folder (include/, lib/) of LibTorch 2.11.0, after fetching it if it is not there: wheels of the
# package registry that pip is set up for, checked against pinned hashes, unpacked without Python's help. Beside it comes
# a folder of CUDA headers (0.1 MB) that the worker is built with: cuda-crt-VERSION in the cache.
#   deploy/fetch_libtorch.sh [--torch DIR] [--cuda auto|yes|no]
#   --torch DIR  one that is already there (checked, not copied); also TORCHLAP_TORCH_DIR
#   --cuda       the full set of CUDA libraries (about 2 GB more): auto takes it where an NVIDIA driver answers
# Cache: TORCHLAP_CACHE, else ~/.cache/torchlap. Several calls at once wait for each other.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=2.11.0

torch=${TORCHLAP_TORCH_DIR:-}
cuda=auto
while (($# > 0)); do
  case $1 in
    --torch) torch=${2:?--torch needs a folder} && shift 2 ;;
    --cuda) cuda=${2:?--cuda needs auto, yes or no} && shift 2 ;;
    *) echo "fetch_libtorch.sh: '$1' is no option; there are --torch DIR and --cuda auto|yes|no" >&2 && exit 1 ;;
  esac
done
case $cuda in
  auto) if timeout 30 nvidia-smi -L >/dev/null 2>&1; then cuda=yes; else cuda=no; fi ;;
  yes | no) ;;
  *) echo "fetch_libtorch.sh: --cuda is '$cuda', must be auto, yes or no" >&2 && exit 1 ;;
esac

say() { echo "$*" >&2; }

version_in() {
  local header=$1/include/torch/headeronly/version.h
  [[ -f $header ]] || return 0
  awk '$2 ~ /^TORCH_VERSION_(MAJOR|MINOR|PATCH)$/ { part[$2] = $3 }
    END { print part["TORCH_VERSION_MAJOR"] "." part["TORCH_VERSION_MINOR"] "." part["TORCH_VERSION_PATCH"] }' "$header"
}

# Right version, and the CPU library finds everything that it needs.
check_torch() {
  local dir=$1 found missing
  found=$(version_in "$dir")
  if [[ $found != "$version" ]]; then
    say "$dir holds ${found:-no torch that can be recognised}, must be the torch folder of version $version"
    return 1
  fi
  if [[ ! -f $dir/lib/libtorch_cpu.so ]]; then
    say "$dir has no lib/libtorch_cpu.so"
    return 1
  fi
  missing=$(ldd "$dir/lib/libtorch_cpu.so" | awk '/not found/ { print $1 }' | tr '\n' ' ')
  if [[ -n $missing ]]; then
    say "$dir/lib/libtorch_cpu.so does not find $missing(expected in nvidia/cu13/lib beside the torch folder)"
    return 1
  fi
}

cache=${TORCHLAP_CACHE:-${HOME:?}/.cache/torchlap}
unpacked=$cache/torch-$version
# Lines of the .sha256 files, one for each wheel that is unpacked whole.
marker=$unpacked/wheels.sha256
mkdir -p "$cache"
exec 9>"$cache/fetch.lock"
flock 9

has_all() { [[ -f $marker ]] && ! grep -vxqFf "$marker" "$1"; }

# What pip accepts as the platform: all of the tags in the names of the pinned files.
platforms=()
for tag in 2_28 2_27 2_25 2_18 2_17 2_12 2_5; do platforms+=(--platform "manylinux_${tag}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64)

# The name of a wheel says what to ask for: nvidia_cuda_runtime-13.0.96-py3-... is nvidia-cuda-runtime==13.0.96.
requirements() { awk '{ split($2, part, "-"); gsub("_", "-", part[1]); print part[1] "==" part[2] }' "$1"; }

download() {
  local pins=$1 into=$2 talk=--quiet
  [[ ! -t 2 ]] || talk=--progress-bar=on
  requirements "$pins" >"$into/requirements.txt"
  say "fetching $(paste -sd' ' "$into/requirements.txt")"
  python3 -m pip download "$talk" --no-cache-dir --disable-pip-version-check --no-deps \
    --only-binary=:all: "${platforms[@]}" --python-version 3.11 --dest "$into" -r "$into/requirements.txt" >&2
  (cd "$into" && sha256sum --check --strict --quiet "$pins") >&2 || {
    say "a wheel is not the one that $pins names; nothing was unpacked"
    return 1
  }
}

unpack() {
  local from=$1 into=$2 wheel
  for wheel in "$from"/*.whl; do
    case ${wheel##*/} in
      # include/google is an old protobuf, which must not meet the system's.
      torch-*) unzip -q "$wheel" 'torch/lib/*' 'torch/include/*' -x 'torch/include/google/*' -d "$into" ;;
      *) unzip -q "$wheel" 'nvidia/*' -d "$into" ;;
    esac
  done
}

# Everything arrives in a folder beside the final one, so that an interrupted call leaves nothing half.
rm -rf "$cache"/incoming.*
incoming=
trap '[[ -z $incoming ]] || rm -rf "$incoming"' EXIT

# CUDA 13.0's runtime headers, which come with the wheel nvidia-cuda-runtime, include those of another one. A folder of
# their own, so that they are found for a torch of the user's too.
headers_version=13.0.88
if [[ ! -f $cache/cuda-crt-$headers_version/nvidia/cu13/include/crt/host_defines.h ]]; then
  incoming=$(mktemp -d "$cache/incoming.XXXXXX")
  mkdir "$incoming/wheels" "$incoming/tree"
  download "$here/libtorch-headers.sha256" "$incoming/wheels"
  unpack "$incoming/wheels" "$incoming/tree"
  chmod 755 "$incoming/tree"
  rm -rf "$cache/cuda-crt-$headers_version"
  mv "$incoming/tree" "$cache/cuda-crt-$headers_version"
  rm -rf "$incoming"
fi

if [[ -n $torch ]]; then
  [[ ! -d $torch/torch/lib ]] || torch=$torch/torch
  [[ -d $torch ]] || { say "--torch: there is no folder $torch" && exit 1; }
  torch=$(cd "$torch" && pwd)
  check_torch "$torch" || exit 1
  say "LibTorch $version of $torch"
  echo "$torch"
  exit 0
fi

# A folder without the marker is somebody's own: this script renames the marker in with the rest.
if [[ -d $unpacked && ! -f $marker ]]; then
  check_torch "$unpacked/torch" || { say "remove $unpacked and call again" && exit 1; }
  [[ ! -e $unpacked/torch/include/google ]] || { say "remove $unpacked/torch/include/google" && exit 1; }
  say "taking $unpacked as it is: version $version, its libraries are complete"
  cp "$here/libtorch.sha256" "$marker.new" && mv "$marker.new" "$marker"
fi

if ! has_all "$here/libtorch.sha256"; then
  [[ ! -e $unpacked ]] || { say "$unpacked was made from other wheels: remove it and call again" && exit 1; }
  incoming=$(mktemp -d "$cache/incoming.XXXXXX")
  mkdir "$incoming/wheels" "$incoming/tree"
  download "$here/libtorch.sha256" "$incoming/wheels"
  say "unpacking"
  unpack "$incoming/wheels" "$incoming/tree"
  check_torch "$incoming/tree/torch"
  cp "$here/libtorch.sha256" "$incoming/tree/wheels.sha256"
  chmod 755 "$incoming/tree"
  mv "$incoming/tree" "$unpacked"
  rm -rf "$incoming"
fi

if [[ $cuda == yes ]] && ! has_all "$here/libtorch-cuda.sha256"; then
  say "an NVIDIA driver is there: the CUDA libraries too"
  incoming=$(mktemp -d "$cache/incoming.XXXXXX")
  mkdir "$incoming/wheels" "$incoming/tree"
  download "$here/libtorch-cuda.sha256" "$incoming/wheels"
  say "unpacking"
  unpack "$incoming/wheels" "$incoming/tree"
  # Into the tree that is there; the marker is written last, so that an interrupted copy is done again.
  cp -a --link "$incoming/tree/nvidia" "$unpacked/"
  cat "$here/libtorch.sha256" "$here/libtorch-cuda.sha256" >"$marker.new" && mv "$marker.new" "$marker"
  rm -rf "$incoming"
fi

say "LibTorch $version of $unpacked/torch"
echo "$unpacked/torch"
