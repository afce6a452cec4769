"""The next attempt's processes are started ahead: a restart is theirs, nobody can tell from the result, and they cost no processor and
leave nothing behind."""
import os
import signal
import time

import pytest

import runs
from runs import wait_until

TRAINS_ON_SECONDS = 3  # from a kill to the first new step, on cores that other tests use too; bench/run.sh restart measures it
LEASE = 2


@pytest.fixture()
def config(tmp_path):
    return runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=10000, task=runs.SLOW, validation={"every_epochs": 100}, trainer={"log_every_steps": 100},
        checkpoints=[{"name": "regular", "every_steps": 500, "limit": 2}],
        restart={"standby": True, "lease_seconds": LEASE, "max_attempts_without_progress": 20}))


def of_attempt(run, attempt, name):
    """Those that belong to an attempt, by their environment."""
    token = f"HOLDFAST_ATTEMPT={attempt}".encode()

    def belongs(pid):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return token in file.read().split(b"\0")
        except OSError:
            return False

    return [pid for pid, comm in run.processes().items() if comm.startswith(name) and belongs(pid)]


def until_ready(run, attempt, seconds=40):
    wait_until(lambda: any(line["attempt"] == attempt for line in run.journal("standby_ready")), seconds, f"a standby for attempt {attempt}")


def started(run, attempt):
    [line] = [line for line in run.journal("attempt_started") if line["attempt"] == attempt]
    return line


def stop(run, process):
    """It saves and ends, and nothing is left."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    wait_until(lambda: not run.processes(), 2, "the end of every process")


def test_kills_are_answered_by_those_who_stand_by_to_the_same_bits(tmp_path, config):
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config, arguments=["--set", "restart.standby=false"])
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    for attempt in (1, 2):
        run.wait_for_step(attempt * 200, process)
        until_ready(run, attempt + 1)
        waiting = of_attempt(run, attempt + 1, "holdfast-train")
        assert len(waiting) == 2
        os.kill(of_attempt(run, attempt, "holdfast-train")[attempt - 1], signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda: any(line["attempt"] == attempt + 1 for line in run.journal("resumed")), TRAINS_ON_SECONDS, "training to go on")
        print(f"on after {time.monotonic() - killed:.2f} s")
        assert sorted(of_attempt(run, attempt + 1, "holdfast-train")) == sorted(waiting) and started(run, attempt + 1)["is_standby"]
    assert process.wait(60) == 0
    wait_until(lambda: not run.processes(), 2, "the end of every process")
    assert not started(run, 1)["is_standby"]
    assert all(line["private_bytes"] > 2**20 for line in run.journal("standby_ready"))
    runs.assert_same_runs(run, undisturbed)
    for line in run.journal("attempt_ended")[1:]:
        lasted = line["unix_seconds"] - started(run, line["attempt"])["unix_seconds"]
        for times in line["times"]:
            assert times["launch_seconds"] + times["times"]["age_seconds"] <= lasted + 0.5, "the time that a rank has waited is nobody's"


def test_who_stands_by_takes_no_processor(tmp_path, config):
    run = runs.Run(tmp_path / "run")
    process = run.start(config, arguments=["--set", "trainer.max_steps=1000000"])
    until_ready(run, 2)
    waiting = of_attempt(run, 2, "")
    assert len(waiting) >= 6, "mpirun, and of two ranks each the shim, its guardian and the rank"

    def processor_seconds():
        total = 0
        for pid in waiting:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total

    before, begin = processor_seconds(), time.monotonic()
    run.wait_for_step(run.metrics()[-1]["step"] + 2000, process, seconds=60)
    share = (processor_seconds() - before) / (time.monotonic() - begin)
    assert share <= 0.02, f"{share:.2%} of a core for two ranks"
    stop(run, process)


@pytest.mark.parametrize("victim", ["holdfast-train", "holdfast", "mpirun"])
def test_one_that_dies_is_replaced_and_the_run_notices_nothing(tmp_path, config, victim):
    """A rank, a shim, mpirun of those who stand by."""
    run = runs.Run(tmp_path / "run")
    process = run.start(config, arguments=["--set", "trainer.max_steps=1000000"])
    until_ready(run, 2)
    struck = of_attempt(run, 2, victim)
    os.kill(struck[0], signal.SIGKILL)
    wait_until(lambda: run.journal("standby_lost"), LEASE + 3, "the loss to be told")
    wait_until(lambda: len(run.journal("standby_ready")) == 2, 30, "others to stand by")
    assert not runs.alive(struck[:1])
    os.kill(of_attempt(run, 1, "holdfast-train")[0], signal.SIGKILL)
    wait_until(lambda: any(line["attempt"] == 2 for line in run.journal("resumed")), TRAINS_ON_SECONDS, "training to go on")
    assert started(run, 2)["is_standby"] and len(run.journal("rank_lost")) == 1
    stop(run, process)


def test_those_who_are_not_ready_yet_are_ended_and_the_restart_takes_the_usual_way(tmp_path, config):
    run = runs.Run(tmp_path / "run")
    process = run.start(config, arguments=["--set", "trainer.max_steps=1000000"])
    wait_until(lambda: of_attempt(run, 2, "holdfast-train"), 30, "a rank that is being started ahead")
    early = of_attempt(run, 2, "holdfast-train")
    for pid in early:
        os.kill(pid, signal.SIGSTOP)  # it will not be ready
    os.kill(of_attempt(run, 1, "holdfast-train")[0], signal.SIGKILL)
    wait_until(lambda: any(line["attempt"] == 2 for line in run.journal("resumed")), 15, "training to go on")
    assert not started(run, 2)["is_standby"] and not runs.alive(early)
    stop(run, process)


def test_with_the_supervisor_all_of_them_are_gone(tmp_path, config):
    run = runs.Run(tmp_path / "run")
    process = run.start(config, arguments=["--set", "trainer.max_steps=1000000"])
    until_ready(run, 2)
    process.kill()
    process.wait()
    wait_until(lambda: not run.processes(), 2, "the end of every process")
    again = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "trainer.max_steps=600"])
    assert again.done()["global_step"] >= 600 and not run.processes()
