"""Training throughput of PyTorch's DistributedDataParallel on a workload of workloads.py: gloo on CPUs, nccl on GPUs.

  OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 train_ddp.py cnn [--steps 20] [--windows 4]

Prints one JSON line: samples per second over all ranks, as the median over windows of --steps steps; a first window warms
up and is not counted. Batches are made beforehand, so that no input pipeline is timed.
"""
import argparse
import json
import os
import statistics
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import workloads


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=workloads.GLOBAL_BATCH)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--global-batch", type=int, help="samples of one step over all ranks")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    world = dist.get_world_size()
    device = f"cuda:{int(os.environ['LOCAL_RANK'])}" if on_gpu else "cpu"
    torch.manual_seed(0)
    model = DistributedDataParallel(workloads.MODELS[arguments.workload]().to(device))
    optimizer = workloads.optimizer_of(arguments.workload, model.parameters())
    local_batch = (arguments.global_batch or workloads.GLOBAL_BATCH[arguments.workload]) // world
    batches = [workloads.random_batch(arguments.workload, local_batch, device) for _ in range(4)]

    rates = []
    for _ in range(arguments.windows + 1):
        dist.barrier()
        start = time.perf_counter()
        for step in range(arguments.steps):
            optimizer.zero_grad()
            workloads.loss_of(model, batches[step % len(batches)]).backward()
            optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()
        dist.barrier()
        rates.append(arguments.steps * local_batch * world / (time.perf_counter() - start))
    if dist.get_rank() == 0:
        counted = rates[1:]
        print(json.dumps({
            "peer": "ddp", "torch": torch.__version__, "workload": arguments.workload, "world": world,
            "global_batch": local_batch * world, "samples_per_second": round(statistics.median(counted), 2),
            "min": round(min(counted), 2), "max": round(max(counted), 2),
            "parameters": sum(p.numel() for p in model.parameters())}))
    dist.destroy_process_group()


main()
