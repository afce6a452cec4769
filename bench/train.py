"""Training throughput on 2 ranks (or more) against DDP, and against the ceiling of the machine. Start it through bench/run.sh.

Figures train.mlp, train.cnn, train.gpt in samples per second: the same model, batch, optimizer and random data on both
sides, one thread a rank, float32. Ours pays for votes, metrics and progress. In each repetition the sides take turns:
  peer     DDP over gloo, PyTorch's defaults
  ours     mpirun of holdfast-train
  tuned    PyTorch's tuned step (fused optimizer, channels-last) in independent processes at once, no communication
  alone    ours on 1 rank in independent processes at once, no communication
`ceiling` is the faster median of `tuned` and `alone`; `of_ceiling` is ours over it, `of_ceiling_peer` the peer's.
"""
import argparse
import contextlib
import pathlib

from harness import holdfast, peer
from harness.figure import arguments_of, median, print_figure, rounded

CEILING_PROCESSES = 2  # as peers/ceiling.py starts
# Steps of a timed window: 1 to 4 s, long against the hiccups of a machine.
WINDOW_STEPS = {"mlp": 500, "cnn": 20, "gpt": 6}
GLOBAL_BATCH = {"mlp": 128, "cnn": 128, "gpt": 16}
WINDOWS = 3
TIMEOUT_SECONDS = 600


def settings_of(workload, global_batch):
    steps = WINDOW_STEPS[workload]
    return [f"data.global_batch_size={global_batch}", f"trainer.log_every_steps={steps}",
            f"trainer.max_steps={steps * (WINDOWS + 1)}"]


def ours(workload, processes, ranks):
    """Samples per second of `processes` trainings at once, added up; together they train the global batch."""
    with holdfast.scratch_directory() as directory, contextlib.ExitStack() as stack:
        runs = []
        for number in range(processes):
            root = pathlib.Path(directory) / str(number)
            log = stack.enter_context(open(f"{root}.log", "w"))
            settings = settings_of(workload, GLOBAL_BATCH[workload] // processes)
            runs.append((holdfast.start_training(f"train_{workload}.yaml", ranks, root, settings, log), root))
        for process, root in runs:
            holdfast.finish(process, f"{root}.log", TIMEOUT_SECONDS)
        return sum(holdfast.samples_per_second(root) for _, root in runs)


def theirs(script, workload, launcher):
    options = [workload, "--steps", str(WINDOW_STEPS[workload]), "--windows", str(WINDOWS)]
    return peer.run([*launcher, script, *options], TIMEOUT_SECONDS)["samples_per_second"]


def measure(workload, ranks, repeat):
    sides = {
        "peer": lambda: theirs("train_ddp.py", workload, peer.torchrun(ranks)),
        "ours": lambda: ours(workload, processes=1, ranks=ranks),
        "tuned": lambda: theirs("ceiling.py", workload, [peer.python()]),
        "alone": lambda: ours(workload, processes=CEILING_PROCESSES, ranks=1),
    }
    rates = {side: [] for side in sides}
    for _ in range(repeat):
        for side, run in sides.items():
            rates[side].append(run())
    ceiling = max(median(rates["tuned"]), median(rates["alone"]))
    print_figure(f"train.{workload}", "samples/s", rates["ours"], rates["peer"], ceiling=rounded(ceiling),
                 of_ceiling=rounded(median(rates["ours"]) / ceiling), of_ceiling_peer=rounded(median(rates["peer"]) / ceiling), ranks=ranks, tuned=rounded(median(rates["tuned"])),
                 alone=rounded(median(rates["alone"])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="mlp,cnn,gpt", help="which of mlp,cnn,gpt")
    parser.add_argument("--ranks", default="2", help="numbers of ranks, as 2,4,8; the ceiling is that of 2 processes (default 2)")
    arguments = arguments_of(parser)
    workloads = arguments.workloads.split(",")
    unknown = [name for name in workloads if name not in WINDOW_STEPS]
    if unknown:
        parser.error(f"--workloads: {', '.join(unknown)}: expected some of {','.join(WINDOW_STEPS)}")
    numbers = [int(ranks) for ranks in arguments.ranks.split(",")]
    for workload in workloads:
        for ranks in numbers:
            if ranks < 1 or GLOBAL_BATCH[workload] % ranks:  # DDP would train what is left of the division on no rank
                parser.error(f"--ranks: {ranks} does not divide {workload}'s global batch of {GLOBAL_BATCH[workload]}")
    for workload in workloads:
        for ranks in numbers:
            measure(workload, ranks, arguments.repeat)


if __name__ == "__main__":
    main()
