"""Tasks of a plugin, killed and resumed: BatchNorm's running statistics of each rank, two optimizers stepped at different times."""
import json
import subprocess

import numpy
import runs

PLUGIN = runs.BIN.parent / "tests/libfault_test_tasks.so"
DATA = {"name": "random", "options": {"shape": [8], "samples": 120, "validation_samples": 40}}


def plugin_configuration(task, optimizers, **changes):
    config = runs.configuration("mlp", **changes)
    return {**config, "task": {"name": task, "plugin": str(PLUGIN)}, "data": {**DATA, "global_batch_size": 16}, "optimizers": optimizers}


def test_running_statistics_belong_to_each_rank_and_come_back(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", plugin_configuration("normalised", {"main": {"type": "adamw", "lr": 1e-3}}))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    injections = ["kill:rank=0,step=9,section=backward,occurrence=2", "kill:rank=1,step=33,section=checkpoint", "kill:rank=1,step=50"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    found = runs.datasets(run.checkpoint())
    means = [array for (_, name), (array, _, _) in sorted(found.items()) if name.startswith("rank/") and name.endswith("running_mean")]
    assert len(means) == 2 and not numpy.array_equal(means[0], means[1])
    counted = [int(array) for (_, name), (array, _, _) in found.items() if name.endswith("num_batches_tracked")]
    assert counted == [120, 120]  # two batches an update


OPTIMIZERS = {"discriminator": {"type": "adamw", "lr": 1e-3, "parameters": ["discriminator"]},
              "generator": {"type": "sgd", "lr": 1e-2, "momentum": 0.9, "parameters": ["generator"]}}


def test_two_optimizers_stepped_at_different_times_come_back(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", plugin_configuration("adversarial", OPTIMIZERS, trainer={"accumulate_batches": 1}))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    # The checkpoints of steps 7, 14, 28 and 35 lie in the middle of the generator's three batches.
    injections = ["kill:rank=0,step=10", "kill:rank=1,step=16,section=backward", "kill:rank=0,step=30,section=update", "throw:rank=1,step=40,section=backward",
                  "throw:rank=0,step=50,section=reduce"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    log = (run.directory / "logs/attempt-006/rank-0.log").read_text()
    assert "resumed from" in log
    assert run.done()["global_step"] == 60
    refused = runs.Run(tmp_path / "refused").supervised(config, check=False, arguments=["--set", "trainer.accumulate_batches=2"])
    assert refused.code == 78 and "trainer.accumulate_batches" in refused.output and "no effect" in refused.output


def test_copies_of_weights_that_a_task_steps_itself_are_made_between_its_batches(tmp_path):
    """Its own code may change them at any time, so that no copy is made of them while it runs."""
    transforms = {"still": {"type": "between_batches", "plugin": str(PLUGIN)}, "ema": {"type": "ema", "decay": 0.5},
                  "still_ema": {"type": "between_batches", "plugin": str(PLUGIN), "of": "ema"}}
    config = runs.write_config(tmp_path / "config.yaml", plugin_configuration(
        "adversarial", OPTIMIZERS, max_steps=6, trainer={"accumulate_batches": 1}, transforms=transforms, saving={"asynchronous": True},
        checkpoints=[{"name": "regular", "every_steps": 1, "limit": -1, "transforms": list(transforms)},
                     {"name": "light", "every_steps": 2, "limit": -1, "weights_only": True, "transforms": ["still"]}]))
    run = runs.Run(tmp_path / "run").supervised(config)
    assert "is stored without" not in run.output
    states = sorted((run.directory / "checkpoints").glob("step-*"))
    assert len(states) == 6
    for state in states:
        original = runs.tensors(state)
        for name, array in runs.tensors(state / "still").items():
            assert numpy.array_equal(array, original[name]), (state, name)
        for name, array in runs.tensors(state / "still_ema").items():
            assert numpy.array_equal(array, original[f"averages/ema/{name}"]), (state, name)
    assert len(list((run.directory / "checkpoints").glob("weights-*/still"))) == 3


def test_what_a_plugin_prints_is_no_part_of_a_plan(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", plugin_configuration("talkative", {"main": {"type": "adamw", "lr": 1e-3}}))
    done = subprocess.run([str(runs.BIN / "holdfast"), "config", "plan", str(config), "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["parameters"] > 0 and "a plugin's own words" in done.stderr
