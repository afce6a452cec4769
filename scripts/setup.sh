#!/bin/bash
# Installs what Holdfast needs and is not there: Debian packages, LibTorch 2.11, and build/data/bible.txt to train on. Safe to
# run again at any time; says nothing when there is nothing to do.
#
#   bash scripts/setup.sh
#
#   HOLDFAST_TORCH=/path   use this LibTorch 2.11 (the folder that holds lib/ and include/, or torch/) and download none
#   HOLDFAST_WITH_SLURM=1  Slurm too, for tests/cluster/slurm_test.py; 0 or empty: without
#   HOLDFAST_WITH_CUDA=1   the CUDA libraries of that LibTorch too (2.0 GB to download), for GPUs and for tests/cuda; 0 or empty: without
#   XDG_CACHE_HOME=/path   where downloads are kept (default ~/.cache); cmake/HoldfastDependencies.cmake looks there too
#
# Exit codes: 0 all there; 64 it was given arguments; 69 a package is missing that this account may not install, or a download failed;
# 78 HOLDFAST_TORCH names something else than LibTorch 2.11, or one without the CUDA part that HOLDFAST_WITH_CUDA asks for.
set -euo pipefail
if (($#)); then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  [[ $1 == -h || $1 == --help ]] && exit 0
  printf 'setup: it takes no arguments, found: %s\n' "$*" >&2
  exit 64
fi

packages=(
  g++ make cmake ninja-build ccache pkg-config git ca-certificates                             # to build
  openmpi-bin libopenmpi-dev libhdf5-dev hdf5-tools libboost-program-options-dev libyaml-cpp-dev # libraries
  nlohmann-json3-dev libsimdjson-dev libxxhash-dev libspdlog-dev libfmt-dev zlib1g-dev libprotozero-dev libdw-dev
  libgtest-dev libgmock-dev python3 python3-pip python3-h5py python3-numpy python3-pytest python3-yaml strace xfsprogs iproute2 # to test
  clang libclang-rt-14-dev                                                                     # to fuzz
  dataset-fashion-mnist bible-kjv                                                              # data
)
is_wanted() { [[ -n ${!1:-} && ${!1} != 0 ]]; }
! is_wanted HOLDFAST_WITH_SLURM || packages+=(slurmctld slurmd slurm-client munge)
torch_version=2.11.0
torch_wheels=("torch==$torch_version" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85) # enough for the CPU part
# What the wheel of torch asks for besides: with these below nvidia/, LibTorch's CUDA part finds all that it needs.
cuda_wheels=(nvidia-cublas==13.1.0.3 nvidia-cuda-nvrtc==13.0.88 nvidia-cudnn-cu13==9.19.0.56 nvidia-cufft==12.0.0.61
  nvidia-cufile==1.15.1.6 nvidia-curand==10.4.0.35 nvidia-cusolver==12.0.4.66 nvidia-cusparse==12.6.3.3
  nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9 nvidia-nvjitlink==13.0.88 nvidia-nvshmem-cu13==3.4.5 nvidia-nvtx==13.0.85)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast
torch_root=$cache/torch-$torch_version-cpu

say() { printf 'setup: %s\n' "$*"; }
fail() {
  local code=$1
  shift
  printf 'setup: %s\n' "$@" >&2
  exit "$code"
}

# --- Debian packages ---
missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null | sed -n 's/^installed //p') || true
  comm -23 <(printf '%s\n' "${packages[@]}" | sort -u) <(sort -u <<<"$installed")
}

# Sets `as_root` to what a command has to be prefixed with, or returns 1: sudo counts where it would not wait for a
# password, or where somebody sits at a terminal to type it.
find_root() {
  as_root=()
  [[ $(id -u) == 0 ]] && return 0
  as_root=(sudo)
  command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 && -t 2 ]]; }
}

install_packages() {
  command -v dpkg-query >/dev/null || fail 69 "this is no Debian system (dpkg-query is missing). Holdfast is built and" \
    "tested on Debian 12; install what these packages hold, then run scripts/build.sh: ${packages[*]}"
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  local line="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  find_root || fail 69 "${#missing[@]} Debian packages are missing, and this account may not install them." \
    "Ask the administrator to run the line below, then start again."$'\n'"$line"
  local log started=$SECONDS
  log=$(mktemp -t holdfast-apt.XXXXXX.log)
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  # An update that fails (no network, one dead mirror) matters only if the installation fails as well.
  "${as_root[@]}" apt-get -q update >"$log" 2>&1 || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
    install --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null || {
    tail -n 15 "$log" >&2
    fail 69 "apt-get could not install the packages (its last lines are above, all of them in $log)." "It was asked for: $line"
  }
  rm -f "$log"
  say "Debian packages installed ($((SECONDS - started)) s)"
}

# --- LibTorch ---
# Prints "2.11" for the LibTorch under $1, or nothing.
torch_version_of() {
  local header=$1/include/torch/headeronly/version.h
  [[ ! -r $header ]] || sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\) \([0-9]*\).*/\2/p' "$header" | paste -sd.
}

check_given_torch() {
  local root=$HOLDFAST_TORCH found
  [[ -e $root/lib/libtorch_cpu.so ]] || root=$root/torch
  [[ -e $root/lib/libtorch_cpu.so ]] || fail 78 "looked for LibTorch in HOLDFAST_TORCH=$HOLDFAST_TORCH:" \
    "expected lib/libtorch_cpu.so or torch/lib/libtorch_cpu.so there, found neither." \
    "Give the folder that holds lib/ and include/, or unset HOLDFAST_TORCH to have LibTorch $torch_version downloaded."
  found=$(torch_version_of "$root")
  [[ $found == "${torch_version%.*}" ]] || fail 78 "looked for LibTorch ${torch_version%.*} in HOLDFAST_TORCH=$HOLDFAST_TORCH:" \
    "found version ${found:-unknown (no include/torch/headeronly/version.h)}." \
    "Give a LibTorch ${torch_version%.*}, or unset HOLDFAST_TORCH to have $torch_version downloaded."
}

# Two set-ups at once: the second waits here and finds the download done.
lock_cache() {
  mkdir -p "$cache"
  exec 9>"$cache/setup.lock"
  flock 9
}

# fetch_wheels NAME FOLDER WHEEL...: below FOLDER/root, or ends with what pip said last.
fetch_wheels() {
  local name=$1 stage=$2 log=$cache/$1-download.log pip_options=()
  shift 2
  # The C++ parts are the same in the wheel of every Python: with one that torch is not made for, another's is taken.
  /usr/bin/python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    pip_options=(--python-version 3.11 --only-binary=:all: --platform "manylinux_2_28_$(uname -m)" --platform "manylinux2014_$(uname -m)")
  mkdir -p "$stage/tmp" # pip unpacks here, on the same file system; /tmp may be too small
  TMPDIR=$stage/tmp /usr/bin/python3 -m pip install --no-deps --no-cache-dir --disable-pip-version-check --progress-bar off \
    "${pip_options[@]}" --target "$stage/root" "$@" >"$log" 2>&1 </dev/null || {
    rm -rf "$stage"
    tail -n 15 "$log" >&2
    fail 69 "$name could not be downloaded from PyPI (pip's last lines are above, all of them in $log)." \
      "Without PyPI, give an installed LibTorch: HOLDFAST_TORCH=/path/to/torch"
  }
}

download_torch() {
  [[ -e $torch_root/torch/lib/libtorch_cpu.so ]] && return 0
  lock_cache
  [[ -e $torch_root/torch/lib/libtorch_cpu.so ]] && return 0
  rm -rf "$torch_root" "$torch_root".partial-* # what an interrupted set-up left

  local stage=$torch_root.partial-$$ started=$SECONDS
  say "downloading LibTorch $torch_version, 544 MB, to $torch_root"
  fetch_wheels torch "$stage" "${torch_wheels[@]}"
  mv -T "$stage/root" "$torch_root"
  rm -rf "$stage"
  say "LibTorch is there ($((SECONDS - started)) s)"
}

# --- its CUDA libraries ---
download_cuda() {
  local done_mark=$torch_root/nvidia/cuda-of-torch-$torch_version
  [[ -e $done_mark ]] && return 0
  lock_cache
  [[ -e $done_mark ]] && return 0
  rm -rf "$cache"/cuda.partial-*
  local stage=$cache/cuda.partial-$$ started=$SECONDS
  say "downloading the CUDA libraries of LibTorch $torch_version, 2.0 GB, to $torch_root/nvidia"
  fetch_wheels cuda "$stage" "${cuda_wheels[@]}"
  cp -rlf "$stage/root/nvidia/." "$torch_root/nvidia/" # beside what the wheels of the CPU part have laid there
  touch "$done_mark"
  rm -rf "$stage"
  say "the CUDA libraries are there ($((SECONDS - started)) s)"
}

check_given_cuda() {
  local root=$HOLDFAST_TORCH
  [[ -e $root/lib/libtorch_cpu.so ]] || root=$root/torch
  [[ -e $root/lib/libtorch_cuda.so ]] || fail 78 "HOLDFAST_WITH_CUDA is set, and HOLDFAST_TORCH=$HOLDFAST_TORCH has no CUDA part" \
    "(lib/libtorch_cuda.so)." "Give a LibTorch with CUDA, or unset one of the two."
}

# --- the text of configs/text_gpt.yaml ---
write_text() {
  local text
  text=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/data/bible.txt
  [[ -e $text ]] && return 0
  mkdir -p "$(dirname "$text")"
  bible -f gen1:1-rev22:21 >"$text.partial" || fail 69 "the program bible (Debian package bible-kjv) could not print its text"
  mv "$text.partial" "$text"
}

install_packages
write_text
if [[ -n ${HOLDFAST_TORCH:-} ]]; then check_given_torch; else download_torch; fi
! is_wanted HOLDFAST_WITH_CUDA || if [[ -n ${HOLDFAST_TORCH:-} ]]; then check_given_cuda; else download_cuda; fi
