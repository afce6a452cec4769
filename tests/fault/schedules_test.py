"""Schedules in real runs: what a plateau has seen comes back after a kill, and a sequence goes on where it was."""
import json

import pytest
import runs

# Nothing is half as good again as the best, so that the rate falls with every second validation.
PLATEAU = {"type": "plateau", "factor": 0.5, "patience": 1, "threshold": 0.5, "warmup_steps": 3}


def rates(run):
    return {line["step"]: line["lr"]["main"] for line in run.metrics() if line["kind"] == "train"}


def test_a_plateau_is_continued_where_it_was(tmp_path):
    # Validations after updates 4, 8, ...: the first is the best, the third is the second without an improvement.
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=40, schedules={"decay": PLATEAU}, trainer={"log_every_steps": 1}, validation={"every_epochs": 1}))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    found, lr = rates(undisturbed), 0.05
    assert found[1] == pytest.approx(lr * 2 / 3) and found[3] == found[12] == lr, "the rate of the next update, as of before the validation"
    assert [found[step] for step in (13, 20, 21, 28, 29, 37)] == [lr / 2, lr / 2, lr / 4, lr / 4, lr / 8, lr / 16]
    assert undisturbed.output.count("info: schedules.decay: val_loss gets no better than") == 4, "once for each fall, by rank 0"
    # The newest checkpoints are those of 7, 14 and 21: one wait, none, one.
    injections = ["kill:rank=1,step=9", "kill:rank=0,step=16,section=validation", "kill:rank=1,step=27"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    assert rates(run) == found
    runs.assert_same_runs(run, undisturbed)


def test_what_a_plateau_remembers_is_the_same_before_there_is_anything_to_remember(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=16, schedules={"decay": PLATEAU}, validation={"every_epochs": 100}, checkpoints=[{"name": "all", "every_steps": 7, "limit": -1}]))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=1,step=9"])
    found = [json.loads((each.directory / "checkpoints/step-00000014/manifest.json").read_text())["state"] for each in (run, undisturbed)]
    assert found[0]["plateaus"] == found[1]["plateaus"] and found[0]["plateaus"]["decay"]["best"] is None
    assert runs.ckpt("diff", run.directory, undisturbed.directory).returncode == 0


def test_a_plateau_that_is_given_another_metric_keeps_its_factor(tmp_path):
    config = runs.configuration("mlp", max_steps=12, schedules={"decay": PLATEAU}, trainer={"log_every_steps": 1}, validation={"every_epochs": 1})
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config))
    longer = runs.merged(config, {"trainer": {"max_steps": 28}, "schedules": {"decay": {"monitor": "val_accuracy", "mode": "max"}}})
    run.supervised(runs.write_config(tmp_path / "longer.yaml", longer))
    assert [rates(run)[step] for step in (12, 13, 24)] == [0.05, 0.025, 0.025]
    assert rates(run)[25] == 0.0125, "after 16 the first value of the new metric, after 24 the second that is no better"


def test_a_sequence_goes_on_in_the_part_where_it_was(tmp_path):
    schedules = {"decay": {"type": "sequence", "parts": ["warm", "down", "last"], "milestones": [6, 16]},
                 "warm": {"type": "constant", "warmup_steps": 4}, "down": {"type": "linear", "final_factor": 0.5}, "last": {"type": "cosine"}}
    config = runs.configuration("mlp", max_steps=26, trainer={"log_every_steps": 1})
    config["schedules"] = schedules
    config = runs.write_config(tmp_path / "config.yaml", config)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    found = rates(undisturbed)
    assert [found[step] / 0.05 for step in (1, 5, 6, 11, 15, 16, 21, 26)] == pytest.approx([0.5, 1, 1, 0.75, 0.55, 1, 0.5, 0])
    injections = ["kill:rank=1,step=12", "kill:rank=0,step=20"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    assert rates(run) == found
    runs.assert_same_runs(run, undisturbed)


@pytest.mark.parametrize(("schedule", "words"), [
    ({"type": "plateau", "monitor": "val_lss"}, "schedules.decay.monitor: expected a metric of the validation (val_loss, val_accuracy), found 'val_lss': did you mean 'val_loss'?"),
    ({"type": "plateau", "monitor": "train_loss"}, "schedules.decay.monitor: expected a metric of the validation (val_loss, val_accuracy), found 'train_loss'"),
    ({"type": "plateau", "final_factor": 0.5}, "schedules.decay.final_factor: expected a key of plateau, found one of linear, cosine"),
    ({"type": "cosine", "patience": 2}, "schedules.decay.patience: expected a key of cosine, found one of plateau"),
    ({"type": "sequence", "parts": ["decay", "decay"], "milestones": [3]}, "schedules.decay.parts.0: expected a schedule of type constant, linear or cosine, found decay of type sequence"),
    ({"type": "sequence", "parts": ["other"]}, "schedules.decay.parts: expected two names under schedules, or more, found 1"),
    ({"type": "sequence", "parts": ["other", "oter"], "milestones": [3]}, "schedules.decay.parts.1: expected a name under schedules (decay, other), found 'oter': did you mean 'other'?"),
    ({"type": "sequence", "parts": ["other", "other", "other"], "milestones": [3, 3]},
     "schedules.decay.milestones: expected 2 growing numbers: where each part but the first begins, found [3, 3]"),
])
def test_a_schedule_that_cannot_be_meant_is_refused_with_its_place(tmp_path, schedule, words):
    config = runs.configuration("mlp")
    config["schedules"] = {"decay": schedule, "other": {"type": "linear"}}
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config), check=False)
    assert run.code == 78 and words in run.output and "config.yaml:" in run.output, run.output
