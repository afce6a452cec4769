"""Ranks that live and do not get on: found by the deadline of their section, told from those that wait for them, looked into, ended."""
import os
import pathlib
import re
import signal
import time

import pytest
import runs
import times
from supervisor_test import SECONDS_TO_VANISH, victims

DEADLINE = 3
LEASE = 2  # where a shim is stopped: meanwhile its rank trains on, and is not to come to the end
TAKEN = 1.5  # seconds from the deadline to the journal's line: the shim speaks every 0.2 s, and the machine may be busy
RECOVERED = 5  # from there to the next attempt's restored state: stacks, the ends of the ranks, the start of new ones
DEADLINES = {f"hang_{section}_seconds": DEADLINE for section in ("step", "data", "validation", "checkpoint")}


def configuration(**changes):
    return runs.configuration("mlp", restart={**DEADLINES, "hang_factor": 1}, checkpoints=[{"name": "regular", "every_steps": 7}],
                              validation={"every_steps": 10}, **changes)


def assert_recovered(run, undisturbed, rank, section, struck_at):
    hang, = run.journal("hang")
    culprits = {one["rank"]: one for one in hang["culprits"]}
    culprit = culprits[rank]
    assert culprit["section"] == section
    if len(culprits) == 2:  # stopped where it took part in what the other is inside, too: the state of its process tells them apart
        assert "ranks 0, 1 do not get on, each inside the same collective," in run.output, run.output
        assert all(one["is_inside_collective"] and one["collectives"] == culprit["collectives"] for one in culprits.values())
    else:
        assert hang["waiters"] == [1 - rank]
    # The undisturbed part of the run may have had longer silences than the floor: the deadline says so.
    assert DEADLINE <= hang["deadline_seconds"] < 4 * DEADLINE
    assert hang["unix_seconds"] - struck_at < hang["deadline_seconds"] + TAKEN
    resumed, = [line for line in run.journal("resumed") if line["attempt"] == 2]
    assert resumed["unix_seconds"] - hang["unix_seconds"] < RECOVERED
    if section != "finish":
        times.keep_of_run(run, f"rank hangs, deadline {DEADLINE} s", struck_at)
    ended = run.journal("attempt_ended")[0]
    cause = ended["cause"]
    assert cause["is_hung"] and cause["rank"] == rank and ended["recomputed_steps"] == ended["reached_step"] - max(ended["durable_step"], 0)
    inside = ", inside a collective" if culprit["is_inside_collective"] else ""
    assert f"hung in section {section} of step {culprit['step']}{inside}: no sign of life for" in ended["reason"] and ended["reason"] in run.output
    assert ("as every other" if len(culprits) == 2 else f"rank {1 - rank} waits for it") in cause["evidence"]
    for other in (0, 1):
        stacks = (run.directory / f"logs/attempt-001/rank-{other}.stacks.txt").read_text()
        assert "thread " in stacks and ("holdfast::Trainer::run()" in stacks or section == "finish" and "mpi_finalize" in stacks.lower()), stacks[:2000]
    assert len(run.journal("attempt_started")) == 2
    runs.assert_same_runs(run, undisturbed)
    return cause


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed")
    config = runs.write_config(directory / "config.yaml", configuration())
    return config, runs.Run(directory / "run").supervised(config)


def check_section(tmp_path, undisturbed, section, rank, step=18, arguments=()):
    config, reference = undisturbed
    injection = f"hang:rank={rank},step={step},section={section}"
    run = runs.Run(tmp_path / "run").supervised(config, injections=[injection], arguments=arguments)
    struck_at = (run.directory / "injected.txt").stat().st_mtime
    cause = assert_recovered(run, reference, rank, section, struck_at)
    assert run.journal("hang")[0]["injected"] == injection
    waits_in = "ShardSave::take" if section == "checkpoint" else "pause"  # a shard is written by a thread of its own
    assert waits_in in cause["evidence"] and "its process was S (sleeping)" in cause["evidence"]
    assert "InjectionPlan::at_point" in (run.directory / f"logs/attempt-001/rank-{rank}.stacks.txt").read_text()


@pytest.mark.parametrize("section", ["backward", "validation"])
def test_a_hang_is_found_in(tmp_path, undisturbed, section):
    check_section(tmp_path, undisturbed, section, rank=1)


@pytest.mark.parametrize("section", ["data", "forward", "reduce", "update", "checkpoint", "commit"])
def test_a_hang_is_found_everywhere(tmp_path, undisturbed, section):
    check_section(tmp_path, undisturbed, section, rank=0 if section == "commit" else 1)


FINISH_DEADLINE = ["--set", f"restart.hang_setup_seconds={3 * DEADLINE}"]  # a start takes its time


def test_a_hang_is_found_everywhere_also_in_restore(tmp_path, undisturbed):
    check_section(tmp_path, undisturbed, "restore", 1, 0, ["--set", f"restart.hang_restore_seconds={DEADLINE}"])


def test_a_hang_is_found_everywhere_also_in_finish(tmp_path, undisturbed):
    check_section(tmp_path, undisturbed, "finish", 0, 60, FINISH_DEADLINE)


def test_a_hang_is_found_everywhere_also_when_the_run_is_done(tmp_path, undisturbed):
    """Rank 0 has written the DONE record, and waits for rank 1 in MPI_Finalize."""
    config, reference = undisturbed
    run = runs.Run(tmp_path / "run").supervised(config, injections=["hang:rank=1,step=60,section=finish"], arguments=FINISH_DEADLINE)
    hang, = run.journal("hang")
    assert [one["rank"] for one in hang["culprits"]] == [1] and hang["waiters"] == [0]
    ended, = run.journal("attempt_ended")
    assert ended["decision"] == "done" and run.seconds < 3 * DEADLINE + TAKEN + 2 * RECOVERED
    runs.assert_same_runs(run, reference)


def test_a_stopped_rank_is_named_and_told_from_the_one_that_waits(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", configuration(max_steps=900, task=runs.SLOW))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(300, process)
    stopped = victims(run, "rank")[0]
    rank = int(re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", pathlib.Path(f"/proc/{stopped}/environ").read_bytes())[1])
    old = run.processes()
    struck_at = time.time()
    os.kill(stopped, signal.SIGSTOP)
    assert process.wait(60) == 0, (run.directory / "output.txt").read_text()
    run.output = (run.directory / "output.txt").read_text()
    assert not runs.alive(old)
    section, = [one["section"] for one in run.journal("hang")[0]["culprits"] if one["rank"] == rank]
    cause = assert_recovered(run, undisturbed, rank, section, struck_at)
    assert "its process was T (stopped)" in cause["evidence"]


def test_a_stopped_rank_does_not_survive_mpirun(tmp_path):
    """mpirun's own end leaves a stopped rank of its host behind."""
    config = runs.write_config(tmp_path / "config.yaml", configuration(max_steps=1000000))
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(100, process)
    old = victims(run, "rank") + victims(run, "shim")
    os.kill(victims(run, "rank")[0], signal.SIGSTOP)
    os.kill(victims(run, "launcher")[0], signal.SIGKILL)
    runs.wait_until(lambda: not runs.alive(old), SECONDS_TO_VANISH, "everything of the attempt to end")
    runs.wait_until(lambda: len(run.journal("resumed")) == 2, 10, "the second attempt")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75


def test_a_stopped_shim_is_found_by_its_lease_and_leaves_nothing_behind(tmp_path):
    """Nor does its rank stay, which only the shim would have ended."""
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=6000, task=runs.SLOW, restart={"lease_seconds": LEASE}, validation={"every_epochs": 1000},
        checkpoints=[{"name": "regular", "every_steps": 200}]))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(300, process)
    old, struck_at = run.processes(), time.time()
    os.kill(victims(run, "shim")[0], signal.SIGSTOP)
    assert process.wait(60) == 0, (run.directory / "output.txt").read_text()
    assert not runs.alive(old)
    lost = run.journal("rank_lost")[0]
    assert lost["is_shim_lost"] and lost["unix_seconds"] - struck_at < LEASE + TAKEN
    assert len(run.journal("attempt_started")) == 2 and "nothing was heard from its shim" in run.journal("attempt_ended")[0]["reason"]
    told, new_step = times.keep_of_run(run, f"shim stopped, lease {LEASE} s", struck_at)
    assert new_step - told < RECOVERED
    runs.assert_same_runs(run, undisturbed)


def test_a_stopped_mpirun_holds_nothing_up(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", configuration(max_steps=900, task=runs.SLOW))
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(300, process)
    os.kill(victims(run, "launcher")[0], signal.SIGSTOP)
    runs.wait_until(lambda: run.journal("launcher_stopped"), 2, "the supervisor to notice")
    old = run.processes()
    assert process.wait(60) == 0, (run.directory / "output.txt").read_text()
    assert not runs.alive(old) and run.done()["global_step"] == 900 and len(run.journal("attempt_started")) == 1


def test_a_rank_that_never_starts_is_named(tmp_path):
    """Its program is a script that does nothing: no heartbeat, no collective."""
    script = tmp_path / "rank.sh"
    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    script.chmod(0o755)
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", restart={
        "hang_setup_seconds": 1, "max_attempts_without_progress": 2}))
    run = runs.Run(tmp_path / "run").supervised(config, check=False, arguments=["--trainer", script])
    assert run.code == 70 and run.seconds < 15
    hangs = run.journal("hang")
    assert [hang["deadline_seconds"] for hang in hangs] == [1, 2], "each attempt in a row that hangs gets twice the time"
    assert hangs[0]["culprits"][0]["section"] == "setup" and "hung in section setup" in run.output
    assert "clock_nanosleep" in run.journal("attempt_ended")[0]["cause"]["evidence"]


MEMORY = pathlib.Path("/sys/fs/cgroup/memory" if pathlib.Path("/sys/fs/cgroup/memory").exists() else "/sys/fs/cgroup")


def test_a_rank_that_takes_too_much_memory_is_named(tmp_path):
    group = MEMORY / f"holdfast-test-{os.getpid()}"
    try:
        group.mkdir()
        limit = group / ("memory.limit_in_bytes" if MEMORY.name == "memory" else "memory.max")
        limit.write_text(str(256 << 20))
    except OSError as error:
        pytest.skip(f"no control group with a limit of memory can be made here: {error}")
    try:
        script = tmp_path / "rank.py"
        script.write_text("#!/usr/bin/python3\nimport os\nif os.environ['OMPI_COMM_WORLD_RANK'] == '1':\n    taken = bytearray(1 << 30)\n"
                          "import time\ntime.sleep(100)\n")
        script.chmod(0o755)
        config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", restart={"max_attempts_without_progress": 1}))
        join = tmp_path / "join.sh"
        join.write_text(f'#!/bin/sh\necho $$ > {group}/cgroup.procs\nexec "$@"\n')
        join.chmod(0o755)
        run = runs.Run(tmp_path / "run").supervised(config, check=False, before=[join], arguments=["--trainer", script])
        assert run.code == 70 and run.seconds < 20, run.output
        cause = run.journal("attempt_ended")[0]["cause"]
        assert (cause["rank"], cause["signal"], cause["is_out_of_memory"]) == (1, signal.SIGKILL, True)
        assert f"out-of-memory killer of the control group /{group.name} (limit {256 << 20} bytes)" in run.output
    finally:
        runs.wait_until(lambda: not group.joinpath("cgroup.procs").read_text(), 10, "the group to be empty")
        group.rmdir()


def test_hangs_are_left_alone_where_that_is_asked_for(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", restart={
        **DEADLINES, "hang_factor": 1, "detect_hangs": False, "stop_grace_seconds": 1}))
    run = runs.Run(tmp_path / "run")
    process = run.start(config, arguments=["--inject", "hang:rank=0,step=9"])
    runs.wait_until(lambda: (run.directory / "injected.txt").exists(), 20, "the hang")
    time.sleep(DEADLINE + 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    assert not run.journal("hang") and [line["event"] for line in run.journal()][-1] == "stopped"
