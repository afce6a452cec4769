"""Metrics of a task: what is added up over batches and ranks, what monitors rank by, and what a restart brings back of it."""
import math
import subprocess

import pytest
import runs
from plugin_test import plugin_configuration

OPTIMIZERS = {"main": {"type": "adamw", "lr": 1e-3}}


def measured(max_steps=24, **changes):
    return plugin_configuration("measured", OPTIMIZERS, max_steps=max_steps, **changes)


def validations(run):
    return [line for line in run.metrics() if line["kind"] == "validation"]


def test_sums_are_those_of_all_samples_at_every_world_size_and_batch_size(tmp_path):
    # 40 samples: with 3 ranks and batches of 7 no two ranks have the same number of them.
    runs_of = {}
    for size, batch in ((1, 40), (2, 8), (3, 7)):
        config = runs.write_config(tmp_path / f"{size}.yaml", measured(max_steps=1, validation={"every_steps": 1, "batch_size": batch}))
        runs_of[size] = runs.Run(tmp_path / str(size)).supervised(config, ranks=size)
    lines = {size: validations(run)[-1] for size, run in runs_of.items()}
    alone = lines[1]
    assert alone["total"] == int(alone["total"]) > 0 and 0 < alone["threes"] < 1 and alone["never"] is None
    for line in lines.values():
        assert line["total"] == alone["total"] and line["threes"] == alone["threes"] and line["never"] is None
        assert (line["recall"] is None) == (alone["recall"] is None)
        assert line["perplexity"] == pytest.approx(math.exp(line["loss"]), rel=1e-12)
        # One update at different world sizes: running statistics differ, so that losses do.
        assert line["accuracy"] * 40 == pytest.approx(round(line["accuracy"] * 40), abs=1e-9)
    for run in runs_of.values():
        done = run.done()["metrics"]
        assert done["validation_total"] == alone["total"] and done["validation_never"] is None


def test_a_monitor_of_the_tasks_own_ranks_the_states_and_comes_back(tmp_path):
    entry = {"name": "best", "monitor": "val_perplexity", "top_k": 2, "every_epochs": 1, "at_end": False, "filename": "{step}-{val_perplexity:.4f}"}
    config = runs.write_config(tmp_path / "config.yaml", measured(
        checkpoints=[entry, {"name": "regular", "every_steps": 7, "limit": 1}], validation={"every_epochs": 1}))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    injections = ["kill:rank=1,step=12,section=validation", "kill:rank=0,step=18"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    by_value = sorted((line["perplexity"], line["step"]) for line in validations(run))
    expected = {f"step={step}-val_perplexity={value:.4f}" for value, step in by_value[:2]}
    assert {path.name for path in (run.directory / "checkpoints/best").iterdir()} == expected
    rows = runs.ckpt("list", run.directory).stdout
    assert "val_perplexity" in rows and "val_total" in rows
    assert "every entry saves the best alone" not in run.output


def test_a_run_that_saves_the_best_alone_is_warned_of_what_a_failure_costs(tmp_path):
    entry = {"name": "best", "monitor": "val_perplexity", "every_epochs": 1}
    for name, keys, is_warned in (("best", {"top_k": 2}, True), ("new", {"only_best": True, "top_k": -1}, True), ("all", {"top_k": -1}, False), ("newest", {"limit": 2}, False)):
        config = runs.write_config(tmp_path / f"{name}.yaml", measured(max_steps=4, checkpoints=[{**entry, **keys}], validation={"every_epochs": 1}))
        run = runs.Run(tmp_path / name).supervised(config)
        assert run.output.count("every entry saves the best alone; where val_perplexity gets no better") == is_warned, (name, run.output)
    weights = {"name": "weights", "weights_only": True, "every_steps": 2}
    config = runs.write_config(tmp_path / "weights.yaml", measured(max_steps=4, checkpoints=[weights, {**entry, "top_k": 2}], validation={"every_epochs": 1}))
    run = runs.Run(tmp_path / "weights").supervised(config)
    assert run.output.count("every entry saves the best alone; where val_perplexity gets no better") == 1, run.output


@pytest.mark.parametrize(("changes", "words"), [
    ({"checkpoints": [{"name": "best", "monitor": "val_perplexty"}]},
     "checkpoints.0.monitor: expected a metric that the run measures (train_loss, val_loss, val_accuracy, val_total, val_recall, val_threes, val_perplexity, val_never), "
     "found 'val_perplexty': did you mean 'val_perplexity'?"),
    ({"checkpoints": [{"name": "best", "monitor": "val_loss"}], "data": {"options": {"validation_samples": 0}}},
     "checkpoints.0.monitor: expected a metric that the run measures (train_loss), found 'val_loss'"),
    ({"callbacks": {"stop": {"type": "early_stopping", "options": {"monitor": "val_toal"}}}}, "found 'val_toal': did you mean 'val_total'?"),
    ({"task": {"name": "misnamed"}}, "task misnamed: expected metrics with names of letters, digits and _, each once, and none of kind, step, loss, weights, "
                                     "texts, wall_clock, found 'step'"),
    ({"task": {"name": "misnamed", "options": {"metric": "texts"}}, "validation": {"at_end": False, "every_epochs": None}}, "found 'texts'"),
])
def test_what_is_not_measured_is_refused_with_its_place(tmp_path, changes, words):
    config = runs.write_config(tmp_path / "config.yaml", runs.merged(measured(), changes))
    run = runs.Run(tmp_path / "run").supervised(config, check=False)
    assert run.code == 78 and words in run.output and "config.yaml:" in run.output, run.output
    assert run.seconds < 30 and not list((run.directory / "checkpoints").glob("step-*"))
    if changes.get("checkpoints", [{}])[0].get("monitor") == "val_loss":
        assert "next: turn a validation on" in run.output
    if "data" not in changes:
        done = subprocess.run([str(runs.BIN / "holdfast"), "config", "check", str(config)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 78 and words in done.stdout + done.stderr
