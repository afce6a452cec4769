"""The speed of a training, and of an all-reduce, beside PyTorch's on the same device, with what the benchmarks use. Standard library only."""
import pathlib
import sys

import requirements

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import all_reduce  # noqa: E402
from harness import holdfast, peer  # noqa: E402

GLOBAL_BATCH = {"mlp": 4096, "cnn": 1024, "gpt": 64}
WINDOW_STEPS = {"mlp": 200, "cnn": 100, "gpt": 40}
WINDOWS = 3
DRY = {"batch": 16, "steps": 2}
MODES = ("eager", "fused", "compile")
SECONDS = 150
UNEQUAL = "ours with determinism: run and each batch copied to the GPU, PyTorch with neither"


def all_of(check, left_out):
    """(name of the row, what measures it)"""
    speed = Speed(check, left_out)
    for workload in GLOBAL_BATCH:
        yield f"{workload}, samples/s", lambda workload=workload: speed.training(workload)
    yield "two GPUs, gpt, samples/s", speed.two_gpus
    yield "all-reduce between two GPUs", speed.all_reduce


class Speed:
    def __init__(self, check, left_out):
        self.check, self.left_out = check, left_out
        self.python = requirements.torch_python()

    def sizes(self, workload):
        return (DRY["batch"], DRY["steps"]) if self.check.is_dry else (GLOBAL_BATCH[workload], WINDOW_STEPS[workload])

    def ours(self, workload, ranks):
        batch, steps = self.sizes(workload)
        last_step = steps * (WINDOWS + 1)
        directory = self.check.work / f"speed-{workload}-{ranks}"
        settings = [f"run.device={self.check.device}", f"data.global_batch_size={batch}", f"data.options.samples={4 * batch}",
                    f"trainer.log_every_steps={steps}", f"trainer.max_steps={last_step}", "trainer.threads_per_rank=null"]
        self.check.run(holdfast.training(f"train_{workload}.yaml", ranks, directory, settings, programs=self.check.programs), SECONDS)
        seen = holdfast.metrics(directory)[-1]["samples_seen"]
        assert seen == last_step * batch, f"{seen} samples in {last_step} steps of {batch}"
        return holdfast.samples_per_second(directory)

    def theirs(self, workload, mode):
        """nan: PyTorch could not, and has said why."""
        batch, steps = self.sizes(workload)
        done = self.check.run([self.python, peer.PEERS / "train_one.py", workload, "--mode", mode, "--device", self.check.device,
                               "--global-batch", batch, "--steps", steps, "--windows", WINDOWS], SECONDS, codes=(0, 1))
        if done.returncode or not done.stdout.strip():
            print(f"PyTorch, {mode}: {done.stderr.strip()[-500:]}")
            return float("nan")
        return peer.figures(done.stdout)["samples_per_second"]

    def need_peer(self):
        if not self.python:
            raise self.left_out("no Python here imports torch")

    def training(self, workload):
        ours = self.ours(workload, 1)
        if not self.python:
            return f"ours {ours:.4g}; PyTorch not measured: no Python here imports torch"
        rates = {mode: self.theirs(workload, mode) for mode in MODES}
        return f"ours {ours:.4g}; PyTorch " + ", ".join(f"{mode} {rate:.4g}" for mode, rate in rates.items()) + f" ({UNEQUAL})"

    def two_gpus(self):
        if len(self.check.names) < 2 and not self.check.is_dry:
            raise self.left_out("one GPU here")
        self.need_peer()
        ours = self.ours("gpt", 2)
        batch, steps = self.sizes("gpt")
        done = self.check.run([*peer.torchrun(2, self.python), peer.PEERS / "train_ddp.py", "gpt", "--steps", steps, "--windows", WINDOWS,
                               "--global-batch", batch], SECONDS)
        return f"ours {ours:.4g}; DDP {peer.figures(done.stdout)['samples_per_second']:.4g} ({UNEQUAL})"

    def all_reduce(self):
        if len(self.check.names) < 2:
            raise self.left_out("one GPU here" if self.check.names else "it needs two GPUs")
        self.need_peer()
        ours = self.check.run(holdfast.mpirun(2, self.check.programs / "holdfast-bench-gpu-all-reduce", *all_reduce.SIZES_KIB), SECONDS)
        theirs = self.check.run([*peer.torchrun(2, self.python), peer.PEERS / "allreduce.py", "--backend", "nccl", *all_reduce.SIZES_KIB], SECONDS)
        times = [all_reduce.times_in(done.stdout) for done in (ours, theirs)]
        return "ms, ours/NCCL by PyTorch: " + ", ".join(f"{kib} KiB {times[0][kib]:.3f}/{times[1][kib]:.3f}" for kib in all_reduce.SIZES_KIB)
