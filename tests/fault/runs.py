"""Real runs for the fault tests: starting them, reading what they left, comparing two of them with an independent reader."""
import json
import os
import pathlib
import subprocess
import time

import h5py
import numpy
import yaml

PAUSE, STANDSTILL = 0.01, 0.05  # seconds
BIN = pathlib.Path(os.environ["HOLDFAST_BIN"])
RUN_SECONDS = 120  # no run of these tests may take longer, whatever happens to it


def environment():
    # Ranks of several tests share the cores: waiting ranks give theirs away.
    return {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


TASKS = {
    "mlp": {"task": {"name": "mlp", "options": {"widths": [64, 32, 10]}},
            "data": {"name": "random", "options": {"shape": [64], "samples": 120, "validation_samples": 40}},
            "optimizers": {"main": {"type": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3, "schedule": "decay"}}},
    "cnn": {"task": {"name": "cnn", "options": {"dropout": [0.25, 0.5], "label_smoothing": 0.1}},
            "data": {"name": "random", "options": {"shape": [1, 28, 28], "samples": 120, "validation_samples": 40}},
            "optimizers": {"main": {"type": "adamw", "lr": 1e-3, "schedule": "decay"}}},
    "gpt": {"task": {"name": "gpt", "options": {"context": 16, "layers": 2, "width": 32, "heads": 4}},
            "data": {"name": "random", "options": {"kind": "tokens", "shape": [17], "classes": 256, "samples": 120, "validation_samples": 40}},
            "optimizers": {"main": {"type": "adamw", "lr": 1e-3, "betas": [0.9, 0.95], "weight_decay": 0.1, "schedule": "decay"}}},
}
# An update of a millisecond or so: seconds in which a process of its own can strike in the middle of a run.
SLOW = {"options": {"widths": [64, 512, 512, 10]}}
INTERVAL = 7           # updates between two checkpoints
UPDATES_PER_EPOCH = 4  # 120 samples in batches of 16 are 8 batches, the last one short; two batches an update


def configuration(task, /, max_steps=60, **changes):
    """A short run with everything in it: accumulation, a short last batch, clipping, a schedule, validation, checkpoints."""
    config = {**TASKS[task],
              "schedules": {"decay": {"type": "cosine", "warmup_steps": 5}},
              "trainer": {"max_steps": max_steps, "accumulate_batches": 2, "clip_norm": 1.0, "log_every_steps": 3},
              "validation": {"every_epochs": 2, "batch_size": 8},
              "checkpoints": [{"name": "regular", "every_steps": INTERVAL, "limit": 2}],
              "saving": {"asynchronous": False}}  # so that a test knows what is durable when a fault strikes
    config["data"] = {**config["data"], "global_batch_size": 16}
    return merged(config, changes)


def merged(base, changes):
    out = dict(base)
    for key, value in changes.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def write_config(path, config):
    path.write_text(yaml.safe_dump(config))
    return path


started = []  # supervisors that a test has left to itself; conftest.py ends those that outlive it


class Run:
    """A run directory."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def supervised(self, config, ranks=2, injections=(), arguments=(), variables=(), check=True, before=()):
        command = [*before, BIN / "holdfast", "run", config, "-n", str(ranks), "--run-dir", self.directory, *arguments]
        for injection in injections:
            command += ["--inject", injection]
        start = time.monotonic()
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=RUN_SECONDS,
                              env={**environment(), **dict(variables)})
        self.seconds, self.output, self.code = time.monotonic() - start, done.stdout + done.stderr, done.returncode
        if check:
            assert done.returncode == 0, self.output
        return self

    def start(self, config, ranks=2, arguments=(), variables=()):
        """Supervised, in the background; its output goes to a file."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [BIN / "holdfast", "run", config, "-n", str(ranks), "--run-dir", self.directory, *arguments]
        with open(self.directory / "output.txt", "a") as output:
            process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output, env={**environment(), **dict(variables)})
        started.append(process)
        return process

    def wait_for_step(self, step, process, seconds=30):
        """Until metrics tell of this step."""
        wait_until(lambda: process.poll() is not None or any(line["step"] >= step for line in self.metrics()), seconds, f"step {step}")
        assert process.poll() is None, (self.directory / "output.txt").read_text()

    def wait_for_output(self, words, process, times=1, meanwhile=lambda: None, seconds=60):
        """Until a supervised run in the background has printed `words` so often."""
        output = self.directory / "output.txt"

        def is_printed():
            meanwhile()
            assert process.poll() is None, output.read_text()
            return output.read_text().count(words) >= times

        wait_until(is_printed, seconds, f"'{words}'")

    def processes(self):
        """{pid: name} of everything that was started for this run."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    values = file.read().split(b"\0")
                with open(f"/proc/{pid}/comm") as file:
                    name = file.read().strip()
            except OSError:
                continue
            if b"HOLDFAST_RUN_DIR=" + str(self.directory).encode() in values:
                found[int(pid)] = name
        return found

    def plain(self, config, ranks=1, arguments=(), check=True):
        """Without the supervisor."""
        command = ["mpirun", "--bind-to", "none", "-n", str(ranks), BIN / "holdfast-train", config, "--run-dir", self.directory, *arguments]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=RUN_SECONDS, env=environment())
        self.output, self.code = done.stdout + done.stderr, done.returncode
        if check:
            assert done.returncode == 0, self.output
        return self

    def lines(self, name):
        """A last line that is still being written is left out."""
        path = self.directory / name
        return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []

    def journal(self, event=None):
        return [line for line in self.lines("journal.jsonl") if event is None or line["event"] == event]

    def metrics(self):
        """Without what depends on the clock."""
        return [{key: value for key, value in line.items() if key != "wall_clock"} for line in self.lines("metrics.jsonl")]

    def done(self):
        return json.loads((self.directory / "DONE.json").read_text())

    def checkpoint(self):
        """The newest one."""
        return max(path for path in (self.directory / "checkpoints").glob("step-????????") if path.is_dir())


def ckpt(*words, seconds=60):
    """holdfast ckpt …, ended, with its output."""
    return subprocess.run([str(word) for word in (BIN / "holdfast", "ckpt", *words)], capture_output=True, text=True, timeout=seconds)


def wait_until(is_true, seconds, what):
    """Time in which this machine as a whole stood still (a pause that has taken far too long) is nobody's."""
    end = time.monotonic() + seconds
    while not is_true():
        paused_at = time.monotonic()
        assert paused_at < end, f"waited {seconds} s for {what}"
        time.sleep(PAUSE)
        overslept = time.monotonic() - paused_at - PAUSE
        if overslept > STANDSTILL:
            end += overslept


def alive(pids):
    """Those of them that live (a zombie does not)."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(pid)
        except OSError:
            pass
    return found


def datasets(checkpoint):
    """Every dataset of every shard, read by h5py: {(shard, name): (array, global shape, offset)}."""
    found = {}
    for shard in sorted(checkpoint.glob("shard-*.h5")):
        with h5py.File(shard, "r") as file:
            def visit(name, item):
                if isinstance(item, h5py.Dataset):
                    found[shard.name, name] = (item[()], item.attrs.get("global_shape"), item.attrs.get("flat_offset"))
            file.visititems(visit)
    return found


def tensors(checkpoint):
    """The replicated tensors of a checkpoint, put together from their parts: {name: array}."""
    whole, parts = {}, {}
    for (shard, name), (array, shape, offset) in datasets(checkpoint).items():
        if name.startswith("rank/"):
            continue
        if shape is None:
            whole[name] = array
        else:
            parts.setdefault(name, []).append((int(offset), array, shape))
    for name, pieces in parts.items():
        whole[name] = numpy.concatenate([array.ravel() for _, array, _ in sorted(pieces, key=lambda piece: piece[0])]).reshape(pieces[0][2])
    return whole


def assert_same_bits(a, b):
    """Two checkpoints of the same world size, to the bit, by h5py alone."""
    ours, others = datasets(a), datasets(b)
    assert ours.keys() == others.keys() and ours
    for key, (array, shape, offset) in ours.items():
        other = others[key][0]
        assert array.dtype == other.dtype and array.shape == other.shape, key
        assert numpy.asarray(array).tobytes() == numpy.asarray(other).tobytes(), key


def assert_same_runs(disturbed, undisturbed):
    """Parameters, optimizer state, RNG, position and metrics: by holdfast and by an independent reader."""
    diff = ckpt("diff", "--verify", disturbed.directory, undisturbed.directory)
    assert diff.returncode == 0, diff.stdout + diff.stderr
    assert "every byte read" in diff.stdout
    assert_same_bits(disturbed.checkpoint(), undisturbed.checkpoint())
    assert disturbed.done()["parameter_hash"] == undisturbed.done()["parameter_hash"]
    assert disturbed.metrics() == undisturbed.metrics()


def assert_landed(run, injections, intervals=1):
    """The journal shows each injected fault where it was meant to strike, and that the run went back no further than it had to:
    one interval between checkpoints, two if the newest may still have been in flight."""
    lost = {line["injected"]: line for line in run.journal("rank_lost") if line["injected"]}
    ended = {line["attempt"]: line for line in run.journal("attempt_ended")}
    started = {line["attempt"]: line for line in run.journal("attempt_started")}
    resumed = {line["attempt"]: line for line in run.journal("resumed")}
    for text in injections:
        assert text in lost, f"{text} never struck: {sorted(lost)}"
        line, wanted = lost[text], dict(part.split("=") for part in text.split(":")[1].split(","))
        section = wanted.get("section", "data")
        if section == "checkpoint" and intervals == 2:
            assert line["saving_step"] >= int(wanted["step"]), line  # behind the training thread, wherever that was
        else:
            assert line["section"] == section, (text, line["section"])
        assert line["step"] >= int(wanted["step"]), line["step"]
        if section not in ("checkpoint", "commit", "validation"):
            assert line["step"] == int(wanted["step"]), line["step"]
        attempt = line["attempt"]
        # The attempt after it went on from the newest state that was durable, and that is at most one interval back.
        assert started[attempt + 1]["durable_step"] == ended[attempt]["durable_step"] == resumed[attempt + 1]["step"]
        assert 0 <= ended[attempt]["recomputed_steps"] <= intervals * INTERVAL, ended[attempt]
        log = (run.directory / f"logs/attempt-{attempt + 1:03d}/rank-0.log").read_text()
        if ended[attempt]["durable_step"] > 0:
            assert f"at step {ended[attempt]['durable_step']} of" in log
    assert sum(line["recomputed_steps"] for line in ended.values()) > 0
