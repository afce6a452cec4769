"""What the machine gives when nobody communicates: independent processes at once, each with PyTorch's tuned step.

  OMP_NUM_THREADS=1 python ceiling.py cnn [--processes 2] [--steps 20] [--windows 4]

Tuned means the fused optimizer, and channels-last for the convolutions. Each process has its share of the global batch;
windows start together. Prints one JSON line: the processes' samples per second added up, as the median over windows.
"""
import argparse
import json
import statistics
import time

import torch
import torch.multiprocessing as multiprocessing

import workloads


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=workloads.GLOBAL_BATCH)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--windows", type=int, default=5)
    return parser.parse_args()


def channels_last(model, batches):
    layout = torch.channels_last
    return model.to(memory_format=layout), [(images.contiguous(memory_format=layout), labels) for images, labels in batches]


def work(arguments, barrier, results):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    local_batch = workloads.GLOBAL_BATCH[arguments.workload] // arguments.processes
    model = workloads.MODELS[arguments.workload]()
    batches = [workloads.random_batch(arguments.workload, local_batch) for _ in range(4)]
    if arguments.workload == "cnn":
        model, batches = channels_last(model, batches)
    optimizer = workloads.optimizer_of(arguments.workload, model.parameters(), fused=True)
    rates = []
    for _ in range(arguments.windows + 1):
        barrier.wait()
        start = time.perf_counter()
        for step in range(arguments.steps):
            optimizer.zero_grad()
            workloads.loss_of(model, batches[step % len(batches)]).backward()
            optimizer.step()
        rates.append(arguments.steps * local_batch / (time.perf_counter() - start))
    results.put(rates[1:])


def main():
    arguments = parse_arguments()
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(arguments.processes), context.Queue()
    workers = [context.Process(target=work, args=(arguments, barrier, results)) for _ in range(arguments.processes)]
    for worker in workers:
        worker.start()
    windows = [sum(rates) for rates in zip(*(results.get(timeout=600) for _ in workers))]
    for worker in workers:
        worker.join()
    print(json.dumps({"peer": "tuned, without communication", "workload": arguments.workload, "processes": arguments.processes,
                      "samples_per_second": round(statistics.median(windows), 2)}))


if __name__ == "__main__":
    main()
