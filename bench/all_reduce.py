"""All-reduce of float32 among the ranks of one host by size of the message, beside gloo's. Start it through bench/run.sh.

Figures all_reduce.4kib to all_reduce.25600kib in milliseconds; less is better, `speedup` is the peer's time over ours. Each
repetition takes turns; each turn is a median over 40 calls that begin together with values that have just been written.
  ours   in memory of the communicator's, where gradients lie
  peer   torch.distributed.all_reduce over gloo
  own    ours for values anywhere else: they are copied
  mpi    MPI_Allreduce, with parallel.shared_memory: false
"""
import argparse
import json
import subprocess
import sys

from harness import holdfast, peer
from harness.figure import arguments_of, median, print_figure, rounded

SIZES_KIB = (4, 64, 512, 2048, 4800, 13000, 25600)
CALLS = 40
TIMEOUT_SECONDS = 300


def times_in(output):
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {row["kib"]: row["milliseconds"] for row in rows}


def ours(kind, ranks):
    command = holdfast.mpirun(ranks, holdfast.PROGRAMS / "holdfast-bench-all-reduce", kind, CALLS, *SIZES_KIB)
    done = subprocess.run(command, env=holdfast.ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    if done.returncode != 0:
        sys.exit(f"our side failed ({done.returncode}): {' '.join(command)}\n{done.stdout}{done.stderr}")
    return times_in(done.stdout)


def theirs(ranks):
    return times_in(peer.output([*peer.torchrun(ranks), "allreduce.py", "--repeat", str(CALLS), *map(str, SIZES_KIB)], TIMEOUT_SECONDS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2, help="ranks (default 2)")
    arguments = arguments_of(parser)
    sides = {"ours": lambda: ours("shared_memory", arguments.ranks), "peer": lambda: theirs(arguments.ranks),
             "own": lambda: ours("own", arguments.ranks), "mpi": lambda: ours("mpi", arguments.ranks)}
    times = {side: [] for side in sides}
    for _ in range(arguments.repeat):
        for side, run in sides.items():
            times[side].append(run())
    for kib in SIZES_KIB:
        of = {side: [turn[kib] for turn in turns] for side, turns in times.items()}
        print_figure(f"all_reduce.{kib}kib", "ms", of["ours"], of["peer"], speedup=rounded(median(of["peer"]) / median(of["ours"])),
                     ranks=arguments.ranks, own=rounded(median(of["own"])), mpi=rounded(median(of["mpi"])))


if __name__ == "__main__":
    main()
