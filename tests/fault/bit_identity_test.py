"""A run that fell over and came back ends with the same bits as one that nobody disturbed."""
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import runs

SECONDS_A_RESTART = 6  # far above what is measured (bench/), far below what a person would call stuck


@pytest.fixture(scope="module", params=runs.TASKS)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def base(task, tmp_path_factory):
    """The configuration of a task and its undisturbed run."""
    directory = tmp_path_factory.mktemp(task)
    config = runs.write_config(directory / "config.yaml", runs.configuration(task))
    return config, runs.Run(directory / "undisturbed").supervised(config), directory


def finish_disturbed(base, name, injections, arguments=(), intervals=1):
    config, undisturbed, directory = base
    run = runs.Run(directory / name).supervised(config, injections=injections, arguments=arguments)
    runs.assert_landed(run, injections, intervals)
    runs.assert_same_runs(run, undisturbed)
    assert run.seconds < undisturbed.seconds + SECONDS_A_RESTART * len(injections)
    return run


def test_ten_kills_at_seeded_steps(base, task):
    draw = random.Random(f"seeded {task}")
    steps = sorted(draw.sample(range(2, 60), 10))
    injections = [f"kill:rank={draw.randrange(2)},step={step}" for step in steps]
    run = finish_disturbed(base, "seeded", injections)
    assert len(run.journal("restart")) == 10


def test_a_kill_in_each_section(base):
    epoch = runs.UPDATES_PER_EPOCH
    finish_disturbed(base, "sections", [
        "kill:rank=0,step=3,section=forward",
        "kill:rank=1,step=5,section=backward",
        "kill:rank=0,step=9,section=backward,occurrence=2",  # in the middle of an accumulation
        "kill:rank=1,step=14,section=checkpoint",            # while its shard is half written
        "kill:rank=0,step=21,section=commit",                # between the shards and the manifest
        "kill:rank=1,step=24,section=validation",
        f"kill:rank=0,step={7 * epoch + 1}",                 # the first update of an epoch
        f"kill:rank=1,step={9 * epoch},section=reduce",      # the last one
        "kill:rank=1,step=44,section=update"])


def test_a_kill_while_states_are_saved_behind_the_training(base):
    finish_disturbed(base, "asynchronous", [
        "kill:rank=1,step=9",
        "kill:rank=0,step=14,section=checkpoint",  # while its shard is half written
        "kill:rank=1,step=21,section=commit",      # all shards are written, the manifest is about to be
        "kill:rank=0,step=30,section=backward",
        "kill:rank=1,step=36,section=update",
        "kill:rank=0,step=42,section=validation"], arguments=["--set", "saving.asynchronous=true"], intervals=2)


def test_twice_in_a_row_and_every_other_way_to_die(base):
    finish_disturbed(base, "ways", [
        "kill:rank=0,step=10", "kill:rank=0,step=10,section=reduce",  # the second before anything new is durable
        "segv:rank=0,step=17", "abort:rank=1,step=24", "exit:rank=0,step=31", "throw:rank=1,step=38,section=forward"])


# A process of its own that kills ranks at random moments and writes down what it did.
KILLER = """
import os, random, signal, sys, time
log, tag, kills, seed = open(sys.argv[1], "w", buffering=1), sys.argv[2].encode(), int(sys.argv[3]), sys.argv[4]
draw = random.Random(seed)
def ranks():
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            values = open(f"/proc/{pid}/environ", "rb").read().split(b"\\0")
            name = open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            continue
        if name == "holdfast-train" and b"HOLDFAST_RUN_DIR=" + tag in values:
            found.update({int(v.split(b"/")[-1]): int(pid) for v in values if v.startswith(b"HOLDFAST_RANK_TAG=")})
    return found
killed = set()
while len(killed) < kills:
    alive = {rank: pid for rank, pid in ranks().items() if pid not in killed}
    if len(alive) < 2:
        time.sleep(0.01)
        continue
    time.sleep(draw.uniform(0.05, 1.2))
    rank = draw.choice(sorted(alive))
    try:
        os.kill(alive[rank], signal.SIGKILL)
    except ProcessLookupError:
        continue
    killed.add(alive[rank])
    log.write(f"{time.time()} {rank} {alive[rank]}\\n")
"""


def test_ten_kills_by_a_stranger_at_random_moments(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=20000, checkpoints=[
        {"name": "regular", "every_steps": 50}], restart={"max_attempts_without_progress": 12}, saving={"asynchronous": True}, trainer={"log_every_steps": 500},
        validation={"every_epochs": 200}))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    disturbed = runs.Run(tmp_path / "disturbed")
    killer = subprocess.Popen([sys.executable, "-c", KILLER, tmp_path / "kills", disturbed.directory, "10", "7"])
    try:
        disturbed.supervised(config)
        assert killer.wait(5) == 0, "the run ended before ten kills were made"
    finally:
        killer.kill()
    kills = [line.split() for line in (tmp_path / "kills").read_text().splitlines()]
    assert len(kills) == 10
    lost = {(line["rank"], line["pid"]): line for line in disturbed.journal("rank_lost")}
    for _, rank, pid in kills:
        assert lost[int(rank), int(pid)]["signal"] == signal.SIGKILL
    assert len(disturbed.journal("restart")) == 10
    runs.assert_same_runs(disturbed, undisturbed)
    assert disturbed.seconds < undisturbed.seconds + 10 * SECONDS_A_RESTART
