"""What scripts/gpu_check.sh does, step by step, each a row of one table. Standard library only."""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import measures
import requirements

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/release"
TARGETS = ("holdfast", "holdfast-train", "holdfast_cuda", "gpu_state_test", "gpu_ranks_test", "holdfast-bench-gpu-all-reduce")
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
               "OMPI_MCA_rmaps_base_oversubscribe": "1"}
HANG_SECONDS = 5  # cuda.collective_seconds of the training whose rank stops
HANG_BOUND = 60   # until a rank that waits for it has ended, with start-up and all


class Failed(Exception):
    pass


class LeftOut(Exception):
    """It cannot be done here; the words say why."""


def run(command, seconds, variables=None, codes=(0,)):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, cwd=ROOT,
                          env={**ENVIRONMENT, **(variables or {})})
    if done.returncode not in codes:
        raise Failed(f"{' '.join(str(word) for word in command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return done


class Check:
    def __init__(self, arguments):
        self.device, self.is_dry = arguments.device, arguments.device == "cpu"
        self.end = time.monotonic() + 60 * arguments.minutes
        self.names, _ = requirements.gpus() if not self.is_dry else ([], None)
        self.work = ROOT / "build/gpu-check"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.rows, self.has_failed = [], False

    def step(self, name, work):
        """A row of the table, however it ends."""
        started = time.monotonic()
        try:
            if started > self.end:
                raise LeftOut("the time was over")
            result, what = "passed", work()
        except LeftOut as reason:
            result, what = "left out", str(reason)
        except (Failed, AssertionError, subprocess.TimeoutExpired, OSError, ValueError, KeyError) as error:
            result, what, self.has_failed = "FAILED", f"{type(error).__name__}: {error}".strip(), True
            print(what, file=sys.stderr)
        self.rows.append((name, result, what.splitlines()[0] if what else "", time.monotonic() - started))
        print(f"{name}: {result}: {self.rows[-1][2]} ({self.rows[-1][3]:.1f} s)", flush=True)

    # --- building ---

    def build(self):
        root = requirements.torch_root()
        run(["cmake", "--preset", "release", f"-DHOLDFAST_TORCH={root}", "-DHOLDFAST_CUDA=ON"], 120)
        run(["cmake", "--build", BUILD, "--parallel", str(os.cpu_count()), "--target", *TARGETS], 480)
        return f"LibTorch {requirements.version_of(root)}"

    # --- the tests that need a GPU ---

    def gpu_tests(self):
        done = run(["ctest", "--test-dir", BUILD, "-L", "gpu", "--output-on-failure", "--no-tests=error"], 300)
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
        command = [BUILD / "bin/holdfast", "run", self.config(), "-n", ranks, "--run-dir", directory]
        for injection in injections:
            command += ["--inject", injection]
        run(command, 180)
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
        run([BUILD / "bin/holdfast", "ckpt", "diff", "--verify", undisturbed, killed], 60)
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
        done = run(["mpirun", "--bind-to", "none", "-n", 2, BUILD / "bin/holdfast-train", self.config(), "--run-dir", directory, "--set",
                    f"cuda.collective_seconds={HANG_SECONDS}", "--inject", "hang:rank=1,step=12,section=backward"], HANG_BOUND, codes=(69,))
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
    parser.add_argument("--minutes", type=float, default=9)
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
        print("  next: run it where these are, or --device cpu for a dry run", file=sys.stderr)
        sys.exit(69)
    check = Check(arguments)
    check.step("build", check.build)
    if not check.has_failed:
        check.step("tests that need a GPU", check.gpu_tests)
        for ranks in (1, 2):
            check.step(f"killed and resumed, {ranks} rank{'s' * (ranks > 1)}", lambda ranks=ranks: check.same_bits(ranks))
        check.step("a rank that stops in backward", check.hang)
        for name, measure in measures.all_of(check, run, LeftOut):
            check.step(name, measure)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(check.table())
    print("\n" + check.table())
    sys.exit(1 if check.has_failed else 0)


if __name__ == "__main__":
    main()
