#!/bin/bash
# Trains my_task.yaml twice on two ranks, once with a rank killed between two checkpoints, and compares the two to the last byte.
#   bash resume_test.sh HOLDFAST PLUGIN
set -euo pipefail
holdfast=$1
plugin=$2
config=$(dirname "${BASH_SOURCE[0]}")/my_task.yaml
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT

train() { "$holdfast" run "$config" -n 2 --run-dir "$runs/$1" --set "task.plugin=$plugin" "${@:2}"; }
train undisturbed
train killed --inject kill:rank=1,step=120 | tee "$runs/output"
grep -q ' 1 restart, ' "$runs/output"
"$holdfast" ckpt diff --verify "$runs/undisturbed" "$runs/killed"
