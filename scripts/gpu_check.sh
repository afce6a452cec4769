#!/bin/bash
# Builds what GPUs need and tries it on those of this host: all tests that need a GPU, a training whose ranks are killed and which has to
# end with the bits of one that nobody disturbed, a rank that stops in the middle of a step, and the speed beside PyTorch's. Takes no package
# from anywhere. Builds in build/gpu-check-release. Writes one Markdown table.
#
#   bash scripts/gpu_check.sh [--output FILE] [--minutes N] [--device cuda|cpu]
#
#   --output FILE   where the table goes besides standard output (default build/gpu-check.md)
#   --minutes N     all of it ends by then; what was not done is left out, and the table says so (default 10)
#   --device cpu    a dry run without a GPU: everything that can be started is, on the CPU, with few steps
#   HOLDFAST_TORCH=/path   the installed LibTorch 2.11 with CUDA; default: that of `python3 -c 'import torch'`, then the one of setup.sh
#
# Exit codes: 0 nothing failed; 1 something did (the table says what); 64 usage; 69 this host lacks a program, LibTorch, a header of CUDA or
# NCCL, or a driver (it is named; what else is missing is told by CMake, and the build has failed).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case " $* " in
  *" -h "* | *" --help "*)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
python=$(command -v python3 || true)
if [[ -z $python ]]; then
  echo "gpu_check: this host lacks python3" >&2
  exit 69
fi
exec env PYTHONDONTWRITEBYTECODE=1 "$python" "$here/tests/gpu/gpu_check.py" "$@"
