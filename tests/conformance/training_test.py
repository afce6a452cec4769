"""Rows of cases/*.yaml as real trainings on two ranks: the names on disk are those that the row expects, and each leads to a checkpoint."""
import os
import pathlib
import re

import pytest
import yaml

import runs

HERE = pathlib.Path(__file__).parent
PLUGIN = runs.BIN.parent / "tests/libfault_test_tasks.so"
# One of each kind: ties, NaN, names that are taken, every trigger, save_last, a second process from anywhere, another policy, another
# directory, an exception, fractions, limits with and without a best.
ROWS = """L01 L03b L06d L57 L08b L08c L09b L46 L29 L28 R14 L13 L14 L14b L15b L16c L17 L18 L20b L20d L40b L41 L42 X05b E01b
          M01b M02c M02d M03 M04 R01 R12 R13 R01b R02 X09 R03 R04 R05 H03b H07b H10b H12b H13 H14 H17b H18 H19b H28 H29""".split()


def all_rows():
    return {row["id"]: row for path in sorted(HERE.glob("cases/*.yaml")) for row in yaml.safe_load(path.read_text())}


def configuration(row, run, entries):
    """A run of a row. What it measures is what the row says; metrics have the names that a run of ours gives them."""
    nb = run.get("nb", 2)
    entries = yaml.safe_load(re.sub(r"monitor: (accuracy|loss)\b", "monitor: val_loss", yaml.safe_dump(entries)))
    trainer = {"accumulate_batches": run.get("accumulate", 1), "max_epochs": run["epochs"]}
    for key in ("max_steps", "stop_step"):
        if key in run:
            trainer["max_steps"] = run[key]
    validation = {"at_end": False, "batch_size": 2}
    if run.get("val"):
        if run.get("val_per_epoch", 1) == 1:
            validation["every_epochs"] = run.get("val_every", 1)
        else:
            validation["every_steps"] = nb // run["val_per_epoch"]
    script = {"val_loss": [str(value) for value in run.get("val", [])], "train_loss": [str(value) for value in run.get("train_loss", [])]}
    if "raise_after" in run:
        script["throws_after_batches"] = run["raise_after"]
    if "updates" in run:
        return manual(run, trainer, validation, entries)
    return {"task": {"name": "scripted", "plugin": str(PLUGIN), "options": script},
            "data": {"name": "random", "global_batch_size": 2, "options": {"shape": [1], "samples": 2 * nb, "validation_samples": 2}},
            "optimizers": {"main": {"type": "sgd", "lr": 0.1}}, "trainer": trainer, "validation": validation, "checkpoints": entries}


def manual(run, trainer, validation, entries):
    """With the optimizers of the row, each stepped every so many batches."""
    turns = run["updates"]
    names = sorted(turns[0])
    every = [len(turns) // sum(turn[name] for turn in turns) for name in names]
    layers = {names[0]: []} if len(names) == 1 else {name: [layer] for name, layer in zip(names, ("a", "b"))}
    return {"task": {"name": "stepping", "plugin": str(PLUGIN), "options": {"names": names, "every": every}},
            "data": {"name": "random", "global_batch_size": 2, "options": {"shape": [4], "samples": 2 * run.get("nb", 2), "validation_samples": 2}},
            "optimizers": {name: {"type": "sgd", "lr": 0.1, "parameters": layers[name]} for name in names},
            "trainer": trainer, "validation": validation, "checkpoints": entries}


def names_on_disk(directory):
    """{entry: {name: the state that it leads to}}"""
    found = {}
    checkpoints = directory / "checkpoints"
    for path in checkpoints.rglob("*"):
        entry = path.relative_to(checkpoints).parts[0]
        if path.is_symlink() and len(path.relative_to(checkpoints).parts) > 1 and not entry.startswith(("step-", "abandoned-")):
            assert (path / "manifest.json").exists(), f"{path} leads nowhere"
            found.setdefault(entry, {})[str(path.relative_to(checkpoints / entry))] = path.resolve().name
    return found


@pytest.mark.parametrize("name", ROWS)
def test_a_training_leaves_the_names_of_the_row(name, tmp_path):
    row = all_rows()[name]
    entries, directory = row["checkpoints"], "run"
    for number, run in enumerate(row["runs"]):
        before = directory
        directory = run.get("directory", run.get("start", {}).get("directory", directory))
        entries = run.get("checkpoints", entries)
        config = runs.write_config(tmp_path / f"config-{number}.yaml", configuration(row, run, entries))
        resume = run.get("resume", "auto")
        if resume == "last":
            resume = "auto"
        elif "/" in resume:
            resume = str(tmp_path / before / "checkpoints" / resume)
        done = runs.Run(tmp_path / directory).plain(config, ranks=2, arguments=["--set", f"resume={resume}"], check="raise_after" not in run)
        assert "raise_after" not in run or done.code != 0
    expected = row["expect"]["names"]
    if not isinstance(expected, dict):
        expected = {f"run/{row['checkpoints'][0]['name']}": expected}
    found = {f"{path.name}/{entry}": names for path in tmp_path.iterdir() if path.is_dir() for entry, names in names_on_disk(path).items()}
    assert {key: sorted(names) for key, names in found.items()} == {key: sorted(names) for key, names in expected.items() if names}
    if row["expect"].get("last"):
        name, step = row["expect"]["last"]
        assert found[f"run/{row['checkpoints'][0]['name']}"][name] == f"step-{step:08d}"


def test_enough_rows_are_tried():
    assert len(set(ROWS)) >= 15 and set(ROWS) <= set(all_rows())
