#!/bin/bash
# From nothing to the proof: installs what is missing, builds, trains the cnn on Fashion-MNIST on 2 ranks, once undisturbed
# and once with a rank killed twice, and compares the two results bit by bit.
#
#   bash scripts/quickstart.sh
#
# Writes runs/quickstart-undisturbed and runs/quickstart-killed (both are emptied first). Ends with 0 if the results are
# equal, 1 if they are not. HOLDFAST_TORCH and XDG_CACHE_HOME: see scripts/setup.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

config=configs/fashion_cnn.yaml
undisturbed=runs/quickstart-undisturbed
killed=runs/quickstart-killed
# Rank 1 dies in mid-epoch and halfway between two checkpoints; rank 0 dies while a checkpoint is being written.
kills=(--inject "kill:rank=1,step=250" --inject "kill:rank=0,step=500,section=checkpoint")

title() { printf '\n== %s\n' "$*"; }
took() { printf '   (%d min %02d s)\n' $((($1) / 60)) $((($1) % 60)); }

train() {
  local directory=$1 started=$SECONDS code=0
  shift
  rm -rf "$directory"
  build/release/bin/holdfast run "$config" -n 2 --run-dir "$directory" "$@" || code=$?
  if ((code)); then
    printf 'quickstart: the training in %s ended with exit code %d; its logs are in %s/logs\n' "$directory" "$code" "$directory" >&2
    exit "$code"
  fi
  took $((SECONDS - started))
}

case ${1:-} in
  "") ;;
  *)
    sed -n 's/^# \{0,1\}//; 2,8p' "${BASH_SOURCE[0]}"
    [[ $1 == -h || $1 == --help ]] && exit 0
    printf 'quickstart: it takes no arguments, found: %s\n' "$*" >&2
    exit 64
    ;;
esac

title "1. Set-up"
started=$SECONDS
bash scripts/setup.sh
took $((SECONDS - started))

title "2. Build (Release)"
started=$SECONDS
bash scripts/build.sh release --target holdfast holdfast-train
took $((SECONDS - started))

title "3. Training on 2 ranks that nobody disturbs"
train "$undisturbed"

title "4. The same training; a rank is killed (kill -9) at step 250, and another at step 500 while a checkpoint is written"
train "$killed" "${kills[@]}"

title "5. Both side by side"
was_killed=yes
/usr/bin/python3 scripts/compare_runs.py "$undisturbed" "$killed" --expect-restarts 2 || was_killed=no

title "6. Every byte of both final checkpoints: holdfast ckpt diff --verify"
code=0
build/release/bin/holdfast ckpt diff --verify "$undisturbed" "$killed" || code=$?
printf '   (all together %d min %02d s)\n' $((SECONDS / 60)) $((SECONDS % 60))
if ((code)); then
  echo "DIFFERENT: the two results are not the same bits (see the report of holdfast ckpt diff above)"
elif [[ $was_killed == no ]]; then
  echo "DIFFERENT: the second training was not disturbed as it was meant to be, so its result shows nothing (see 5. above)"
else
  echo "EQUAL: the training whose ranks were killed ended with the same bits as the one that nobody disturbed"
  exit 0
fi
exit 1
