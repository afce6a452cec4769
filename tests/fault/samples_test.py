"""The callback `samples`: what a model makes is shown and stored, has no influence on the training, and comes again after a restart."""
import runs

SHOWN = {"shown": {"type": "samples", "options": {"count": 2}}}
TASK = {"options": {"vocabulary": 128, "sample_prompt": "ab", "sample_length": 12}}


def gpt(**changes):
    return runs.configuration("gpt", **runs.merged({"max_steps": 24, "validation": {"every_epochs": 1}, "task": TASK, "data": {"options": {"classes": 128}}}, changes))


def test_samples_are_the_same_after_a_kill_and_change_nothing(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", gpt(callbacks=SHOWN))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    injections = ["kill:rank=1,step=12,section=validation", "kill:rank=0,step=18"]
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    lines = [line for line in run.metrics() if line["kind"] == "validation"]
    assert [line["step"] for line in lines] == [4, 8, 12, 16, 20, 24]
    for line in lines:
        texts = line["texts"]["shown"]
        assert len(texts) == 2 and texts[0] != texts[1] and all(text.startswith("ab") for text in texts)
    assert len({line["texts"]["shown"][0] for line in lines}) == 6, "each step has random numbers of its own"
    assert "step 24/24  shown:\n  | ab" in run.output
    without = runs.Run(tmp_path / "without").supervised(runs.write_config(tmp_path / "without.yaml", gpt()))
    assert without.done()["parameter_hash"] == run.done()["parameter_hash"]
    drawn = [{key: array.tobytes() for key, (array, _, _) in runs.datasets(each.checkpoint()).items() if key[1].startswith("rank/")} for each in (without, run)]
    assert drawn[0] and drawn[0] == drawn[1], "the generators of the training, which gpt has no need of, are where they were"


def test_at_temperature_0_the_most_likely_byte_is_taken(tmp_path):
    config = gpt(callbacks=SHOWN, max_steps=4, task={"options": {"sample_temperature": 0}})
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config))
    first, second = next(line for line in run.metrics() if line["kind"] == "validation")["texts"]["shown"]
    assert first == second


def test_a_task_without_samples_and_a_prompt_that_is_none_are_refused(tmp_path):
    for config, words in ((runs.configuration("mlp", callbacks=SHOWN), "a callback of type samples: expected a task that has samples to show"),
                          (gpt(task={"options": {"sample_prompt": ""}}), "task.options.sample_prompt: expected bytes below vocabulary (128), at least one, found ''")):
        run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config), check=False)
        assert run.code == 78 and words in run.output and "config.yaml:" in run.output, run.output
