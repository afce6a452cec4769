"""Losses and gradients that are no numbers, and losses that leap: each action, killed in the middle, comes to what a run comes to that has
left the same batches out from the start."""
import json
import shutil

import pytest
import runs
import yaml

PLUGIN = runs.BIN.parent / "tests/libfault_test_spoiled.so"
RECORDER = {"type": "recorder", "plugin": str(runs.BIN.parent / "tests/libfault_test_tasks.so")}
EXIT_SOFTWARE, EXIT_ROLLED_BACK, EXIT_CONFIGURATION = 70, 76, 78
SECONDS = 15  # for a run of 40 updates and one restart
# 120 samples in batches of 16, two batches an update: 4 updates an epoch. Sample 40 of epoch 5 is in update 22, in the half of its first
# batch that rank 1 of 2 (and of 3) has; update 21 is a checkpoint.
BAD, GROUP, STEP = 5 * 120 + 40, [632, 664], 22


def configuration(kind="noisy", nan_at=(), large_at=(), max_steps=40, **changes):
    config = runs.configuration("mlp", max_steps=max_steps)
    config.update(task={"name": kind, "plugin": str(PLUGIN)}, optimizers={"main": {"type": "adamw", "lr": 1e-3, "schedule": "decay"}},
                  data={"name": "spoiled", "global_batch_size": 16, "shuffle": False, "options": {"nan_at": list(nan_at), "large_at": list(large_at)}})
    return runs.merged(config, changes)


def write(tmp_path, name="config.yaml", **changes):
    return runs.write_config(tmp_path / name, configuration(**changes))


def entries(run):
    return json.loads((run.directory / "left-out.json").read_text())["left_out"]


def state(run):
    return json.loads((run.checkpoint() / "manifest.json").read_text())["state"]


def warned(run, attempt=1):
    return (run.directory / f"logs/attempt-{attempt:03d}/rank-0.log").read_text()


def without_them(tmp_path, run, config, ranks=2, name="without"):
    """A run that is given the list and meets no bad number."""
    other = runs.Run(tmp_path / name)
    other.directory.mkdir()
    shutil.copy(run.directory / "left-out.json", other.directory)
    other.supervised(config, ranks=ranks)
    assert len(other.journal("attempt_started")) == 1 and "skipped" not in warned(other)
    return other


def assert_left_out(tmp_path, run, config, ranks=2, groups=(GROUP,)):
    assert [entry["samples"] for entry in entries(run)] == list(groups)
    assert state(run)["left_out"] == list(groups) and state(run)["left_out_in_a_row"] == 0
    assert run.done()["global_step"] == 40 and run.done()["samples_seen"] > 40 * 30
    runs.assert_same_runs(run, without_them(tmp_path, run, config, ranks))


def test_the_run_stops_and_nobody_tries_again(tmp_path):
    run = runs.Run(tmp_path / "run").supervised(write(tmp_path, nan_at=[BAD]), check=False)
    assert run.code == EXIT_SOFTWARE and run.seconds < SECONDS, run.output
    assert f"update {STEP} with the samples 632 to 663 of the run (epoch 5)" in run.output and "not finite on rank 1" in run.output
    assert "starting again cannot help" in run.output and not run.journal("restart")
    assert run.checkpoint().name == "step-00000021" and not (run.directory / "left-out.json").exists()


@pytest.mark.parametrize("action, ranks", [("skip", 3), ("rollback", 2), pytest.param("skip", 2, id="skip-2 (long_only)"),
                                           pytest.param("rollback", 3, id="rollback-3 (long_only)")])
def test_what_is_left_out_has_no_trace(tmp_path, action, ranks):
    config = write(tmp_path, nan_at=[BAD], trainer={"on_nonfinite": action})
    run = runs.Run(tmp_path / "run").supervised(config, ranks=ranks)
    assert run.seconds < SECONDS
    (entry,) = entries(run)
    assert (entry["step"], entry["rank"], entry["action"], entry["attempt"]) == (STEP, 1, action, 1)
    ended = run.journal("attempt_ended")
    if action == "skip":
        assert len(ended) == 1 and f"skipped update {STEP} with the samples 632 to 663 of the run (epoch 5)" in run.output
    else:
        assert [line["cause"] and line["cause"]["exit_code"] for line in ended] == [EXIT_ROLLED_BACK, None]
        assert run.journal("resumed")[1]["step"] == 21 and ended[0]["recomputed_steps"] == 0
    assert_left_out(tmp_path, run, config, ranks)
    # Not even the numbers that were bad: with good ones in their place nothing changes.
    good = without_them(tmp_path, run, write(tmp_path, "good.yaml", trainer={"on_nonfinite": action}), ranks, "good")
    assert good.done()["parameter_hash"] == run.done()["parameter_hash"]


# Data is entered with each batch: the third time at the step that the bad update would have been is the update after it.
@pytest.mark.parametrize("kill", [f"kill:rank=1,step={STEP},occurrence=3", "kill:rank=0,step=25",
                                  pytest.param(f"kill:rank=1,step={STEP},section=reduce", id="before the vote (long_only)")])
def test_a_kill_between_a_skip_and_the_next_checkpoint_changes_nothing(tmp_path, kill):
    config = write(tmp_path, nan_at=[BAD], trainer={"on_nonfinite": "skip"})
    run = runs.Run(tmp_path / "run").supervised(config, injections=[kill])
    assert [line["injected"] for line in run.journal("rank_lost")] == [kill] and run.seconds < SECONDS
    assert_left_out(tmp_path, run, config)


def test_going_back_twice_between_two_checkpoints_is_no_crash_loop(tmp_path):
    config = write(tmp_path, nan_at=[BAD, 5 * 120 + 100], trainer={"on_nonfinite": "rollback"}, restart={"max_attempts_without_progress": 1})
    run = runs.Run(tmp_path / "run").supervised(config)
    assert [line["cause"]["exit_code"] for line in run.journal("attempt_ended")[:2]] == [EXIT_ROLLED_BACK] * 2 and run.seconds < SECONDS
    assert_left_out(tmp_path, run, config, groups=[GROUP, [696, 720]])


def test_plain_mpirun_goes_back_with_the_next_start_whatever_is_killed_then(tmp_path):
    config = write(tmp_path, nan_at=[BAD], trainer={"on_nonfinite": "rollback"})
    run = runs.Run(tmp_path / "run").plain(config, ranks=2, check=False)
    assert run.code == EXIT_ROLLED_BACK and "leaves these samples out" in run.output
    run.supervised(config, injections=["kill:rank=0,step=0,section=restore", f"kill:rank=1,step={STEP}"])
    assert len(run.journal("rank_lost")) == 2
    assert_left_out(tmp_path, run, config)


@pytest.mark.parametrize("fault", ["nan:rank=1,step=12,occurrence=2", "spike:rank=0,step=12"])
def test_an_injected_bad_number_is_met_once_and_told_with_its_rank(tmp_path, fault):
    is_nan = fault.startswith("nan")
    trainer = {"on_nonfinite": "skip"} if is_nan else {"loss_spike_factor": 10, "loss_spike_window": 8, "on_loss_spike": "skip"}
    config = write(tmp_path, trainer=trainer)
    run = runs.Run(tmp_path / "run").supervised(config, injections=[fault])
    assert entries(run)[0]["rank"] == (1 if is_nan else -1) and entries(run)[0]["step"] == 12
    assert (run.directory / "injected.txt").read_text() == fault + "\n"
    runs.assert_same_runs(run, without_them(tmp_path, run, config))


@pytest.mark.parametrize("action", ["rollback", pytest.param("skip", id="skip (long_only)")])
def test_a_loss_that_leaps_is_answered_likewise(tmp_path, action):
    config = write(tmp_path, large_at=[BAD], trainer={"loss_spike_factor": 20, "loss_spike_window": 8, "on_loss_spike": action}, task={"options": {"has_norm": False}})
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=1,step=26"])
    assert "the median of the 8 updates before is" in entries(run)[0]["cause"] and len(state(run)["recent_losses"]) == 8
    assert run.seconds < SECONDS + 5
    assert_left_out(tmp_path, run, config)


def test_a_loss_that_leaps_is_only_told_by_default(tmp_path):
    config = write(tmp_path, large_at=[BAD], trainer={"loss_spike_factor": 20, "loss_spike_window": 8}, task={"options": {"has_norm": False}})
    run = runs.Run(tmp_path / "run").supervised(config)
    assert f"update {STEP} with the samples 632 to 663 of the run (epoch 5): the loss is" in run.output
    assert not (run.directory / "left-out.json").exists() and run.done()["samples_seen"] == 40 * 30


@pytest.mark.parametrize("action, limit", [("skip", "max_skipped"), ("rollback", "max_rollbacks")])
def test_there_is_an_end_to_leaving_out(tmp_path, action, limit):
    config = write(tmp_path, nan_at=range(600, 1200), trainer={"on_nonfinite": action, limit: 2})
    run = runs.Run(tmp_path / "run").supervised(config, check=False)
    assert run.code == EXIT_SOFTWARE and f"trainer.{limit}" in run.output and "starting again cannot help" in run.output, run.output
    assert len(entries(run)) == 2 and len(run.journal("attempt_started")) == (1 if action == "skip" else 3)
    assert run.seconds < SECONDS + 5


def test_an_epoch_is_over_when_its_batches_are_though_updates_were_not_made(tmp_path):
    config = configuration(nan_at=[BAD], trainer={"on_nonfinite": "skip", "max_epochs": 6})
    del config["trainer"]["max_steps"]
    config = runs.write_config(tmp_path / "config.yaml", config)
    run = runs.Run(tmp_path / "run").supervised(config)
    assert run.done()["global_step"] == 23 and run.done()["samples_seen"] == 720
    runs.assert_same_runs(run, without_them(tmp_path, run, config))
    # Nobody is asked whether a run that is over should end.
    wants_to_end = {**RECORDER, "options": {"ends_at": 23}}
    run.supervised(runs.write_config(tmp_path / "again.yaml", {**yaml.safe_load(config.read_text()), "callbacks": {"all": wants_to_end}}))
    assert "the run is finished" in run.output and "ended_early" not in run.done()


def test_a_start_from_nothing_forgets_what_was_left_out(tmp_path):
    config = write(tmp_path, trainer={"on_nonfinite": "skip"})
    run = runs.Run(tmp_path / "run").supervised(config, injections=["nan:rank=0,step=12"])
    run.supervised(config, arguments=["--set", "resume=none"])
    assert not (run.directory / "left-out.json").exists() and run.done()["samples_seen"] == 40 * 30


def test_a_task_that_steps_by_itself_can_go_back_and_cannot_skip(tmp_path):
    config = write(tmp_path, kind="by_hand", nan_at=[BAD], trainer={"on_nonfinite": "rollback", "accumulate_batches": 1}, max_steps=60,
                   callbacks={"all": {**RECORDER, "options": {"file": str(tmp_path / "calls")}}})
    run = runs.Run(tmp_path / "run").supervised(config)
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "on_fit_end after 60 @60"  # none of them for the batch that was left out
    (entry,) = entries(run)
    assert (entry["samples"], entry["step"], entry["rank"]) == ([632, 648], 43, 1)  # batches, not groups of two
    runs.assert_same_runs(run, without_them(tmp_path, run, config))
    for key, value in (("on_nonfinite", "skip"), ("loss_spike_factor", "5")):
        refused = runs.Run(tmp_path / "refused").supervised(config, arguments=["--set", f"trainer.{key}={value}"], check=False)
        assert refused.code == EXIT_CONFIGURATION and f"trainer.{key}" in refused.output and not refused.journal("restart"), refused.output
