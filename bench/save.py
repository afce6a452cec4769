"""Saving, loading and verifying a training state on 2 ranks, beside PyTorch's distributed checkpoint (DCP) and the raw disk.

Figures, for each size of --mib and for many small tensors; both sides in turns, each turn a process of its own:
  save.blocking       a save from the call to the durable commit, as a share of raw speed (O_DIRECT, the same bytes, fsync);
                      peer: DCP's save, as a share of the raw speed that its own script measures
  save.small_tensors  the same with 20,000 tensors of 50 KiB
  save.blocked        seconds that an asynchronous save costs the training, on both sides: the extra time of the steps around it
                      over undisturbed ones (peer_cached: DCP with buffers that it keeps). `call`, `peer_call`,
                      `peer_cached_call`: the time within the calls alone
  save.core_seconds   the same as core-seconds a GB: all ranks compute on all cores
  load.cold           a load with nothing in the page cache, as a share of raw reads of the same files
  verify.raw          `verify`, likewise (the peer has none)
`raw` on our side goes to and from as much memory as the state has; the peer's script uses one small buffer, which some
machines serve faster (`peer_raw_gb_per_second`). Start it through bench/run.sh.
"""
import argparse
import json
import os
import subprocess
import sys

from harness import holdfast, peer
from harness.figure import arguments_of, median, print_figure, rounded

RANKS = 2
SMALL_KIB = 50
TIMEOUT_SECONDS = 1800


def lines_of(command, environment, cwd=None):
    done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=TIMEOUT_SECONDS)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)}\n{done.stdout}{done.stderr}")
    return {line["way"]: line for line in map(json.loads, filter(lambda text: text.startswith("{"), done.stdout.splitlines()))}


def ours(directory, mib, tensor_kib):
    command = holdfast.mpirun(RANKS, holdfast.PROGRAMS / "holdfast-bench-checkpoint", directory, "--mib", mib, "--repeat", 1)
    return lines_of(command + (["--tensor-kib", str(tensor_kib)] if tensor_kib else []), holdfast.ENVIRONMENT)


def theirs(directory, mib, tensor_kib):
    ways = "raw,dcp" if mib > 1024 else "raw,dcp,dcp_async,dcp_cached"
    command = [*peer.torchrun(RANKS), "save.py", directory, "--mib", str(mib), "--repeat", "1", "--ways", ways]
    return lines_of(command + (["--tensor-kib", str(tensor_kib)] if tensor_kib else []),
                    {**os.environ, "OMP_NUM_THREADS": "1"}, cwd=peer.PEERS)


def share_of_raw(line):
    return line["raw_seconds"][0] / line["seconds"][0]


def print_figures(mib, tensor_kib, left, right):
    """`left` and `right`: what each turn of a side has printed, by way."""
    facts = {"mib": mib, "tensor_kib": tensor_kib}

    def seconds(turns, way):
        return [turn[way]["seconds"] if isinstance(turn[way]["seconds"], float) else turn[way]["seconds"][0] for turn in turns]

    def peer_share(way, raw):
        return [turn[raw]["seconds"] / turn[way]["seconds"] for turn in right]

    raw_speed = [turn["raw"]["gb_per_second"] for turn in right]
    print_figure("save.small_tensors" if tensor_kib else "save.blocking", "of raw", [share_of_raw(turn["save"]) for turn in left],
                 peer_share("dcp", "raw"), **facts, seconds=rounded(median(seconds(left, "save"))),
                 peer_seconds=rounded(median(seconds(right, "dcp"))), peer_raw_gb_per_second=rounded(median(raw_speed)))
    print_figure("load.cold", "of raw", [share_of_raw(turn["load"]) for turn in left], peer_share("dcp_load", "raw_read"), **facts,
                 seconds=rounded(median(seconds(left, "load"))), peer_seconds=rounded(median(seconds(right, "dcp_load"))))
    print_figure("verify.raw", "of raw", [share_of_raw(turn["verify"]) for turn in left], [], **facts,
                 seconds=rounded(median(seconds(left, "verify"))))
    extra = seconds(left, "steps")
    if "dcp_async" in right[0]:
        print_figure("save.blocked", "s", extra, [turn["dcp_async"]["extra"] for turn in right], **facts,
                     peer_cached=rounded(median([turn["dcp_cached"]["extra"] for turn in right])),
                     call=rounded(median([turn["steps"]["held_seconds"][0] for turn in left])),
                     peer_call=rounded(median([turn["dcp_async"]["blocked"] for turn in right])),
                     peer_cached_call=rounded(median([turn["dcp_cached"]["blocked"] for turn in right])))
    gigabytes = left[0]["steps"]["bytes"] / 1e9
    print_figure("save.core_seconds", "core-s/GB", [value * RANKS / gigabytes for value in extra], [], **facts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", default="1024,4096", help="sizes of the state (default 1024,4096; 4096 needs 20 GiB of memory)")
    arguments = arguments_of(parser)
    cases = [(int(mib), 0) for mib in arguments.mib.split(",")] + [(1024, SMALL_KIB)]
    for mib, tensor_kib in cases:
        left, right = [], []
        for _ in range(arguments.repeat):
            with holdfast.scratch_directory() as directory:
                left.append(ours(directory, mib, tensor_kib))
                right.append(theirs(directory, mib, tensor_kib))
        print_figures(mib, tensor_kib, left, right)


if __name__ == "__main__":
    main()
