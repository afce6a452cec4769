"""16 bits: a run that fell over and came back ends with the same bits in every precision, skipped updates, rounded gradients and stages that
are computed again included."""
import json
import re

import pytest
import runs
from manual_test import stepping, updates
from plugin_test import plugin_configuration

SECONDS_A_RESTART = 6  # as in bit_identity_test.py
EXIT_SOFTWARE, EXIT_CONFIGURATION = 70, 78
# So high that the first updates overflow; it grows so soon that it is too high again every few updates of the whole run.
RESTLESS = {"compute": "fp16", "init_scale": 2**30, "growth_interval": 4}
PRECISIONS = {"float32": {"compute": "float32"}, "bf16": {"compute": "bf16"}, "fp16": RESTLESS, "fp16 without a scaler": {"compute": "fp16", "gradient_scaler": False}}
DROPOUT = {"task": {"options": {"dropout": 0.2}}}


def scale_of(run):
    return json.loads((run.checkpoint() / "manifest.json").read_text())["state"]["gradient_scale"]


def skipped_before(run):
    """{the update that was to be made: how often it was not}, by rank 0's log."""
    found = {}
    for log in sorted((run.directory / "logs").glob("attempt-*/rank-0.log")):
        for step in re.findall(r"update (\d+) is not made: gradients have overflowed in fp16", log.read_text()):
            found[int(step)] = found.get(int(step), 0) + 1
    return found


def compare(tmp_path, config, injections, arguments=(), intervals=1):
    """A disturbed run with an undisturbed one."""
    file = runs.write_config(tmp_path / "config.yaml", config)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(file, arguments=arguments)
    run = runs.Run(tmp_path / "run").supervised(file, injections=injections, arguments=arguments)
    runs.assert_landed(run, injections, intervals)
    runs.assert_same_runs(run, undisturbed)
    assert run.seconds < undisturbed.seconds + SECONDS_A_RESTART * len(injections)
    return run, undisturbed


def in_each_section(*steps):
    """Two batches an update: the second backward pass is in the middle of an accumulation."""
    back, reduce, update = steps
    return [f"kill:rank=1,step={back},section=backward,occurrence=2", f"kill:rank=0,step={reduce},section=reduce", f"kill:rank=1,step={update},section=update"]


def test_bf16_comes_back_to_the_same_bits(tmp_path):
    run, _ = compare(tmp_path, runs.configuration("gpt", precision={"compute": "bf16"}, max_steps=40), in_each_section(9, 17, 33))
    plain = runs.Run(tmp_path / "plain").supervised(tmp_path / "config.yaml", arguments=["--set", "precision.compute=float32"])
    assert run.done()["parameter_hash"] != plain.done()["parameter_hash"]
    ours, exact = run.metrics(), plain.metrics()
    assert [line["step"] for line in ours] == [line["step"] for line in exact]
    assert all(abs(a["loss"] - b["loss"]) < 0.02 * b["loss"] for a, b in zip(ours, exact))
    assert all(array.dtype.itemsize == 4 for name, array in runs.tensors(run.checkpoint()).items()), "parameters and their moments are float32"


def test_fp16_comes_back_to_the_same_bits_though_updates_are_skipped_around_each_kill(tmp_path):
    config = runs.configuration("mlp", precision=RESTLESS)
    injections = ["kill:rank=0,step=1,section=backward,occurrence=5", *in_each_section(12, 23, 47)]
    run, undisturbed = compare(tmp_path, config, injections)
    skipped = skipped_before(undisturbed)
    assert skipped[1] >= 3, "the kill in the first update was to meet the third try"
    for step in (12, 23, 47):
        assert any(abs(step - other) <= 4 for other in skipped), (step, skipped)
    state = scale_of(run)
    assert state == scale_of(undisturbed) and state["skipped_updates"] == sum(skipped.values()) > 10
    lines = [line for line in run.metrics() if line["kind"] == "train"]
    assert (lines[-1]["gradient_scale"], lines[-1]["skipped_updates"]) == (state["scale"], state["skipped_updates"])
    assert run.done()["global_step"] == 60 and run.done()["samples_seen"] > 60 * 30, "a skipped update consumes its batches"


def test_a_scale_that_finds_its_level_skips_no_more(tmp_path):
    """The scale changes no digit: once it fits, updates are those of any other scale that fits."""
    hashes = set()
    for scale in (2**10, 2**12):
        config = runs.write_config(tmp_path / f"{scale}.yaml", runs.configuration("mlp", precision={"compute": "fp16", "init_scale": scale}, max_steps=8))
        run = runs.Run(tmp_path / str(scale)).supervised(config)
        assert scale_of(run) == {"scale": scale, "good_updates": 8, "skipped_updates": 0}
        hashes.add(run.done()["parameter_hash"])
    assert len(hashes) == 1


def test_buffers_keep_what_skipped_batches_have_done(tmp_path):
    """BatchNorm counts every batch that went forward; both ranks alike, and after a kill."""
    config = plugin_configuration("normalised", {"main": {"type": "adamw", "lr": 1e-3}}, precision=RESTLESS, max_steps=20)
    run, _ = compare(tmp_path, config, ["kill:rank=1,step=9,section=backward,occurrence=2"])
    skipped = scale_of(run)["skipped_updates"]
    counted = [int(array) for (_, name), (array, _, _) in runs.datasets(run.checkpoint()).items() if name.endswith("num_batches_tracked")]
    assert skipped > 3 and counted[0] == counted[1] > 2 * 20 + skipped


def test_each_optimizer_of_a_task_that_steps_them_itself_skips_by_itself(tmp_path):
    """b is stepped with every third batch: what waits for its update is worth the same when the scale has changed meanwhile."""
    config = stepping(every=(1, 3), max_steps=40, precision=RESTLESS)
    run, _ = compare(tmp_path, config, ["kill:rank=1,step=10,section=update", "kill:rank=0,step=18,section=backward", "kill:rank=1,step=33,section=reduce"])
    made, batches = updates(run), run.done()["samples_seen"] * 8 // 120
    assert made["a"] < batches and scale_of(run)["skipped_updates"] >= batches - made["a"] > 3, (made, batches)
    assert 0 < made["b"] <= batches // 3


def test_an_epoch_is_over_when_its_batches_are_though_updates_were_skipped(tmp_path):
    config = runs.configuration("mlp", precision=RESTLESS, trainer={"max_epochs": 6})
    del config["trainer"]["max_steps"]
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config))
    assert run.done()["samples_seen"] == 720
    assert run.done()["global_step"] == 24 - scale_of(run)["skipped_updates"] < 24
    assert "the run is finished" in run.supervised(tmp_path / "config.yaml").output


def test_an_overflow_at_the_smallest_scale_and_a_loss_are_bad_numbers(tmp_path):
    lowest = {"compute": "fp16", "init_scale": 1024, "min_scale": 1024}
    file = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", precision=lowest, max_steps=20))
    run = runs.Run(tmp_path / "run").supervised(file, injections=["nan:rank=1,step=12"], check=False)
    assert run.code == EXIT_SOFTWARE and "the gradient scale is 1024, the smallest that precision.min_scale allows" in run.output, run.output
    assert not run.journal("restart") and run.seconds < 15
    # With room below, the same fault is an overflow, and costs one update.
    run = runs.Run(tmp_path / "skipped").supervised(file, injections=["nan:rank=1,step=12"], arguments=["--set", "precision.min_scale=1"])
    assert skipped_before(run) == {12: 1} and scale_of(run)["scale"] == 512


def test_another_precision_is_told_when_a_run_goes_on(tmp_path):
    file = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", precision={"compute": "fp16", "init_scale": 4096}, max_steps=7))
    run = runs.Run(tmp_path / "run").supervised(file)
    run.supervised(file, arguments=["--set", "trainer.max_steps=14"])
    assert scale_of(run) == {"scale": 4096, "good_updates": 14, "skipped_updates": 0}, "it goes on from the stored scale"
    other = runs.configuration("mlp", precision={"compute": "bf16"}, max_steps=20)
    run.supervised(runs.write_config(tmp_path / "other.yaml", other))
    assert 'the configuration has changed: precision.compute: "fp16" -> "bf16"' in run.output
    assert scale_of(run) == {"scale": 4096, "good_updates": 14, "skipped_updates": 0}, "what it was, for a run that computes in fp16 again"
    lines = [line for line in run.metrics() if line["kind"] == "train"]
    assert "gradient_scale" in lines[0] and "gradient_scale" not in lines[-1]


def test_an_epoch_is_over_in_another_precision_though_updates_were_skipped(tmp_path):
    def file(precision, max_steps):
        config = runs.configuration("mlp", precision=precision, trainer={"max_epochs": 6, "max_steps": max_steps})
        return runs.write_config(tmp_path / f"{precision['compute']}.yaml", config)
    run = runs.Run(tmp_path / "run").supervised(file(RESTLESS, 8))
    skipped = scale_of(run)["skipped_updates"]
    assert run.done()["global_step"] == 8 and skipped > 0
    run.supervised(file({"compute": "bf16"}, None))
    assert run.done()["samples_seen"] == 720 and run.done()["global_step"] == 24 - skipped


def test_gradients_that_wait_for_their_update_are_worth_the_same_in_another_precision(tmp_path):
    """b is stepped with every third batch, and a save lies between two of its updates."""
    file = runs.write_config(tmp_path / "float32.yaml", stepping(every=(1, 3), max_steps=20))
    plain = runs.Run(tmp_path / "plain").supervised(file)
    half = stepping(every=(1, 3), max_steps=7, precision={"compute": "fp16", "init_scale": 1024})
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "fp16.yaml", half))
    run.supervised(file)
    assert "resumed from" in run.output and updates(run) == updates(plain)
    ours, theirs = runs.tensors(run.checkpoint()), runs.tensors(plain.checkpoint())
    for name in filter(lambda name: name.startswith("model/"), theirs):
        assert abs(ours[name] - theirs[name]).max() < 0.02 * abs(theirs[name]).max(), name


@pytest.mark.parametrize("compute", ["bf16", pytest.param("float32", id="float32 (everywhere)")])
def test_stages_that_are_computed_again_give_the_same_bits(tmp_path, compute):
    """With dropout: the second run of a stage draws the numbers of the first. Without clipping, as the norm is added up in another order."""
    config = runs.configuration("gpt", precision={"compute": compute}, trainer={"max_steps": 30, "clip_norm": None}, **DROPOUT)
    whole = runs.Run(tmp_path / "whole").supervised(runs.write_config(tmp_path / "whole.yaml", config))
    without = runs.merged(config, {"task": {"options": {"dropout": 0}}})
    assert runs.Run(tmp_path / "without").supervised(runs.write_config(tmp_path / "without.yaml", without)).done()["parameter_hash"] != whole.done()["parameter_hash"]
    injections = in_each_section(9, 16, 24)
    file = runs.write_config(tmp_path / "again.yaml", runs.merged(config, {"trainer": {"recompute": "stages"}}))
    again = runs.Run(tmp_path / "again").supervised(file, injections=injections)
    runs.assert_landed(again, injections)
    assert again.done()["parameter_hash"] == whole.done()["parameter_hash"] and again.metrics() == whole.metrics()
    runs.assert_same_bits(again.checkpoint(), whole.checkpoint())
    assert again.seconds < whole.seconds + SECONDS_A_RESTART * len(injections)


def test_a_task_in_one_piece_cannot_compute_its_stages_again(tmp_path):
    file = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", trainer={"recompute": "stages"}))
    run = runs.Run(tmp_path / "run").supervised(file, check=False)
    assert run.code == EXIT_CONFIGURATION and "trainer.recompute: stages: expected a task in stages, as gpt is, found 'mlp'" in run.output, run.output


@pytest.mark.parametrize("sent", ["bf16", pytest.param("fp16", id="fp16 (everywhere)")])
def test_gradients_sent_with_sixteen_bits_come_back_to_the_same_bits(tmp_path, sent):
    config = runs.configuration("gpt", parallel={"gradient_dtype": sent}, max_steps=30)
    run, _ = compare(tmp_path, config, in_each_section(9, 16, 24))
    plain = runs.Run(tmp_path / "plain").supervised(tmp_path / "config.yaml", arguments=["--set", "parallel.gradient_dtype=float32"])
    assert run.done()["parameter_hash"] != plain.done()["parameter_hash"]
    assert all(abs(a["loss"] - b["loss"]) < 0.02 * b["loss"] for a, b in zip(run.metrics(), plain.metrics()))


LONG = [(task, precision, sent) for task in runs.TASKS for precision in PRECISIONS for sent in ("float32", "bf16")
        if (precision, sent) != ("float32", "float32") and not (task == "cnn" and precision.startswith("fp16") and sent == "bf16")]


@pytest.mark.parametrize(("task", "precision", "sent"), [pytest.param(*case, id=f"{case[0]}, {case[1]}, sent as {case[2]} (everywhere)") for case in LONG])
def test_every_precision(tmp_path, task, precision, sent):
    """Three ranks, uneven shares, saved behind the training; every section of a step, accumulation and save."""
    steps = 20 if task == "cnn" and precision.startswith("fp16") else 40
    config = runs.configuration(task, precision=PRECISIONS[precision], parallel={"gradient_dtype": sent}, max_steps=steps, saving={"asynchronous": True},
                                restart={"max_attempts_without_progress": 10})  # a save takes as long as many of these steps
    file = runs.write_config(tmp_path / "config.yaml", config)
    injections = ["kill:rank=2,step=3,section=forward", *in_each_section(9, 11, 13), "kill:rank=2,step=14,section=checkpoint", "kill:rank=0,step=17,section=validation"]
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(file, ranks=3)
    run = runs.Run(tmp_path / "run").supervised(file, ranks=3, injections=injections)
    struck = {line["injected"] for line in run.journal("rank_lost")}
    assert struck == set(injections)
    runs.assert_same_runs(run, undisturbed)
    assert run.seconds < undisturbed.seconds * 3 + SECONDS_A_RESTART * len(injections)
