#!/bin/bash
# Sets up, builds Release and runs the tests labelled `ci`.
#
#   bash scripts/test.sh [ctest arguments]
#
#   bash scripts/test.sh -R Retention      those of them whose names match
#   bash scripts/test.sh -L long           the long ones instead (any -L or -LE takes the place of `-L ci`)
#
# Ends with ctest's exit code.
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

bash "$here/scripts/setup.sh"
bash "$here/scripts/build.sh" release

label=(-L ci)
for argument in "$@"; do
  case $argument in
    -L* | --label-regex* | --label-exclude*) label=() ;;
  esac
done
# A test that starts several ranks says so (PROCESSORS), and ctest keeps the sum below -j.
exec ctest --test-dir "$here/build/release" --output-on-failure --no-tests=error --parallel "$(nproc)" "${label[@]}" "$@"
