"""Tasks that step their optimizers themselves: as often as they like, with exact counters, triggers, names, end and resume.

What counts as a step is a batch in which anything was stepped; updates of each optimizer are counted apart."""
import json

import pytest
import runs
from plugin_test import PLUGIN

# 120 samples in batches of 16: 8 batches an epoch, the last one short.
OPTIMIZERS = {"a": {"type": "adamw", "lr": 1e-2, "parameters": ["a"]}, "b": {"type": "sgd", "lr": 1e-3, "momentum": 0.9, "parameters": ["b"]}}


def stepping(every=(1, 1), max_steps=None, max_epochs=None, **changes):
    config = runs.configuration("mlp")
    trainer = {"log_every_steps": 1, **({"max_steps": max_steps} if max_steps else {}), **({"max_epochs": max_epochs} if max_epochs else {})}
    config.update(task={"name": "stepping", "plugin": str(PLUGIN), "options": {"every": list(every)}}, optimizers=OPTIMIZERS, trainer=trainer,
                  data={"name": "random", "global_batch_size": 16, "options": {"shape": [4], "samples": 120, "validation_samples": 40}})
    return runs.merged(config, changes)


def updates(run):
    return json.loads((run.checkpoint() / "manifest.json").read_text())["state"]["optimizer_updates"]


SCENARIOS = {
    "5:1": (dict(every=(1, 5)), {"a": 40, "b": 8}),
    "1:3, at other batches than any save": (dict(every=(3, 2)), {"a": 20, "b": 30}),
    "a gradient penalty": (dict(task={"options": {"penalty": True}}), {"a": 40, "b": 40}),
    "one that is never stepped": (dict(every=(1, 0)), {"a": 40, "b": 0}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back_to_the_same_bits(tmp_path, name):
    changes, expected = SCENARIOS[name]
    config = runs.write_config(tmp_path / "config.yaml", stepping(max_steps=40, **changes))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    injections = ["kill:rank=1,step=10", "kill:rank=0,step=18,section=backward", "kill:rank=1,step=33"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    assert updates(run) == expected and run.done()["global_step"] == 40
    runs.assert_same_runs(run, undisturbed)


def test_a_throw_between_two_steps_of_a_batch_costs_no_more_than_a_kill(tmp_path):
    config = stepping(max_steps=20)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(runs.write_config(tmp_path / "undisturbed.yaml", config))
    config = runs.merged(config, {"task": {"options": {"throws_after_a_step": str(tmp_path / "thrown")}}})
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config))
    assert "between two steps" in run.output and run.seconds < 60
    resumed = run.journal("resumed")
    assert [line["step"] for line in resumed if line["attempt"] == 2] == [7] and len(run.journal("attempt_started")) == 2
    assert updates(run) == {"a": 20, "b": 20}
    runs.assert_same_bits(run.checkpoint(), undisturbed.checkpoint())
    assert run.metrics() == undisturbed.metrics() and run.done()["parameter_hash"] == undisturbed.done()["parameter_hash"]


@pytest.mark.parametrize(("every", "step"), [((2, 2), 12), ((1, 1), 24), ((3, 3), 8), ((0, 0), 0)])
def test_passes_over_the_data_end_when_the_data_do(tmp_path, every, step):
    """Also where fewer updates than batches are made (Lightning's M03), and none at all."""
    config = stepping(every, max_epochs=3, checkpoints=[{"name": "regular", "every_epochs": 1, "limit": -1}])
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config))
    done = run.done()
    assert (done["global_step"], done["samples_seen"]) == (step, 360)
    names = sorted(path.name for path in (run.directory / "checkpoints/regular").iterdir())
    assert len(names) == 3, f"each epoch has its state, whether anything was stepped in it or not: {names}"
    assert run.output.count("has not stepped it in epoch 0") == (2 if step == 0 else 0)
    again = runs.Run(run.directory).supervised(tmp_path / "config.yaml")
    assert "is finished" in again.output
    assert all(run.done()[key] == done[key] for key in ("global_step", "samples_seen", "parameter_hash"))


def test_an_optimizer_that_is_never_stepped_is_told_once(tmp_path):
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", stepping((1, 0), max_epochs=2)))
    assert run.output.count("optimizers.b: the task has not stepped it in epoch 0, which is over; 0 updates so far") == 1
    assert "optimizers.a: the task" not in run.output


def test_steps_count_batches_and_not_optimizers(tmp_path):
    """Lightning stops at 6 of 5 steps where two optimizers step in each batch (M04), and skips triggers (M01)."""
    config = stepping(max_steps=5, checkpoints=[{"name": "regular", "every_steps": 3, "limit": -1, "filename": "{step}"}])
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config))
    assert run.done()["global_step"] == 5 and updates(run) == {"a": 5, "b": 5}
    assert sorted(path.name for path in (run.directory / "checkpoints/regular").iterdir()) == ["step=3", "step=5"]
