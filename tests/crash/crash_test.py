"""Real processes are killed at each of their system calls, and refused one by one what they ask of the system; strace does both. After
each, the next start finds the state of the step before or of the new one, whole, on every rank.

Tried are the calls that change or sync something, each with one of the errors; HOLDFAST_CRASH=all: those that look, too, and every error.
"""
import errno
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

BIN = pathlib.Path(os.environ["HOLDFAST_BIN"])
SAVER = pathlib.Path(os.environ["HOLDFAST_SAVER"])
TRY_ALL = os.environ.get("HOLDFAST_CRASH") == "all"
RANKS = 2
SECONDS = 20  # of one attempt
CHANGING = {"openat", "pwrite64", "ftruncate", "sync_file_range", "fsync", "close", "mkdir", "rename", "renameat2", "unlink", "rmdir", "symlink"}
LOOKING = {"newfstatat", "fstat", "getdents64", "pread64", "readlink", "statfs", "fcntl"}
CALLS = CHANGING | LOOKING if TRY_ALL else CHANGING
ERRORS = ["ENOSPC", "EIO", "EDQUOT", "EROFS"]
EXIT_STORAGE = 74


def attempt(run, number, steps, tracers=((), ()), prepare=None):
    """Every rank's exit code, what rank 0 tells, and what they print besides. `tracers`: what stands before each rank's command."""
    with tempfile.TemporaryDirectory() as place:
        ranks = [subprocess.Popen([*map(str, tracer), str(SAVER), str(run), f"{place}/socket", str(rank), str(RANKS), str(number), *map(str, steps)],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=prepare)
                 for rank, tracer in enumerate(tracers)]
        texts = [rank.communicate(timeout=SECONDS) for rank in ranks]
    return [rank.returncode for rank in ranks], [json.loads(line) for line in texts[0][0].splitlines()], texts[0][1] + texts[1][1]


class Call:
    """A system call that a rank makes on a path of the run directory: its `number`-th of that kind on that path by a thread."""

    def __init__(self, rank, name, path, number, index):
        self.rank, self.name, self.path, self.number, self.index = rank, name, path, number, index

    def __str__(self):
        return f"{self.name} number {self.number} of rank {self.rank} on {self.path}"

    def matters(self):
        """False for what nobody needs: hurrying what fsync answers for, asking for flags, closing a directory."""
        return self.name not in ("sync_file_range", "fcntl") and (self.name != "close" or self.path.suffix in (".h5", ".json"))

    def tracer(self, run, what):
        tracer = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", run / self.path, "-e", f"trace={self.name}",
                  "-e", f"inject={self.name}:{what}:when={self.number}"]
        return tuple(tracer if rank == self.rank else () for rank in range(RANKS))


def calls_in(trace, rank, run):
    counts, found = {}, []
    for line in trace.read_text().splitlines():
        match = re.match(r"(\d+) +(\w+)\((.*)", line)
        if not match:
            continue
        thread, name, rest = match.groups()
        path = re.search(rf'["<]({re.escape(str(run))}(?:/[^">]*)?)[">]', rest)
        if path is None:
            continue
        path = pathlib.Path(path.group(1)).relative_to(run)
        counts[thread, name, path] = number = counts.get((thread, name, path), 0) + 1
        found.append(Call(rank, name, path, number, len(found)))
    return found


def strikable(by_rank):
    """strace counts for each thread: the first one to come there is struck."""
    found = {}
    for call in itertools.chain(*by_rank):
        found.setdefault((call.rank, call.name, call.path, call.number), call)
    return list(found.values())


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A run that has saved steps 10 and 20, and was killed while it saved 25."""
    run = tmp_path_factory.mktemp("before") / "run"
    assert attempt(run, 1, [10, 20])[0] == [0, 0]
    shutil.copytree(run / "checkpoints/step-00000020", run / "checkpoints/step-00000025.pending-1")
    return run


@pytest.fixture()
def run(before, tmp_path):
    return fresh(before, tmp_path)


def fresh(before, tmp_path):
    run = tmp_path / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(before, run, symlinks=True)
    return run


def trace(run, tmp_path):
    """The calls of an attempt that saves step 30, by rank."""
    tracers = [("strace", "-f", "-y", "-s", "4096", "-o", tmp_path / f"trace-{rank}", "-e", "trace=" + ",".join(sorted(CALLS)))
               for rank in range(RANKS)]
    codes, told, _ = attempt(run, 2, [30], tracers)
    assert codes == [0, 0] and told == [{"restored": 20}, {"saved": 30}]
    return [calls_in(tmp_path / f"trace-{rank}", rank, run) for rank in range(RANKS)]


def first(calls, name, path):
    return next(call.index for call in calls if call.name == name and path in str(call.path))


def assert_sound(run):
    done = subprocess.run([BIN / "holdfast", "ckpt", "verify", run], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_kill_at_any_system_call_leaves_the_new_step_or_the_one_before(before, tmp_path):
    by_rank = trace(fresh(before, tmp_path), tmp_path)
    commit = first(by_rank[0], "renameat2", "step-00000030.pending-2")
    calls = strikable(by_rank)
    for call in calls:
        run = fresh(before, tmp_path)
        codes, _, _ = attempt(run, 2, [30], call.tracer(run, "signal=KILL"))
        assert codes[call.rank] == -9, f"{call}: the kill never struck, {codes}"
        codes, told, text = attempt(run, 3, [40])
        is_committed = call.rank == 0 and call.index > commit
        assert codes == [0, 0] and told == [{"restored": 30 if is_committed else 20}, {"saved": 40}], f"{call}: {told}\n{text}"
        assert_sound(run)
    print(f"killed at {len(calls)} system calls")
    assert len(calls) > 60


def test_an_error_of_any_system_call_of_a_save_is_told_and_costs_no_state(before, tmp_path):
    by_rank = trace(fresh(before, tmp_path), tmp_path)
    begin = [first(by_rank[0], "mkdir", "step-00000030.pending-2"), first(by_rank[1], "openat", "step-00000030.pending-2")]
    calls = [call for call in strikable(by_rank) if call.index >= begin[call.rank] and call.matters()]
    errors = itertools.cycle(ERRORS)
    for call, error in [(call, error) for call in calls for error in (ERRORS if TRY_ALL else [next(errors)])]:
        run = fresh(before, tmp_path)
        codes, told, text = attempt(run, 2, [30, 40], call.tracer(run, f"error={error}"))
        case = f"{call}, {error}: {codes} {told}\n{text}"
        assert codes == [0, 0] and told[0] == {"restored": 20}, case
        why = "".join(line.get("why", "") for line in told) + text
        assert call.path.name in why and os.strerror(getattr(errno, error)) in why, f"nobody was told of {case}"
        # strace counts anew in the thread that publishes the next one: it may be struck likewise.
        assert told[2] == {"saved": 40} or "step-00000030" not in str(call.path), case
        newest = max([20] + [line["saved"] for line in told if "saved" in line])
        assert attempt(run, 3, [50])[1] == [{"restored": newest}, {"saved": 50}], case
        assert_sound(run)
        assert not list(run.glob("checkpoints/*.pending-*")), case
    print(f"refused {len(calls)} system calls")
    assert len(calls) > 25


def test_every_file_is_synced_after_its_last_change_and_every_name_before_the_commit(before, tmp_path):
    by_rank = trace(fresh(before, tmp_path), tmp_path)
    pending = pathlib.Path("checkpoints/step-00000030.pending-2")

    def last(rank, names, path):
        return max(call.index for call in by_rank[rank] if call.name in names and call.path == path)

    commit = first(by_rank[0], "renameat2", pending.name)
    for rank in range(RANKS):
        for file in [f"shard-0000{rank}-of-00002.h5"] + ["manifest.json"] * (rank == 0):
            synced = last(rank, {"fsync"}, pending / file)
            assert last(rank, {"openat", "pwrite64", "ftruncate"}, pending / file) < synced < last(rank, {"fsync"}, pending)
    assert last(0, {"fsync"}, pending) < commit < last(0, {"fsync"}, pending.parent)


def test_a_directory_that_cannot_be_read_is_not_an_empty_one(run):
    call = Call(0, "getdents64", pathlib.Path("checkpoints"), 1, 0)
    codes, told, text = attempt(run, 2, [30], call.tracer(run, "error=EIO"))
    assert codes[0] == EXIT_STORAGE and told == [] and f"list {run}/checkpoints: Input/output error" in text
    assert attempt(run, 3, [30])[1] == [{"restored": 20}, {"saved": 30}]
