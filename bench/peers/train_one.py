"""Training throughput of PyTorch in one process on one device, on a workload of workloads.py.

  python train_one.py gpt --mode compile --device cuda [--global-batch 64] [--steps 40] [--windows 3]

Modes: eager (PyTorch's defaults), fused (the fused optimizer, channels-last for the convolutions), compile (that, and torch.compile).
Prints one JSON line: samples per second, as the median over windows of --steps steps; a first window warms up and is not counted.
"""
import argparse
import json
import statistics
import time

import torch

import workloads


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=workloads.GLOBAL_BATCH)
    parser.add_argument("--mode", choices=("eager", "fused", "compile"), default="eager")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--global-batch", type=int)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--windows", type=int, default=3)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    is_tuned = arguments.mode != "eager"
    torch.manual_seed(0)
    model = workloads.MODELS[arguments.workload]().to(arguments.device)
    samples = arguments.global_batch or workloads.GLOBAL_BATCH[arguments.workload]
    batches = [workloads.random_batch(arguments.workload, samples, arguments.device) for _ in range(4)]
    if is_tuned and arguments.workload == "cnn":
        model = model.to(memory_format=torch.channels_last)
        batches = [(images.contiguous(memory_format=torch.channels_last), labels) for images, labels in batches]
    optimizer = workloads.optimizer_of(arguments.workload, model.parameters(), **({"fused": True} if is_tuned else {}))
    forward = torch.compile(model) if arguments.mode == "compile" else model
    wait = torch.cuda.synchronize if arguments.device.startswith("cuda") else lambda: None
    rates = []
    for _ in range(arguments.windows + 1):
        wait()
        start = time.perf_counter()
        for step in range(arguments.steps):
            optimizer.zero_grad()
            workloads.loss_of(forward, batches[step % len(batches)]).backward()
            optimizer.step()
        wait()
        rates.append(arguments.steps * samples / (time.perf_counter() - start))
    print(json.dumps({"peer": arguments.mode, "torch": torch.__version__, "workload": arguments.workload, "device": arguments.device,
                      "global_batch": samples, "samples_per_second": round(statistics.median(rates[1:]), 2)}))


main()
