"""Our side: starts trainings and reads their metrics."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / "build" / "release" / "bin"
CONFIGS = ROOT / "bench" / "configs"
PEAK_MEMORY = ROOT / "bench" / "harness" / "peak_memory.py"
# mpirun refuses root unless told twice.
ALLOW_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", **ALLOW_ROOT}  # one thread a rank, as on the peer's side


def scratch_directory():
    """A temporary directory beside the build, for both sides: /tmp may be memory, where fsync costs nothing."""
    return tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build")


def mpirun(ranks, *command):
    """Unbound, so that several mpiruns at once do not all bind to the first core."""
    return ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", str(ranks), *map(str, command)]


def training(config, ranks, run_directory, settings, before=(), programs=PROGRAMS):
    """The command: mpirun of holdfast-train, started by `before`."""
    options = [word for setting in settings for word in ("--set", setting)]
    return mpirun(ranks, *before, programs / "holdfast-train", CONFIGS / config, "--run-dir", run_directory, *options)


def start_training(config, ranks, run_directory, settings, log, before=()):
    return subprocess.Popen(training(config, ranks, run_directory, settings, before), env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def finish(process, log_path, timeout):
    """Waits; a training that fails ends the benchmark with what it printed."""
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        code = f"no end after {timeout} s"
    if code != 0:
        sys.exit(f"our side failed ({code}): {' '.join(process.args)}\n{pathlib.Path(log_path).read_text()}")


def metrics(run_directory):
    """The complete lines of metrics.jsonl that report training steps."""
    path = pathlib.Path(run_directory) / "metrics.jsonl"
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    return [line for line in lines if line.get("kind", "train") == "train"]


def samples_per_second(run_directory):
    """Median over the windows between two lines of metrics; the first window warms up."""
    rates = [line["wall_clock"]["samples_per_second"] for line in metrics(run_directory)[1:]]
    if not rates:
        sys.exit(f"{run_directory}/metrics.jsonl has no window after the first")
    return statistics.median(rates)
