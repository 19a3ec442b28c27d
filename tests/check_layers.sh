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

torch='torch/|ATen/|c10/|caffe2/|cuda|cublas|nvml\.h'
grpc='grpc|grpcpp/|torchlap/v1/service\.grpc'
sqlite='sqlite3|SQLiteCpp'

no_include proto/base "proto/(columns|default_paths|frames|samples|words)|torchlap/|storage/|server/|client/|tests/|google/|$torch|$sqlite|$grpc" \
  "the ground floor knows nothing above it"
no_include proto "storage/|server/|client/|tests/|$torch|$sqlite|$grpc" "the contract knows nothing of what uses it"
no_include storage "server/|client/|tests/|$torch|$grpc|spawn\.h|sys/wait" "storage knows proto and SQLite alone"
no_include server/measure "storage/|server/(host|run|rpc|daemon|worker)|client/|tests/|$torch|$sqlite|$grpc" \
  "pure arithmetic on proto messages"
no_include server/host "storage/|server/(measure|run|rpc|daemon|worker)|client/|tests/|$torch|$sqlite|$grpc" \
  "what the machine is knows nothing of jobs"
no_include server/run "server/(rpc|daemon|worker)|client/|tests/|$torch|$sqlite|$grpc" "no gRPC in run, and nothing above it"
no_include server/rpc "server/(daemon|worker)|client/|tests/|$torch|$sqlite" "calls know nothing of the daemon around them"
no_include server/daemon "server/worker|client/|tests/|$torch|$sqlite" "no LibTorch, no CUDA, no client in the daemon"
no_include server/worker "storage/|server/(host|run|rpc|daemon)|client/|tests/|$sqlite|$grpc" "no storage, no gRPC in the worker"
no_include client "storage/|server/|tests/|$torch|$sqlite" "the client meets the daemon in proto alone"

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
