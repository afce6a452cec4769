"""A run over several hosts that loses one goes on: on a spare to the same bits, else with fewer ranks, else it says why not."""
import os
import shutil
import signal

import pytest

import runs
from hosted_runs import LEASE, SECONDS_TO_VANISH, HostedRun, configuration
from runs import wait_until

EXIT_UNAVAILABLE = 69
FOUR = "node0:1,node1:1,node2:1,node3:1"  # of which three are needed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Three ranks on three hosts, as all the runs that keep their number of ranks."""
    import hosts
    directory = tmp_path_factory.mktemp("undisturbed")
    lab = hosts.Lab(shared=[directory], count=3)
    try:
        config = runs.write_config(directory / "config.yaml", configuration())
        yield HostedRun(lab, directory / "run").begin(config, "node0:1,node1:1,node2:1").whole()
    finally:
        lab.down()


def begun(lab, tmp_path, allowed, arguments=(), **changes):
    config = runs.write_config(tmp_path / "config.yaml", configuration(**changes))
    return HostedRun(lab, tmp_path / "run").begin(config, allowed, arguments).until_step(150)


@pytest.mark.parametrize("how", ["crash", "cut", "dead", "mute", "deafen"])
def test_a_spare_takes_the_place_of_a_host_after(lab_of, tmp_path, undisturbed, how):
    lab = lab_of(4)
    run = begun(lab, tmp_path, FOUR, ["-n", "3"])
    ranks = [pid for pid, name in run.left(1).items() if name == "holdfast-train"]
    assert len(ranks) == 1
    run.strike(how, 1)
    # Whether anybody can tell it or not: the rank there ends when its lease is over. A host that still hears keeps its lease until the
    # supervisor's is over.
    seconds = LEASE * (2 if how == "mute" else 1) + SECONDS_TO_VANISH
    wait_until(lambda: not runs.alive(ranks), seconds, "the rank on the lost host to end")
    run.whole()
    lost = run.assert_host_lost(1, [1])
    run.assert_recovered(lost)
    assert run.placements() == [{"node0": 1, "node1": 1, "node2": 1}, {"node0": 1, "node3": 1, "node2": 1}]
    run.assert_nothing_left()
    runs.assert_same_runs(run, undisturbed)


@pytest.fixture()
def patient_mpirun(tmp_path, monkeypatch):
    """One whose daemons notice nothing of a link that is cut."""
    (tmp_path / "bin").mkdir()
    mpirun = tmp_path / "bin/mpirun"
    mpirun.write_text('#!/bin/bash\nfor word; do [[ $last != oob_tcp_keepalive_time ]] || word=1000; words+=("$word") last=$word; done\n'
                      f'exec {shutil.which("mpirun")} "${{words[@]}}"\n')
    mpirun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{mpirun.parent}:{os.environ['PATH']}")


def test_ranks_that_are_cut_off_end_with_their_lease_where_mpiruns_daemon_does_nothing(lab_of, tmp_path, patient_mpirun):
    lab = lab_of(2)
    run = begun(lab, tmp_path, "node0:1,node1:1")
    ranks = [pid for pid, name in run.left(1).items() if name == "holdfast-train"]
    run.strike("cut", 1)
    wait_until(lambda: not runs.alive(ranks), LEASE + SECONDS_TO_VANISH, "the rank on the lost host to end")
    assert run.end(LEASE + 15) == EXIT_UNAVAILABLE, run.text()
    run.assert_host_lost(1, [1])
    run.assert_nothing_left()  # the daemon neither: what is left of a run on a host goes with its last shim


def test_a_host_comes_back_as_a_spare_after_its_probation(lab_of, tmp_path, undisturbed):
    lab = lab_of(4)
    run = begun(lab, tmp_path, FOUR, ["-n", "3"], restart={"probation_seconds": 1})
    run.strike("crash", 1)
    wait_until(lambda: len(run.journal("resumed")) == 2, 20, "the second attempt")
    run.strike("boot", 1)
    step = run.metrics()[-1]["step"]
    run.until_step(step + 60)
    run.strike("crash", 2)
    run.whole()
    run.assert_host_lost(1, [1], 0, run.record[0])
    run.assert_recovered(run.assert_host_lost(2, [2], 1))
    assert run.placements()[1:] == [{"node0": 1, "node3": 1, "node2": 1}, {"node0": 1, "node3": 1, "node1": 1}]
    run.assert_nothing_left()
    runs.assert_same_runs(run, undisturbed)


def test_without_a_spare_the_run_goes_on_with_fewer_ranks_on_the_same_samples(lab_of, tmp_path, undisturbed):
    lab = lab_of(3)
    run = begun(lab, tmp_path, "node0:1,node1:1,node2:1", restart={"min_ranks": 2})
    run.strike("cut", 2)
    run.whole()
    run.assert_recovered(run.assert_host_lost(2, [2]))
    assert run.placements() == [{"node0": 1, "node1": 1, "node2": 1}, {"node0": 1, "node1": 1}]
    assert [line["world_size"] for line in run.journal("attempt_started")] == [3, 2]
    done, expected = run.done(), undisturbed.done()
    assert (done["world_size"], done["global_step"], done["samples_seen"]) == (2, expected["global_step"], expected["samples_seen"])
    # The same samples in the same order: what differs is the order of sums.
    for line, other in zip(run.metrics(), undisturbed.metrics(), strict=True):
        assert line["step"] == other["step"] and line["loss"] == pytest.approx(other["loss"], rel=1e-3), (line, other)
    run.assert_nothing_left()


def test_without_a_spare_and_with_all_ranks_wanted_it_says_so_and_ends_with_69(lab_of, tmp_path):
    lab = lab_of(2)
    run = begun(lab, tmp_path, "node0:1,node1:1")
    run.strike("dead", 1)
    assert run.end(LEASE + 15) == EXIT_UNAVAILABLE, run.text()
    run.assert_host_lost(1, [1])
    assert "expected slots for 2 ranks, found node0:1,node1:1 without a host, as node1 is lost and not back" in run.text()
    assert run.journal()[-1]["event"] == "gave_up" and run.journal()[-1]["exit_code"] == EXIT_UNAVAILABLE
    run.assert_nothing_left()
    # A batch script starts it again when there are hosts: it goes on from what was durable.
    run.strike("boot", 1)
    assert HostedRun(lab, run.directory).begin(tmp_path / "config.yaml", "node0:1,node1:1").end() == 0, run.text()
    assert run.journal("resumed")[-1]["step"] >= 150 - 50
    run.assert_nothing_left()


def test_a_host_that_answers_again_is_tried_before_its_probation_is_over_when_no_other_is_left(lab_of, tmp_path):
    lab = lab_of(2)
    run = begun(lab, tmp_path, "node0:1,node1:1")
    run.send(signal.SIGKILL, 1, "holdfast-guard")
    run.send(signal.SIGKILL, 1, "holdfast")  # the shim alone: the host is there
    run.whole()
    assert not run.journal("host_lost")
    assert [line["is_shim_lost"] for line in run.journal("rank_lost")] == [True]
    assert run.placements() == [{"node0": 1, "node1": 1}] * 2
    run.assert_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_mpiruns_daemon_on_a_host_may_be_struck_by(lab_of, tmp_path, undisturbed, number):
    """Killed, it takes its ranks with it and the run starts again there; stopped, it is not needed before the end."""
    lab = lab_of(3)
    run = begun(lab, tmp_path, "node0:1,node1:1,node2:1")
    struck = run.send(number, 1, "orted")
    run.whole()
    assert not run.journal("host_lost")
    if number == signal.SIGKILL:
        ended = run.journal("attempt_ended")[0]
        assert 0 < ended["unix_seconds"] - run.record[-1]["unix_seconds"] < 3 and "the launcher died" in ended["reason"], ended
    assert len(run.placements()) == (2 if number == signal.SIGKILL else 1)
    wait_until(lambda: not runs.alive(struck), 3, "the daemon to end")
    run.assert_nothing_left()
    runs.assert_same_runs(run, undisturbed)


def test_a_host_that_is_gone_before_the_start_is_found_out_and_left_out(lab_of, tmp_path):
    lab = lab_of(3)
    run = HostedRun(lab, tmp_path / "run")
    run.strike("dead", 1)
    run.begin(runs.write_config(tmp_path / "config.yaml", configuration()), "node0:1,node1:1,node2:1", ["-n", "2"])
    run.whole()
    assert [line["host"] for line in run.journal("host_lost")] == ["node1"]
    assert run.journal("host_lost")[0]["unix_seconds"] - run.journal("attempt_started")[0]["unix_seconds"] < 25
    assert run.placements() == [{"node0": 1, "node1": 1}, {"node0": 1, "node2": 1}]
    run.assert_nothing_left()
