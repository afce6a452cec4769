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


UPDATE = ["on_batch_start", "on_backward_end"] * 2 + ["on_optimizer_step main"]


def calls_of_steps(steps, validated, saved, lines=()):
    """Those of some updates; an epoch has 4. Nothing is saved behind the training."""
    calls = []
    for step in steps:
        calls += [f"on_epoch_start @{step - 1}"] * (step % 4 == 1)
        calls += [f"{call} @{step - 1}" for call in UPDATE] + [f"on_step_end @{step}"]
        calls += [f"on_epoch_end @{step}"] * (step % 4 == 0) + [f"add_metrics @{step}"] * (step in lines)
        calls += [f"on_validation_start @{step}", f"on_validation_end 2 @{step}"] * (step in validated)
        calls += [f"on_checkpoint @{step}"] * (step in saved)
    return calls


def test_the_calls_come_in_the_documented_order(tmp_path):
    config = write(tmp_path, {"all": recorder(file=str(tmp_path / "calls"))}, max_steps=5, checkpoints=[{"name": "regular", "every_steps": 3}])
    runs.Run(tmp_path / "run").supervised(config)
    expected = ["on_fit_start @0", *calls_of_steps(range(1, 6), validated=[4, 5], saved=[3, 5], lines=[3, 5]), "on_fit_end after 5 @5"]
    assert (tmp_path / "calls").read_text().splitlines() == expected


def test_the_calls_of_an_attempt_that_goes_on_begin_with_what_the_stop_has_left(tmp_path):
    """Asked to stop at the step of a validation, which is owed then; killed after that; and in the middle of a pass."""
    config = write(tmp_path, {"all": recorder(file=str(tmp_path / "calls"))}, max_steps=10, checkpoints=[{"name": "regular", "every_steps": 3}])
    run = runs.Run(tmp_path / "run").supervised(config, injections=["stop:rank=0,step=3", "kill:rank=1,step=5", "kill:rank=1,step=8"])
    assert run.done()["attempt"] == 4
    attempts = (tmp_path / "calls").read_text().split("on_fit_start")
    owed = ["on_validation_start @4", "on_validation_end 2 @4"]
    assert attempts[1].splitlines() == [" @0", *calls_of_steps(range(1, 5), validated=[], saved=[3, 4], lines=[3]), "on_fit_end after 4 @4"]
    for attempt in attempts[2:4]:
        assert attempt.splitlines()[:4] == [" @4", *owed, "on_epoch_start @4"]
    assert attempts[4].splitlines() == [" @6", *calls_of_steps(range(7, 11), validated=[8, 10], saved=[9, 10], lines=[9, 10]), "on_fit_end after 10 @10"]
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    assert result(run) == result(undisturbed)  # no line of metrics twice, and what a callback adds to them is the same


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
    # The second goes on from 21, where a line of metrics and a save meet.
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=0,step=12", "kill:rank=1,step=24", "kill:rank=1,step=40"])
    assert [line["step"] for line in run.journal("resumed")][1:] == [7, 21, 35]
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "on_fit_end after 60 @60"
    lines = [line for line in run.metrics() if line["kind"] == "train"]
    assert [line["updates_seen"] for line in lines] == list(range(3, 61, 3)) and [line["updates_since"] for line in lines] == [3] * 20


def test_what_a_callback_throws_is_said_with_its_name(tmp_path):
    config = write(tmp_path, {"all": recorder(file=str(tmp_path / "calls"), throws_in="on_step_end")})
    started = time.monotonic()
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "restart.max_restarts=0"], check=False)
    assert time.monotonic() - started < 30
    assert run.code == EXIT_SOFTWARE and "callbacks.all, on_step_end: as it was told to" in run.output, run.output
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "on_exception @1"


@pytest.mark.parametrize("throws_a_number", [False, True])
def test_whatever_a_task_throws_callbacks_hear_of_it(tmp_path, throws_a_number):
    callback = recorder(file=str(tmp_path / "calls"))
    task = {"name": "scripted", "plugin": callback["plugin"], "options": {"throws_after_batches": 3, "throws_a_number": throws_a_number}}
    config = runs.configuration("mlp")
    config.update(task=task, callbacks={"all": callback}, data={"name": "random", "global_batch_size": 16, "options": {"shape": [1], "samples": 120}},
                  optimizers={"main": {"type": "sgd", "lr": 0.1}}, trainer={"max_steps": 20})
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config), check=False,
                                                arguments=["--set", "restart.max_restarts=0"])
    assert run.code == EXIT_SOFTWARE, run.output
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "on_exception @3"


@pytest.mark.parametrize("method", ["on_fit_start", "on_backward_end", "on_validation_end", "on_fit_end", "state"])
def test_whatever_a_callback_throws_is_said_with_its_name_and_the_run_is_not_done(tmp_path, method):
    config = write(tmp_path, {"all": recorder(throws_in=method)}, max_steps=8)
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "restart.max_restarts=0"], check=False)
    words = "something that is no std::exception was thrown" if method == "state" else "as it was told to"
    assert run.code == EXIT_SOFTWARE and f"callbacks.all, {method}: {words}" in run.output, run.output
    assert not (tmp_path / "run/DONE.json").exists()


def test_a_time_limit_counts_over_attempts(tmp_path):
    config = write(tmp_path, {"limit": {"type": "time_limit", "options": {"minutes": 0.05}}}, max_steps=10000000, task=runs.SLOW)
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=0,step=100"])
    assert len(run.journal("rank_lost")) == 1 and "limit: it has trained for" in run.done()["ended_early"]
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


def test_early_stopping_without_validation_data_is_refused(tmp_path):
    config = write(tmp_path, {"early": STOPPING}, data={"options": {"validation_samples": 0}})
    run = runs.Run(tmp_path / "run").supervised(config, check=False)
    assert run.code == EXIT_CONFIGURATION and "expected a metric of the validation (there is none), found 'val_loss'" in run.output, run.output


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
