"""The speed of a training, and of an all-reduce, beside PyTorch's on the same device. Standard library only."""
import json
import pathlib
import statistics

import requirements

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench/peers"
BUILD = ROOT / "build/release"
GLOBAL_BATCH = {"mlp": 4096, "cnn": 1024, "gpt": 64}
WINDOW_STEPS = {"mlp": 200, "cnn": 100, "gpt": 40}
WINDOWS = 3
DRY = {"batch": 16, "steps": 2}
MODES = ("eager", "fused", "compile")
SECONDS = 150


def all_of(check, run, left_out):
    """(name of the row, what measures it)"""
    speed = Speed(check, run, left_out)
    for workload in GLOBAL_BATCH:
        yield f"{workload}, samples/s", lambda workload=workload: speed.training(workload)
    yield "two GPUs, gpt, samples/s", speed.two_gpus
    yield "all-reduce between two GPUs", speed.all_reduce


class Speed:
    def __init__(self, check, run, left_out):
        self.check, self.run, self.left_out = check, run, left_out
        self.python = requirements.torch_python()

    def sizes(self, workload):
        return (DRY["batch"], DRY["steps"]) if self.check.is_dry else (GLOBAL_BATCH[workload], WINDOW_STEPS[workload])

    def ours(self, workload, ranks):
        batch, steps = self.sizes(workload)
        directory = self.check.work / f"speed-{workload}-{ranks}"
        settings = [f"run.device={self.check.device}", f"data.global_batch_size={batch}", f"trainer.log_every_steps={steps}",
                    f"trainer.max_steps={steps * (WINDOWS + 1)}", "trainer.threads_per_rank=null"]
        command = ["mpirun", "--bind-to", "none", "-n", ranks, BUILD / "bin/holdfast-train", ROOT / f"bench/configs/train_{workload}.yaml",
                   "--run-dir", directory]
        for setting in settings:
            command += ["--set", setting]
        self.run(command, SECONDS)
        lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        rates = [line["wall_clock"]["samples_per_second"] for line in lines if line.get("kind", "train") == "train"]
        return statistics.median(rates[1:])

    def theirs(self, workload, mode):
        """nan: PyTorch could not, and has said why."""
        batch, steps = self.sizes(workload)
        done = self.run([self.python, PEERS / "train_one.py", workload, "--mode", mode, "--device", self.check.device, "--global-batch", batch,
                         "--steps", steps, "--windows", WINDOWS], SECONDS, codes=(0, 1))
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            print(f"PyTorch, {mode}: {done.stderr.strip()[-500:]}")
            return float("nan")
        return json.loads(lines[-1])["samples_per_second"]

    def need_peer(self):
        if not self.python:
            raise self.left_out("no Python here imports torch")

    def training(self, workload):
        ours = self.ours(workload, 1)
        if not self.python:
            return f"ours {ours:.4g}; PyTorch not measured: no Python here imports torch"
        rates = {mode: self.theirs(workload, mode) for mode in MODES}
        return f"ours {ours:.4g}; PyTorch " + ", ".join(f"{mode} {rate:.4g}" for mode, rate in rates.items())

    def two_gpus(self):
        if len(self.check.names) < 2 and not self.check.is_dry:
            raise self.left_out("one GPU here")
        self.need_peer()
        ours = self.ours("gpt", 2)
        batch, steps = self.sizes("gpt")
        done = self.run([self.python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, PEERS / "train_ddp.py", "gpt",
                         "--steps", steps, "--windows", WINDOWS, "--global-batch", batch], SECONDS)
        return f"ours {ours:.4g}; DDP {json.loads(done.stdout.strip().splitlines()[-1])['samples_per_second']:.4g}"

    def all_reduce(self):
        if len(self.check.names) < 2:
            raise self.left_out("one GPU here" if self.check.names else "it needs two GPUs")
        self.need_peer()
        ours = self.run(["mpirun", "--bind-to", "none", "-n", 2, BUILD / "bin/holdfast-bench-gpu-all-reduce"], SECONDS).stdout
        theirs = self.run([self.python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, PEERS / "allreduce.py",
                           "--backend", "nccl"], SECONDS).stdout
        times = [{line["kib"]: line["milliseconds"] for line in map(json.loads, out.strip().splitlines())} for out in (ours, theirs)]
        return "ms, ours/NCCL by PyTorch: " + ", ".join(f"{kib} KiB {times[0][kib]:.3f}/{times[1][kib]:.3f}" for kib in times[0])
