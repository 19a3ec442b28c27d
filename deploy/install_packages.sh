#!/usr/bin/env bash
# Installs the Debian packages of some sections of packages.txt. Where all of them are there it takes
# milliseconds and needs no rights.
#   deploy/install_packages.sh SECTION...    build, tests, opened, bundle, bench
set -euo pipefail
cd "$(dirname "$0")"

(($# > 0)) || { echo "usage: install_packages.sh SECTION... (sections of packages.txt)" >&2; exit 1; }

packages_of() {
  awk -v section="[$1]" '/^\[/ { inside = ($0 == section) } inside && /^[a-z0-9]/ { print $1 }' packages.txt
}

wanted=()
for section in "$@"; do
  mapfile -t found < <(packages_of "$section")
  ((${#found[@]} > 0)) || { echo "packages.txt has no section [$section]" >&2; exit 1; }
  wanted+=("${found[@]}")
done

if ! command -v apt-get dpkg-query >/dev/null; then
  echo "this is no Debian: install the equivalents of these by hand: ${wanted[*]}" >&2
  exit 1
fi

# dpkg-query exits with 1 when it does not know one of the names; that is an answer here.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
  grep -qxF "installed $package" <<<"$installed" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "all ${#wanted[@]} packages are there"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || {
    echo "missing packages, and neither root nor sudo to install them: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3
     -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
