#!/usr/bin/env bash
# A folder and a tar.gz of the programs with every shared library that they need but glibc and LibTorch: built where
# the dependencies are, run where they are not. The last line printed is the path of the tar.gz.
set -euo pipefail
# shellcheck source=deploy/stages.sh
source "$(dirname "${BASH_SOURCE[0]}")/stages.sh"

usage() {
  cat <<'END'
usage: deploy/bundle.sh [--out DIR] [--programs DIR]

  --out DIR       where torchlap-VERSION-linux-x86_64 and its .tar.gz go (default: build/dist)
  --programs DIR  take the programs of this folder (such as build/release/bin) instead of building them
  --help

In the bundle:
  bin/            torchlap, torchlapd, torchlap-worker, and torchlap_cuda.so for CUDA jobs
  lib/            their libraries, which are found wherever the folder is put
  libexec/        what tests/gpu/acceptance.sh needs beside them
  tests/          tests/gpu/acceptance.sh and the Python peer
  share/licenses/ of the libraries
  share/man/      their manual, found by man(1) where bin/ is on PATH
END
}

out=$root/build/dist
programs=
while (($# > 0)); do
  case $1 in
    --out) out=${2:?--out needs a folder} && shift 2 ;;
    --programs) programs=${2:?--programs needs a folder} && shift 2 ;;
    --help | -h) usage && exit 0 ;;
    *) echo "bundle.sh: '$1' is no option; --help lists them" >&2 && exit 1 ;;
  esac
done

names=(torchlap torchlapd torchlap-worker)
# Opened by torchlap-worker for some CUDA jobs: beside it, and not among the libraries, which belong to all programs.
extras=torchlap_cuda.so
# Not taken along. glibc belongs to the machine, as it goes with its loader and its kernel; LibTorch and CUDA are
# what the daemon finds at run time.
glibc='ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libutil|libresolv|libanl|libnsl|libmvec'
torch='libtorch.*|libc10.*|libgomp|libcud.*|libcupti|libcu[a-z]+|libnv.*|libnccl'

packages() { "$root/deploy/install_packages.sh" build bundle; }

build_programs() {
  local torch_dir
  torch_dir=$("$root/deploy/fetch_libtorch.sh" --cuda no)
  configure release "-DTORCHLAP_TORCH_DIR=$torch_dir"
  build release "${names[@]}" worker_oracle_test
  programs=$root/build/release/bin
}

# The files of the libraries that are taken along, one a line.
libraries_of() {
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u |
    grep -Ev "^($glibc|$torch)\.so[. ]" | cut -d' ' -f2
}

# take FILE FOLDER RUNPATH: without symbols, and bound to no folder of this machine.
take() {
  local taken=$2/${1##*/}
  install -D -m 755 "$(realpath "$1")" "$taken"
  strip --strip-unneeded "$taken"
  patchelf --set-rpath "$3" "$taken"
}

# The copyright file of the Debian package that a library comes from.
take_license() {
  local file package
  file=$(realpath "$1")
  # It knows the file by one of the two names, and exits with 1 for the other.
  package=$(dpkg-query -S "$file" "${file#/usr}" 2>/dev/null | head -n 1 | cut -d: -f1 || true)
  [[ -z $package ]] || install -D -m 644 "/usr/share/doc/$package/copyright" "$bundle/share/licenses/$package"
}

assemble() {
  local name file oracle=$programs/../tests/worker_oracle_test
  rm -rf "$bundle" "$archive"
  for name in "${names[@]}"; do
    # shellcheck disable=SC2016  # $ORIGIN is for the dynamic linker
    take "$programs/$name" "$bundle/bin" '$ORIGIN/../lib'
  done
  # shellcheck disable=SC2016
  take "$programs/$extras" "$bundle/bin" '$ORIGIN/../lib'
  if [[ -x $oracle ]]; then
    # shellcheck disable=SC2016
    take "$oracle" "$bundle/libexec" '$ORIGIN/../lib'
  else
    echo "$oracle was not built: part a of the acceptance will be without the recorded vectors" >&2
  fi
  while read -r file; do
    # shellcheck disable=SC2016
    take "$file" "$bundle/lib" '$ORIGIN'
    take_license "$file"
  done < <(libraries_of "${names[@]/#/$programs/}")
  # Of the programs that were taken: --programs may be those of another build.
  mkdir -p "$bundle/share/man/man1"
  "$programs/torchlap" help --man >"$bundle/share/man/man1/torchlap.1"
  "$programs/torchlapd" --man >"$bundle/share/man/man1/torchlapd.1"
  for file in tests/gpu/{README.md,acceptance.sh,acceptance.py,raw_counters.py} tests/bench/eager_reference.py \
    tests/golden/vectors-{a,b}.json README.md CHANGELOG.md deploy/README.md deploy/torchlapd.{service,toml.example}; do
    install -D -m "$(stat -c %a "$root/$file")" "$root/$file" "$bundle/$file"
  done
  [[ ! -e $root/LICENSE ]] || install -m 644 "$root/LICENSE" "$bundle/LICENSE"
}

# With an empty environment, and nothing of this machine in the run paths.
check_bundle() {
  local name missing
  for name in torchlap torchlapd; do
    env -i "$bundle/bin/$name" --version
  done
  missing=$(env -i LD_TRACE_LOADED_OBJECTS=1 "$bundle/bin/torchlap-worker" | awk '/not found/ { print $1 }' | sort -u |
    tr '\n' ' ')
  if [[ $missing != "libc10.so libtorch_cpu.so " ]]; then
    echo "torchlap-worker should miss libc10.so and libtorch_cpu.so without a LibTorch, but misses: ${missing:-nothing}" >&2
    return 1
  fi
}

glibc_wanted() {
  find "$bundle" -type f \( -path '*/bin/*' -o -name '*.so*' \) -exec objdump -T {} + | grep -oE 'GLIBC_[0-9.]+' |
    sort -uV | tail -n 1
}

pack() {
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)" \
    -C "$out" -c "${bundle##*/}" | gzip -9n >"$archive.new"
  mv "$archive.new" "$archive"
}

stage packages "Debian packages" packages
if [[ -z $programs ]]; then stage build "three programs in build/release/bin" build_programs; fi
for name in "${names[@]}" "$extras"; do
  [[ -x $programs/$name ]] || { echo "bundle.sh: --programs: there is no $programs/$name" >&2 && exit 1; }
done
version=$("$programs/torchlap" --version | awk '{ print $NF }')
mkdir -p "$out"
out=$(cd "$out" && pwd)
bundle=$out/torchlap-$version-linux-x86_64
archive=$bundle.tar.gz
stage assemble "$bundle" assemble
stage check "the bundle in an empty environment" check_bundle
stage pack "$archive" pack
echo "$(du -sm "$bundle" | cut -f1) MB unpacked, $(stat -c %s "$archive" | awk '{ printf "%.1f MiB", $1 / 1048576 }') packed, \
needs glibc of $(glibc_wanted) or later"
echo "$archive"
