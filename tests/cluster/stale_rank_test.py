"""A rank that was stopped on a host that was cut off, and wakes up when the run goes on elsewhere, changes nothing and ends."""
import os
import signal

import pytest

import runs
from hosted_runs import LEASE, HostedRun, configuration
from runs import wait_until


def files_of(run):
    """What later attempts count on, by content: names, sizes, times of change."""
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(run.directory.rglob("*"))
            if path.is_file() and "logs" not in path.parts and path.name != "output.txt"}


@pytest.mark.parametrize("first", ["rank", "shim"])
def test_a_stale_rank_0_writes_nothing_and_ends_when_it_is_the_first_to_wake(lab_of, tmp_path, first):
    """One rank, which needs no other to train on. The supervisor runs on another host."""
    lab = lab_of(3)
    config = runs.write_config(tmp_path / "config.yaml", configuration())
    run = HostedRun(lab, tmp_path / "run").begin(config, "node1:1,node2:1", ["-n", "1"]).until_step(150)
    stopped = {name: run.send(signal.SIGSTOP, 1, name) for name in ("orted", "holdfast", "holdfast-guard", "holdfast-train")}
    run.strike("cut", 1)
    run.whole()
    run.assert_host_lost(1, [0])
    assert run.placements() == [{"node1": 1}, {"node2": 1}]
    assert len(runs.alive(sum(stopped.values(), []))) == 4, "they still sleep"
    before = files_of(run)
    run.strike("heal", 1)
    if first == "rank":
        run.send(signal.SIGCONT, 1, "holdfast-train")  # nobody but the fence can stop it
        wait_until(lambda: not runs.alive(stopped["holdfast-train"]), 10, "the stale rank to end")
        assert "this process's attempt is over" in (run.directory / "logs/attempt-001/rank-0.log").read_text()
        assert len(runs.alive(stopped["holdfast"])) == 1
    for pid in sum(stopped.values(), []):
        if runs.alive([pid]):
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not runs.alive(sum(stopped.values(), [])), LEASE + 3, "the stale processes to end")
    after = files_of(run)
    assert {path: (before.get(path), after.get(path)) for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == {}
    assert runs.ckpt("verify", run.directory).returncode == 0
    run.assert_nothing_left()
    reference = HostedRun(lab, tmp_path / "undisturbed").begin(config, "node2:1").whole()
    runs.assert_same_runs(run, reference)
