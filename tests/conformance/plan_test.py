"""`holdfast config plan`: how long a run is and where it saves, held against what the Hugging Face Trainer was seen to do."""
import json
import os
import pathlib
import subprocess

import pytest

HOLDFAST = pathlib.Path(os.environ["HOLDFAST_BIN"]) / "holdfast"


def plan(directory, samples, batch, checkpoints, validation=None, drop_last=False, transforms=None, **trainer):
    config = {"task": {"name": "mlp", "options": {"widths": [1, 10]}},
              "data": {"name": "random", "global_batch_size": batch, "drop_last": drop_last, "options": {"shape": [1], "samples": samples, "validation_samples": 10}},
              "optimizers": {"main": {"type": "adamw"}}, "trainer": trainer, "checkpoints": checkpoints, "validation": validation or {},
              "transforms": transforms or {}}
    (directory / "config.yaml").write_text(json.dumps(config))
    return subprocess.run([HOLDFAST, "config", "plan", directory / "config.yaml", "--json"], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name, samples, batch, trainer, every, saves", [
    ("H01", 1624, 8, {"max_epochs": 10}, 500, [500, 1000, 1500, 2000, 2030]),
    ("H02", 1625, 8, {"max_epochs": 10}, 500, [500, 1000, 1500, 2000, 2040]),
    ("H02 drop_last", 1625, 8, {"max_epochs": 10, "drop_last": True}, 500, [500, 1000, 1500, 2000, 2030]),
    ("H03", 1624, 8, {"max_epochs": 10, "accumulate_batches": 4}, 500, [500, 510]),
    ("H03b", 10, 2, {"max_epochs": 3, "accumulate_batches": 3}, 1, [1, 2, 3, 4, 5, 6]),
    ("H05", 1624, 8, {"max_steps": 1200}, 500, [500, 1000, 1200]),
    ("H07", 1624, 8, {"max_epochs": 10}, 0.1, [203 * i for i in range(1, 11)]),
    ("H07b", 100, 8, {"max_epochs": 1}, 0.3, [4, 8, 12, 13]),
    ("fractional epochs", 1624, 8, {"max_epochs": 2.5}, 500, [500, 508]),
    ("two ranks of 4", 1624, 8, {"max_steps": 10}, 5, [5, 10]),
])
def test_steps_and_saves(name, samples, batch, trainer, every, saves, tmp_path):
    done = plan(tmp_path, samples, batch, [{"every_steps": every}], **trainer)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["saves"] == found["entries"]["default"] == saves
    assert found["total_steps"] == saves[-1]


def test_a_plan_counts_what_a_checkpoint_holds(tmp_path):
    found = json.loads(plan(tmp_path, 100, 10, [{"every_steps": 5, "limit": 3}], validation={"every_epochs": 1}, max_epochs=2, accumulate_batches=3).stdout)
    assert (found["batches_per_epoch"], found["updates_per_epoch"], found["total_steps"], found["total_batches"]) == (10, 4, 8, 20)
    assert found["validations"] == [4, 8]
    weights, count = (10 + 10) * 4, 4  # a matrix of 10 by 1, a bias of 10; AdamW counts the updates of each, in a float32
    assert found["parameters"] == 20
    assert found["bytes_per_checkpoint"] == 3 * weights + 2 * count
    assert found["most_bytes"] == found["most_states"] * found["bytes_per_checkpoint"]


def test_a_plan_counts_copies_of_weights_and_weights_alone(tmp_path):
    transforms = {"ema": {"type": "ema"}, "bf16": {"type": "half", "of": "ema"}}
    entries = [{"name": "whole", "every_steps": 5, "limit": 1, "on_signal": False, "transforms": ["ema", "bf16"]},
               {"name": "light", "every_steps": 2, "limit": -1, "on_signal": False, "weights_only": True, "transforms": ["bf16"]}]
    found = json.loads(plan(tmp_path, 100, 10, entries, transforms=transforms, max_steps=10).stdout)
    weights, count = (10 + 10) * 4, 4
    assert found["bytes_per_checkpoint"] == 3 * weights + 2 * count + weights + weights + weights // 2, "an average is state, and a copy of its own"
    assert found["bytes_per_weights"] == weights + weights // 2
    assert (found["most_states"], found["most_weights"]) == (3, 6)
    assert found["most_bytes"] == 3 * found["bytes_per_checkpoint"] + 6 * found["bytes_per_weights"]


def test_saves_that_would_not_be_measured_are_refused(tmp_path):
    done = plan(tmp_path, 100, 10, [{"every_steps": 0.15, "limit": 2, "monitor": "val_loss"}], validation={"every_steps": 0.1}, max_epochs=10)
    assert done.returncode == 78
    assert "saves every 15 updates, validations every 10 updates" in done.stderr


def test_a_run_without_a_batch_is_refused(tmp_path):
    done = plan(tmp_path, 5, 8, [], drop_last=True, max_epochs=1)
    assert done.returncode == 78 and "at least one batch in an epoch" in done.stderr
