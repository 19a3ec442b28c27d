#!/usr/bin/env bash
# Holds the arrows that must not exist (CONTRIBUTING.md, "Folders"): in #include lines, in link lines, and in the
# programs of a build folder. Also: no folder at the top level beside the agreed ones, no path of one machine.
#   tests/check_layers.sh [BUILD_FOLDER]    default build/release; programs that are not there are left out
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
failures=0

# report WHY LINES: LINES are offending lines; empty is fine.
report() {
  [[ -n $2 ]] || return 0
  printf '%s:\n%s\n' "$1" "$2" | sed '2,$s/^/  /'
  failures=$((failures + 1))
}

# Tracked, and new but not ignored.
files_in() { git ls-files --cached --others --exclude-standard -- "$@"; }

# no_include FOLDER PATTERN WHY
no_include() {
  local sources
  mapfile -t sources < <(files_in "$1/**.h" "$1/**.cc" "$1/*.h" "$1/*.cc" | sort -u)
  ((${#sources[@]} > 0)) || return 0
  report "$1: $3" "$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" /dev/null "${sources[@]}" || true)"
}

# no_link FOLDER PATTERN WHY: words of CMake commands, comments aside.
no_link() {
  local lists
  mapfile -t lists < <(files_in "$1/CMakeLists.txt" "$1/**/CMakeLists.txt")
  ((${#lists[@]} > 0)) || return 0
  report "$1: $3" "$(for list in "${lists[@]}"; do
    sed 's/#.*//' "$list" | grep -nwE "$2" | sed "s|^|$list:|"
  done)"
}

# no_library PROGRAM LIBRARIES SYMBOLS WHY: neither needed at run time nor linked in.
no_library() {
  local program=$build/bin/$1
  [[ -f $program ]] || return 0
  report "$1: $4" "$(readelf -d "$program" | grep -E "NEEDED.*\[lib($2)" || true)"
  report "$1: $4" "$(nm -C "$program" 2>/dev/null | grep -E " [TtWw] ($3)" | head -n 3 || true)"
}

# The map of CONTRIBUTING.md, one `FOLDER KNOWS` a line: column 3 of its table, as far as it names folders.
map_of_folders() {
  awk -F'|' '/^\| `[a-z\/]+\/` \|/ {
    gsub(/[ `]|\/ *$/, "", $2); sub(/\/$/, "", $2)
    count = split($4, known, ",")
    for (i = 1; i <= count; ++i) { gsub(/[ .]/, "", known[i]); if (known[i] ~ /^[a-z]+(\/[a-z]+)?$/) print $2, known[i] }
  }' CONTRIBUTING.md | grep -E "^($folders) ($folders)$" | sort -u
}

# The arrows of the include graph in the same form, within a folder aside.
arrows_of_includes() {
  files_in 'proto/**.h' 'proto/**.cc' 'storage/**.h' 'storage/**.cc' 'server/**.h' 'server/**.cc' 'client/**.h' 'client/**.cc' |
    xargs grep -oHE '^[[:space:]]*#[[:space:]]*include "[^"]+"' |
    sed -E 's/:[[:space:]]*#[[:space:]]*include "/ /; s/"$//; s#torchlap/v1/#proto/torchlap/v1/#2' |
    sed -E "s#^($folders)/[^ ]* #\1 #; s# torchlap/v1/[^ ]*# proto#; s# ($folders)/[^ ]*#\ \1#" |
    awk '$1 != $2' | sort -u
}

# Longest first, so that proto/base is not taken for proto.
folders='proto/base|proto|storage|server/measure|server/host|server/run|server/rpc|server/daemon|server/worker|client'
torch='torch/|ATen/|c10/|caffe2/|cuda|cublas|nvml\.h'
grpc='grpc|grpcpp/|torchlap/v1/service\.grpc'
sqlite='sqlite3|SQLiteCpp'

report "includes that the map in CONTRIBUTING.md (\"Folders\") does not have" \
  "$(comm -13 <(map_of_folders) <(arrows_of_includes))"
report "arrows of the map in CONTRIBUTING.md (\"Folders\") that no include needs" \
  "$(comm -23 <(map_of_folders) <(arrows_of_includes))"

# Beyond the map: libraries of others, and what must never be on it.
no_include proto "$torch|$sqlite|$grpc" "the contract knows no library but protobuf"
no_include storage "$torch|$grpc|spawn\.h|sys/wait" "storage knows proto and SQLite alone"
no_include server/measure "$torch|$sqlite|$grpc" "pure arithmetic on proto messages"
no_include server/host "$torch|$sqlite|$grpc" "the machine is looked at without them"
no_include server/run "$torch|$sqlite|$grpc" "no gRPC in run"
no_include server/rpc "$torch|$sqlite" "no LibTorch, no CUDA, no SQL in a call"
no_include server/daemon "$torch|$sqlite" "no LibTorch, no CUDA, no SQL in the daemon"
no_include server/worker "$sqlite|$grpc" "no storage, no gRPC in the worker"
no_include client "$torch|$sqlite" "the client meets the daemon in proto alone"
report "the map in CONTRIBUTING.md has an arrow that must never be" \
  "$(map_of_folders | grep -E '^storage server|^client (storage|server)|^server/measure (storage|server)|^server/worker (storage|server/(host|run|rpc|daemon))|^server/host (storage|server)|^server/run server/(rpc|daemon|worker)|^server/rpc server/(daemon|worker)|^proto (storage|server|client)|^proto/base ' || true)"

no_link proto 'torchlap_(storage|measure|host|run|calls|rpc|daemon|worker|client)\w*|SQLiteCpp|SQLite::SQLite3' \
  "links what uses it"
no_link storage 'torchlap_(measure|host|run|calls|rpc|daemon|worker|client|service)\w*|gRPC::\S+' \
  "links more than proto and SQLite"
no_link server/measure 'torchlap_(storage|host|run|calls|rpc|daemon|worker|client|service)\w*|SQLiteCpp|gRPC::\S+' \
  "is no pure arithmetic"
no_link server/host 'torchlap_(storage|measure|run|calls|rpc|daemon|worker|client|service)\w*|SQLiteCpp|gRPC::\S+|torch\w*_cpu|c10' \
  "links more than the contract"
no_link server/run 'torchlap_(calls|rpc|daemon|worker|client|service)\w*|gRPC::\S+|torch\w*_cpu|c10' "links gRPC or what is above"
no_link server/rpc 'torchlap_(daemon|worker|client)\w*|torch\w*_cpu|c10' "links LibTorch, the client or what is above"
no_link server/daemon 'torchlap_(worker|client)\w*|torch\w*_cpu|c10' "links LibTorch, the worker or the client"
no_link server/worker 'torchlap_(storage|host|run|calls|rpc|daemon|client|service)\w*|SQLiteCpp|gRPC::\S+' "links storage or gRPC"
no_link client 'torchlap_(storage|measure|host|run|calls|rpc|daemon|worker)\w*|SQLiteCpp|torch\w*_cpu|c10' \
  "links the server's side"

no_library torchlap 'sqlite|SQLiteCpp|torch|c10|cud|nv' 'sqlite3_open|at::Tensor::' "SQLite, LibTorch or CUDA in the client"
no_library torchlapd 'torch|c10|cud|cublas|nvidia-ml' 'at::Tensor::|nvmlInit' "LibTorch or CUDA in the daemon"
no_library torchlap-worker 'grpc|sqlite|SQLiteCpp' 'grpc_init|sqlite3_open' "gRPC or SQLite in the worker"

report "folders at the top level that were not agreed on" \
  "$(files_in | grep / | cut -d/ -f1 | sort -u | grep -vxE 'proto|storage|server|client|tests|deploy|\.ci' || true)"
# Written so that the patterns do not find this line.
report "paths of one machine, or of a folder beside the clone" \
  "$(git grep -nE '[.]{2}/shared|(^|[^[:alnum:]_.])/(work|root)/[a-z]' -- . || true)"

((failures == 0)) || exit 1
echo "no forbidden arrow"
