#!/bin/bash
# Configures and builds Holdfast into build/PRESET.
#
#   bash scripts/build.sh [release|debug|asan] [--target NAME ...]
#
# With CI=true a warning ends the build.
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=release
if (($#)) && [[ $1 != -* ]]; then
  preset=$1
  shift
fi
options=()
[[ ${CI:-} == true ]] && options+=(-DHOLDFAST_WARNINGS_AS_ERRORS=ON)

# One compiler at work takes up to 2 GiB where it includes LibTorch.
cores=$(nproc)
by_memory=$(awk '/^MemAvailable:/ { print int($2 / (2 * 1024 * 1024)) }' /proc/meminfo)
jobs=$((by_memory < cores ? by_memory : cores))
((jobs > 0)) || jobs=1

mkdir -p build
log=build/$preset.configure.log
if ! : 2>/dev/null >>"$log"; then
  printf 'build: cannot write %s; build in a clone of your own\n' "$PWD/$log" >&2
  exit 74
fi
if ! cmake --preset "$preset" "${options[@]}" >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  printf 'build: cmake could not configure the preset %s (the above is in %s too)\n' "$preset" "$log" >&2
  exit 1
fi

log=build/$preset.build.log
build() { cmake --build "build/$preset" --parallel "$jobs" "$@" 2>&1 | tee "$log"; }
# g++ 12 has been seen to crash with a precompiled header that served it well in the next run.
build "$@" || {
  grep -q 'internal compiler error' "$log" || exit 1
  printf 'build: the compiler crashed (internal compiler error, see above); trying once more\n' >&2
  build "$@"
}
