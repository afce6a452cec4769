"""The real code of votes, checkpoints and the supervisor with many simulated ranks in one process. No training, no MPI, no peer.

One figure for each way and number of ranks; medians in seconds, and beside them the facts that do not depend on time: messages and bytes by
the model of docs/scaling.md, memory, sizes. After the JSON lines a table of the medians.
  scale.vote               what a rank computes of the votes of all, a step
  scale.save.collect       rank 0, what it does with the records of all shards; scale.save.commit: until the checkpoint is durable
  scale.resume             rank 0, from the choice of the checkpoint until it is restored; scale.resume.other_rank: another one
  scale.manifest.*         of a model of a billion parameters: comparison of replicas, making, writing and loading the manifest
  scale.attempt.E.*        an attempt that ends by E: the state machine for all its events, its journal, reading that again
  scale.watch[.slowest]    the supervisor: a word of every rank; the slowest such round, when slow ranks are looked for
  scale.example.*          no time is measured: the formulas of docs/scaling.md, for the model of a billion parameters
  scale.leases.*           the supervisor, over real sockets: until all shims have joined; core-seconds a word; the longest turn of its loop;
                           telling all of them something
Start it through bench/run.sh.
"""
import argparse
import json
import subprocess
import sys

from harness import holdfast
from harness.figure import arguments_of, median, print_figure

PROGRAM = holdfast.PROGRAMS / "holdfast-bench-scale"
TIMEOUT_SECONDS = 600


def lines_of(ranks, repeat, parts, directory):
    """What the program prints; its log goes to a file, and is shown where it fails."""
    command = [str(PROGRAM), directory, "--ranks", str(ranks), "--repeat", str(repeat), *(["--parts", parts] if parts else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)}\n{done.stderr[-4000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def text_of(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def print_table(cells, columns):
    """`cells`: {way: {ranks: text}}"""
    width = max(len(way) for way in cells) + 2
    print(f"\n{'ranks':{width}}" + "".join(f"{ranks:>12}" for ranks in columns))
    for way, row in cells.items():
        print(f"{way:{width}}" + "".join(f"{row.get(ranks, '-'):>12}" for ranks in columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="2,10,100,1000,10000", help="numbers of ranks (default 2,10,100,1000,10000)")
    parser.add_argument("--parts", default="", help="votes, saves, manifests, attempts, watching, leases, example (default: all)")
    parser.set_defaults(repeat=3)
    arguments = arguments_of(parser)
    columns = [int(ranks) for ranks in arguments.ranks.split(",")]
    cells = {}
    for ranks in columns:
        with holdfast.scratch_directory() as directory:
            for line in lines_of(ranks, arguments.repeat, arguments.parts, directory):
                way, seconds = f"scale.{line.pop('way')}", line.pop("seconds")
                print_figure(way, "s", seconds, [], **line)
                if seconds or "skipped" in line:
                    cells.setdefault(way, {})[ranks] = text_of(median(seconds)) if seconds else "skipped"
    if cells:
        print_table(cells, columns)


if __name__ == "__main__":
    main()
