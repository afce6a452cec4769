#!/bin/bash
# Times Holdfast beside PyTorch doing the same work, in turns, in one run. Prints one JSON line for each figure.
#
#   bash bench/run.sh train [--workloads mlp,cnn,gpt] [--ranks 2] [--repeat 5]   training throughput against DDP, and the ceiling
#   bash bench/run.sh all_reduce [--ranks 2] [--repeat 5]             all-reduce by size of the message against gloo
#   bash bench/run.sh restart [--repeat 5]                            kill -9 of a rank until the next new step
#   bash bench/run.sh save [--mib 1024,4096] [--repeat 5]             saves, loads and verify against DCP and the raw disk
#   bash bench/run.sh startup [--repeat 5]                            `holdfast --help`
#   bash bench/run.sh precision [--recompute] [--repeat 5]            bf16 and re-computation against float32 without; needs no PyTorch
#   bash bench/run.sh scale [--ranks 2,100,10000] [--repeat 3]        votes, checkpoints, supervisor with simulated ranks; needs no PyTorch
#   bash bench/run.sh environment                                     only installs PyTorch, the peer (2.7 GB to download)
#
# The peer lives in a virtual environment of its own, ~/.cache/holdfast/peer-venv (below XDG_CACHE_HOME where that is set).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
export HOLDFAST_PEER=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/peer-venv

# PyTorch's Python module needs the CUDA libraries even where there is no GPU, so the CPU part that Holdfast is built with
# is not enough for it.
install_peer() {
  [[ -e $HOLDFAST_PEER/complete ]] && return 0
  local log=$HOLDFAST_PEER.log started=$SECONDS
  echo "bench: installing PyTorch 2.11.0 in $HOLDFAST_PEER (2.7 GB to download)" >&2
  rm -rf "$HOLDFAST_PEER"
  mkdir -p "$(dirname "$HOLDFAST_PEER")"
  if ! { /usr/bin/python3 -m venv --without-pip "$HOLDFAST_PEER" && mkdir "$HOLDFAST_PEER/tmp" &&
    TMPDIR=$HOLDFAST_PEER/tmp /usr/bin/python3 -m pip --python "$HOLDFAST_PEER/bin/python" install --no-cache-dir \
      --disable-pip-version-check --progress-bar off torch==2.11.0 numpy; } >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    echo "bench: PyTorch could not be installed (the last lines are above, all of them in $log)" >&2
    exit 69
  fi
  rm -rf "$HOLDFAST_PEER/tmp" "$log"
  touch "$HOLDFAST_PEER/complete" # last of all: an interrupted installation is done again
  echo "bench: PyTorch is there ($((SECONDS - started)) s)" >&2
}

name=${1:-}
if [[ $name == environment ]]; then
  bash "$root/scripts/setup.sh" >&2
  install_peer
  exit
fi
if [[ -z $name || ! -e $here/$name.py ]]; then
  sed -n 's/^# \{0,1\}//; 2,13p' "${BASH_SOURCE[0]}" >&2
  exit 64
fi
shift
bash "$root/scripts/setup.sh" >&2
if [[ $name == scale ]]; then
  bash "$root/scripts/build.sh" release --target holdfast-bench-scale >&2
elif [[ $name == precision ]]; then
  bash "$root/scripts/build.sh" release --target holdfast-train >&2
else
  bash "$root/scripts/build.sh" release --target holdfast holdfast-train holdfast-bench-checkpoint holdfast-bench-all-reduce >&2
  install_peer
fi
exec /usr/bin/python3 "$here/$name.py" "$@"
