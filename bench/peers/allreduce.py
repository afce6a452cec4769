"""Time of gloo's all-reduce (float32, sum, in place) by size of the message.

  OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 allreduce.py [--repeat 40]

Prints one JSON line for each size: the median over --repeat calls, each begun together.
"""
import argparse
import json
import statistics
import time

import torch
import torch.distributed as dist

SIZES_KIB = (4, 64, 512, 2048, 4800, 13000, 25600)


def median_seconds(size_kib, repeat):
    data, seconds = torch.ones(size_kib * 1024 // 4), []
    for _ in range(repeat):
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(data)
        seconds.append(time.perf_counter() - start)
        data /= dist.get_world_size()  # or repeated sums would overflow
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=40)
    repeat = parser.parse_args().repeat
    dist.init_process_group("gloo")
    for size_kib in SIZES_KIB:
        seconds = median_seconds(size_kib, repeat)
        if dist.get_rank() == 0:
            print(json.dumps({"peer": "gloo", "world": dist.get_world_size(), "kib": size_kib,
                              "milliseconds": round(seconds * 1e3, 3)}), flush=True)
    dist.destroy_process_group()


main()
