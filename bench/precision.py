"""What 16 bits and re-computation cost and save, ours against ours. Start it through bench/run.sh.

Figures precision.mlp, precision.cnn, precision.gpt: samples per second on 2 ranks, one thread each, with `precision.compute`
float32 and bf16, and bf16 with gradients sent as bf16; the sides take turns. Figures recompute.float32, recompute.bf16: a gpt of 8 blocks on one
rank, without and with `trainer.recompute: stages`: samples per second, and the most memory that the process has had.
"""
import argparse
import json
import pathlib
import sys

import train
from harness import holdfast
from harness.figure import arguments_of, median, rounded

SIDES = {"float32": [], "bf16": ["precision.compute=bf16"],
         "bf16_sent_as_bf16": ["precision.compute=bf16", "parallel.gradient_dtype=bf16"]}
DEEP = ["task.options.layers=8", "data.global_batch_size=8", "trainer.log_every_steps=2", "trainer.max_steps=6"]
RANKS = 2
TIMEOUT_SECONDS = 300


def run(config, ranks, settings):
    """Samples per second, and MiB of a rank."""
    with holdfast.scratch_directory() as directory:
        root = pathlib.Path(directory) / "run"
        peak = pathlib.Path(directory) / "peak"
        with open(f"{root}.log", "w") as log:
            process = holdfast.start_training(config, ranks, root, settings, log, before=[sys.executable, holdfast.PEAK_MEMORY, peak])
            holdfast.finish(process, f"{root}.log", TIMEOUT_SECONDS)
        return holdfast.samples_per_second(root), int(peak.read_text()) / 1024


def show(name, sides, repeat):
    """`sides`: {name: what to run}."""
    rates, peaks = {side: [] for side in sides}, {side: [] for side in sides}
    for _ in range(repeat):
        for side, measure in sides.items():
            rate, mib = measure()
            rates[side].append(rate)
            peaks[side].append(mib)
    first = next(iter(sides))
    line = {"figure": name, "unit": "samples/s", "runs": repeat}
    for side in sides:
        line[side] = rounded(median(rates[side]))
        line[f"{side}_over_{first}"] = rounded(median(rates[side]) / median(rates[first]))
        line[f"{side}_mib"] = rounded(median(peaks[side]))
    line["all"] = {side: [rounded(rate) for rate in rates[side]] for side in sides}
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="mlp,cnn,gpt", help="which of mlp,cnn,gpt; empty: none")
    parser.add_argument("--recompute", action="store_true", help="the figures of re-computation alone")
    arguments = arguments_of(parser)
    for workload in filter(None, [] if arguments.recompute else arguments.workloads.split(",")):
        settings = train.settings_of(workload, train.GLOBAL_BATCH[workload])
        show(f"precision.{workload}", {side: lambda more=more: run(f"train_{workload}.yaml", RANKS, settings + more) for side, more in SIDES.items()},
             arguments.repeat)
    for compute in ("float32", "bf16"):
        show(f"recompute.{compute}",
             {how: lambda how=how: run("train_gpt.yaml", 1, [*DEEP, f"precision.compute={compute}", f"trainer.recompute={how}"]) for how in ("none", "stages")},
             arguments.repeat)


if __name__ == "__main__":
    main()
