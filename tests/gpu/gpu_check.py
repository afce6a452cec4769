"""What scripts/gpu_check.sh does, step by step, each a row of one table. Standard library only."""
import argparse
import datetime
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import measures
import requirements
from measures import holdfast

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/gpu-check-release"  # of its own: its LibTorch and its options are not those of build/release
WORK = ROOT / "build/gpu-check"
TARGETS = ("holdfast", "holdfast-train", "holdfast_cuda", "gpu_state_test", "gpu_ranks_test", "holdfast-bench-gpu-all-reduce")
ENVIRONMENT = {**os.environ, **holdfast.ALLOW_ROOT, "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
HANG_SECONDS = 5  # cuda.collective_seconds of the training whose rank stops
TERM_SECONDS = 5  # from SIGTERM to SIGKILL, of what is not over in time
HANG_BOUND = 60   # until a rank that waits for it has ended, with start-up and all


class Failed(Exception):
    pass


class LeftOut(Exception):
    """It cannot be done here; the words say why."""


def end_group(process):
    """A launcher ends its ranks, whose groups are others, when it is asked to; who does not end is killed."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(TERM_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Check:
    def __init__(self, arguments):
        self.device, self.is_dry = arguments.device, arguments.device == "cpu"
        self.environment = {**ENVIRONMENT, **({"CUDA_VISIBLE_DEVICES": ""} if self.is_dry else {})}
        self.end = time.monotonic() + 60 * arguments.minutes
        self.programs = BUILD / "bin"
        self.names, _ = requirements.gpus() if not self.is_dry else ([], None)
        self.work = WORK
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.rows, self.has_failed = [], False

    def run(self, command, seconds, codes=(0,)):
        """Within its own limit and what is left of the time of all."""
        command = [str(word) for word in command]
        left = self.end - time.monotonic()
        if left <= 0:
            raise LeftOut("the time was over")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=self.environment,
                              start_new_session=True) as process:
            try:
                stdout, stderr = process.communicate(timeout=min(seconds, left))
            except BaseException as error:
                end_group(process)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                if left < seconds:
                    raise LeftOut(f"the time was over in {command[0]}") from None
                raise Failed(f"{' '.join(command)} was not over after {seconds} s") from None
        if process.returncode not in codes:
            raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{(stdout + stderr)[-4000:]}")
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def step(self, name, work):
        """A row of the table, however it ends."""
        started = time.monotonic()
        try:
            if started > self.end:
                raise LeftOut("the time was over")
            result, what = "passed", work()
        except LeftOut as reason:
            result, what = "left out", str(reason)
        except (Exception, SystemExit) as error:  # the benchmarks' parts end their process
            result, what, self.has_failed = "FAILED", f"{type(error).__name__}: {error}".strip(), True
            print(what, file=sys.stderr)
        self.rows.append((name, result, what.splitlines()[0] if what else "", time.monotonic() - started))
        print(f"{name}: {result}: {self.rows[-1][2]} ({self.rows[-1][3]:.1f} s)", flush=True)

    # --- building ---

    def build(self):
        root = requirements.torch_root()
        try:
            self.run(["cmake", "--preset", "release", "-B", BUILD, f"-DHOLDFAST_TORCH={root}", "-DHOLDFAST_CUDA=ON"], 120)
            self.run(["cmake", "--build", BUILD, "--parallel", os.cpu_count(), "--target", *TARGETS], math.inf)
        except LeftOut as reason:  # with it all the rest
            raise Failed(f"{reason}; what is built stays: run it again, or with --minutes") from None
        return f"LibTorch {requirements.version_of(root)}"

    # --- the tests that need a GPU ---

    def gpu_tests(self):
        done = self.run(["ctest", "--test-dir", BUILD, "-L", "gpu", "--output-on-failure", "--no-tests=error"], 300)
        skipped = done.stdout.count("***Skipped")
        if self.is_dry:
            assert skipped == 3, f"without a GPU each of the three is skipped:\n{done.stdout}"
            raise LeftOut("they need a GPU; each said so")
        assert skipped == 0, done.stdout
        return next(line for line in done.stdout.splitlines() if "tests passed" in line)

    # --- training, killed and resumed ---

    def config(self):
        path = self.work / "config.yaml"
        path.write_text(json.dumps({  # JSON is YAML
            "task": {"name": "gpt", "options": {"context": 64, "layers": 2, "width": 128, "heads": 4}},
            "data": {"name": "random", "global_batch_size": 16,
                     "options": {"kind": "tokens", "shape": [65], "classes": 256, "samples": 512, "validation_samples": 64}},
            "optimizers": {"main": {"type": "adamw", "lr": 1e-3}},
            "trainer": {"max_steps": 40, "clip_norm": 1.0, "log_every_steps": 5},
            "run": {"device": self.device},
            "cuda": {"share_devices": True, "collective_seconds": 60},
            "checkpoints": [{"name": "regular", "every_steps": 7, "limit": 2}]}))
        return path

    def train(self, name, ranks, injections=()):
        directory = self.work / name
        command = [self.programs / "holdfast", "run", self.config(), "-n", ranks, "--run-dir", directory]
        for injection in injections:
            command += ["--inject", injection]
        self.run(command, 180)
        return directory

    def same_bits(self, ranks):
        last = ranks - 1
        faults = [f"kill:rank={last},step=12,section=backward", "kill:rank=0,step=19,section=reduce", f"kill:rank={last},step=26,section=update"]
        undisturbed, killed = self.train(f"undisturbed-{ranks}", ranks), self.train(f"killed-{ranks}", ranks, faults)
        journal = [json.loads(line) for line in (killed / "journal.jsonl").read_text().splitlines()]
        struck = [line["injected"] for line in journal if line["event"] == "rank_lost" and line["injected"]]
        assert struck == faults, f"the faults that struck: {struck}"
        hashes = [json.loads((run_directory / "DONE.json").read_text())["parameter_hash"] for run_directory in (undisturbed, killed)]
        assert hashes[0] == hashes[1], f"parameter hashes {hashes}"
        self.run([self.programs / "holdfast", "ckpt", "diff", "--verify", undisturbed, killed], 60)
        manifest = json.loads(max((killed / "checkpoints").glob("step-*/manifest.json")).read_text())
        on = manifest["environment"]["device"]
        assert self.is_dry == (on == "cpu"), f"it was trained on {on}"
        return f"3 kills, parameter hash {hashes[0][:16]} both times, on {on}"

    # --- a rank that stops ---

    def hang(self):
        if self.is_dry:
            raise LeftOut("the watchdog looks after operations between GPUs")
        directory = self.work / "hang"
        started = time.monotonic()
        command = holdfast.mpirun(2, self.programs / "holdfast-train", self.config(), "--run-dir", directory, "--set",
                                  f"cuda.collective_seconds={HANG_SECONDS}", "--inject", "hang:rank=1,step=12,section=backward")
        done = self.run(command, HANG_BOUND, codes=(69,))
        seconds = time.monotonic() - started
        record = json.loads((directory / "logs/attempt-001/rank-0.operations.json").read_text())
        assert record["started"] > record["ended"] and "is not over" in record["reason"], record
        assert "is not over" in done.stdout + done.stderr
        return f"rank 0 ended with 69 after {seconds:.1f} s: {record['reason']}"

    # --- the table ---

    def table(self):
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip() or "unknown"
        gpus = ", ".join(self.names) or "none (dry run on the CPU: its figures say nothing of a GPU)"
        lines = ["# scripts/gpu_check.sh", "", f"Commit {commit}, {datetime.date.today()}. GPUs: {gpus}.", "",
                 "| step | result | | seconds |", "|---|---|---|---|"]
        lines += [f"| {name} | {result} | {what.replace('|', '/')} | {seconds:.1f} |" for name, result, what, seconds in self.rows]
        return "\n".join(lines) + "\n"


def parse_arguments():
    parser = argparse.ArgumentParser(prog="gpu_check.sh", description="See bash scripts/gpu_check.sh --help")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/gpu-check.md")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    try:
        return parser.parse_args()
    except SystemExit as end:
        sys.exit(64 if end.code else 0)


def main():
    arguments = parse_arguments()
    lacks = requirements.missing(arguments.device)
    if lacks:
        print("gpu_check: this host lacks\n" + "\n".join(f"  {lack}" for lack in lacks), file=sys.stderr)
        dry = ", or --device cpu for a dry run" if arguments.device == "cuda" else ""
        is_installable = any("LibTorch" in lack or "header" in lack for lack in lacks)
        libtorch = " (HOLDFAST_WITH_CUDA=1 bash scripts/setup.sh installs a LibTorch with CUDA)" if is_installable else ""
        print(f"  next: run it where these are{libtorch}{dry}", file=sys.stderr)
        sys.exit(69)
    check = Check(arguments)
    check.step("build", check.build)
    if not check.has_failed:
        check.step("tests that need a GPU", check.gpu_tests)
        for ranks in (1, 2):
            check.step(f"killed and resumed, {ranks} rank{'s' * (ranks > 1)}", lambda ranks=ranks: check.same_bits(ranks))
        check.step("a rank that stops in backward", check.hang)
        for name, measure in measures.all_of(check, LeftOut):
            check.step(name, measure)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(check.table())
    print("\n" + check.table())
    sys.exit(1 if check.has_failed else 0)


if __name__ == "__main__":
    main()
