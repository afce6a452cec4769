"""Time of an all-reduce of PyTorch (float32, sum, in place) by size of the message: gloo's on CPUs, NCCL's between GPUs.

  OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 allreduce.py [--backend gloo|nccl] [--repeat 40] KIB...

Prints one JSON line for each size: the median over --repeat calls, each begun together.
"""
import argparse
import json
import os
import statistics
import time

import torch
import torch.distributed as dist


def median_seconds(size_kib, repeat, device):
    data, seconds = torch.ones(size_kib * 1024 // 4, device=device), []
    for _ in range(repeat):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(data)
        if device != "cpu":
            data[0].item()  # the GPU is there
        seconds.append(time.perf_counter() - start)
        data /= dist.get_world_size()  # or repeated sums would overflow
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--backend", choices=("gloo", "nccl"), default="gloo")
    parser.add_argument("sizes", type=int, nargs="+", metavar="KIB")
    arguments = parser.parse_args()
    device = f"cuda:{os.environ['LOCAL_RANK']}" if arguments.backend == "nccl" else "cpu"
    if device != "cpu":
        torch.cuda.set_device(device)
    dist.init_process_group(arguments.backend)
    for size_kib in arguments.sizes:
        seconds = median_seconds(size_kib, arguments.repeat, device)
        if dist.get_rank() == 0:
            print(json.dumps({"peer": arguments.backend, "world": dist.get_world_size(), "kib": size_kib,
                              "milliseconds": round(seconds * 1e3, 3)}), flush=True)
    dist.destroy_process_group()


main()
