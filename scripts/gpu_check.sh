#!/bin/bash
# Builds what GPUs need and tries it on those of this host: all tests that need a GPU, a training whose ranks are killed and which has to
# end with the bits of one that nobody disturbed, a rank that stops in the middle of a step, and the speed beside PyTorch's. Takes at most
# 10 minutes and no package from anywhere. Writes one Markdown table.
#
#   bash scripts/gpu_check.sh [--output FILE] [--minutes N] [--device cuda|cpu]
#
#   --output FILE   where the table goes besides standard output (default build/gpu-check.md)
#   --minutes N     what is not begun by then is left out, and the table says so (default 9)
#   --device cpu    a dry run without a GPU: everything that can be started is, on the CPU, with few steps
#   HOLDFAST_TORCH=/path   the installed LibTorch 2.11 with CUDA; default: that of `python3 -c 'import torch'`, then the one of setup.sh
#
# Exit codes: 0 all passed; 1 something failed (the table says what); 64 usage; 69 this host lacks something (it is named).
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
