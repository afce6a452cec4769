"""Callbacks in real runs: the order of the calls, ending early, and the same after kills, restarts and with another configuration."""
import os
import time

import pytest
import runs

EXIT_SOFTWARE, EXIT_CONFIGURATION = 70, 78
STOPPING = {"type": "early_stopping", "options": {"patience": 3}}


def configuration(callbacks, /, max_steps=60, **changes):
    config = runs.configuration("mlp", max_steps=max_steps, validation={"every_epochs": 1}, **changes)
    return {**config, "callbacks": callbacks}


def recorder(**options):
    return {"type": "recorder", "plugin": str(runs.BIN.parent / "tests/libfault_test_tasks.so"), "options": options}


def write(tmp_path, callbacks, name="config.yaml", **changes):
    return runs.write_config(tmp_path / name, configuration(callbacks, **changes))


def result(run):
    """What a run ends with, apart from where and when."""
    done = run.done()
    return [done[key] for key in ("global_step", "samples_seen", "parameter_hash", "metrics", "ended_early") if key in done], run.metrics()


@pytest.fixture(scope="module")
def stopped_early(tmp_path_factory):
    directory = tmp_path_factory.mktemp("stopped")
    run = runs.Run(directory / "run").supervised(write(directory, {"early": STOPPING}))
    losses = [line["loss"] for line in run.metrics() if line["kind"] == "validation"]
    best = losses.index(min(losses))
    assert len(losses) == best + 4 and run.done()["global_step"] == 4 * len(losses) < 60, losses  # 4 updates an epoch
    assert "early: val_loss is" in run.done()["ended_early"] and "ended before step 60: early: val_loss is" in run.output
    return run


def test_the_calls_come_in_the_documented_order(tmp_path):
    config = write(tmp_path, {"all": recorder(file=str(tmp_path / "calls"))}, max_steps=5, checkpoints=[{"name": "regular", "every_steps": 3}])
    runs.Run(tmp_path / "run").supervised(config)
    update = ["on_batch_start", "on_backward_end"] * 2 + ["on_optimizer_step main"]
    expected = ["on_fit_start @0", "on_epoch_start @0"]
    for step in range(1, 6):
        expected += [f"{call} @{step - 1}" for call in update] + [f"on_step_end @{step}"]
        if step == 4:
            expected += ["on_epoch_end @4", "on_validation_start @4", "on_validation_end 2 @4", "on_epoch_start @4"]
        if step == 3:
            expected += ["on_checkpoint @3"]
    expected += ["on_validation_start @5", "on_validation_end 2 @5", "on_checkpoint @5", "on_fit_end after 5 @5"]
    assert (tmp_path / "calls").read_text().splitlines() == expected


@pytest.mark.parametrize("fault", ["kill:rank=0,step=9", "kill:rank=1,step=13,section=validation", "throw:rank=0,step=12", "stop:rank=0,step=12"])
def test_early_stopping_ends_at_the_same_step_whatever_happened_before(tmp_path, stopped_early, fault):
    config = write(tmp_path, {"early": STOPPING})
    run = runs.Run(tmp_path / "run").supervised(config, injections=[fault])
    assert run.done()["attempt"] == 2 and [line["event"] for line in run.journal()].count("attempt_started") == 2
    assert result(run) == result(stopped_early)


def test_a_run_that_was_ended_early_is_finished_until_the_configuration_says_otherwise(tmp_path, stopped_early):
    config = write(tmp_path, {"early": STOPPING})
    run = runs.Run(tmp_path / "run").supervised(config)
    hashes = run.done()["parameter_hash"]
    again = run.supervised(config)
    assert "the run is finished: step" in again.output and "early: val_loss is" in again.output and run.done()["parameter_hash"] == hashes
    patient = {"early": {"type": "early_stopping", "options": {"patience": 5}}}
    run.supervised(write(tmp_path, patient, "patient.yaml"))
    from_the_start = runs.Run(tmp_path / "other").supervised(write(tmp_path, patient, "patient.yaml"))
    assert run.done()["global_step"] > stopped_early.done()["global_step"]
    assert result(run)[0] == result(from_the_start)[0]
    assert [line for line in run.metrics() if line["kind"] == "validation"] == [line for line in from_the_start.metrics() if line["kind"] == "validation"]


def test_one_rank_that_wants_to_end_is_enough(tmp_path):
    config = write(tmp_path, {"all": recorder(ends_at=10, ends_on_rank=1)})
    run = runs.Run(tmp_path / "run").supervised(config)
    assert run.done()["global_step"] == 10 and run.done()["ended_early"] == "all: enough is seen"
    assert run.checkpoint().name == "step-00000010"
    assert [line["step"] for line in run.metrics() if line["kind"] == "validation"][-1] == 10  # validation.at_end


def test_the_state_of_a_callback_comes_back(tmp_path):
    config = write(tmp_path, {"all": recorder(file=str(tmp_path / "calls"))})
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=0,step=12", "kill:rank=1,step=40"])
    assert len(run.journal("rank_lost")) == 2
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "on_fit_end after 60 @60"
    assert [line["updates_seen"] for line in run.metrics() if line["kind"] == "train"] == list(range(3, 61, 3))


def test_what_a_callback_throws_is_said_with_its_name(tmp_path):
    config = write(tmp_path, {"all": recorder(file=str(tmp_path / "calls"), throws_in="on_step_end")})
    started = time.monotonic()
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "restart.max_restarts=0"], check=False)
    assert time.monotonic() - started < 30
    assert run.code == EXIT_SOFTWARE and "callbacks.all, on_step_end: as it was told to" in run.output, run.output
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "on_exception @1"


def test_a_time_limit_counts_over_attempts(tmp_path):
    config = write(tmp_path, {"limit": {"type": "time_limit", "options": {"minutes": 0.05}}}, max_steps=10000000, task=runs.SLOW)
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=0,step=100"])
    assert len(run.journal("rank_lost")) == 1 and "limit: it has trained for" in run.done()["ended_early"]
    seconds = float(run.done()["ended_early"].split(" for ")[1].split(" s")[0])
    assert 3 <= seconds < 8
    again = run.supervised(config)
    assert "the run is finished" in again.output and again.seconds < 20


def test_gradient_norms_are_in_the_metrics_and_the_same_at_every_world_size(tmp_path):
    config = write(tmp_path, {"norms": {"type": "gradient_norm"}}, max_steps=12, trainer={"clip_norm": 0.01})
    found = []
    for ranks in (1, 2, 3):
        run = runs.Run(tmp_path / f"run{ranks}").plain(config, ranks=ranks)
        found.append([line["gradient_norm"]["main"] for line in run.metrics() if line["kind"] == "train"])
    assert len(found[0]) == 4 and all(norm > 0.01 for norm in found[0])
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-5)


@pytest.mark.parametrize("callback, words", [
    ({"type": "early_stoping"}, ["callbacks.early.type", "did you mean 'early_stopping'?"]),
    ({"type": "early_stopping", "options": {"patiense": 3}}, ["callbacks.early.options", "patiense", "did you mean 'patience'?"]),
    ({"type": "early_stopping", "options": {"patience": 0}}, ["patience"]),
    ({"type": "early_stopping", "options": {"monitor": "val_los"}}, ["'val_los'", "did you mean 'val_loss'?"]),
    ({"type": "gradient_norm", "options": {"of": 1}}, ["callbacks.early.options", "of"]),
    ({"type": "time_limit", "options": {"minutes": -1}}, ["minutes"]),
])
def test_what_is_wrong_is_refused_with_its_place(tmp_path, callback, words):
    config = write(tmp_path, {"early": callback})
    run = runs.Run(tmp_path / "run").supervised(config, check=False)
    assert run.code == EXIT_CONFIGURATION and all(word in run.output for word in [*words, "config.yaml:"]), run.output
    assert not (tmp_path / "run/checkpoints").exists() or not os.listdir(tmp_path / "run/checkpoints")
