"""Two kinds of weights: averages, transformed copies and weights alone, in runs that are killed, on other world sizes, and read by h5py."""
import json
import shutil
import subprocess

import h5py
import numpy
import pytest
import runs

PLUGIN = runs.BIN.parent / "tests/libfault_test_tasks.so"
TRANSFORMS = {"ema": {"type": "ema", "decay": 0.9, "every_steps": 3, "start_step": 5},
              "ema_bf16": {"type": "half", "of": "ema"},
              "bf16": {"type": "half"},
              "fp16": {"type": "half", "precision": "fp16"},
              "doubled": {"type": "scale", "factor": 2.0}}
CHECKPOINTS = [{"name": "regular", "every_steps": runs.INTERVAL, "limit": 2, "transforms": ["ema", "ema_bf16", "bf16", "fp16", "doubled"]},
               {"name": "light", "every_steps": 10, "limit": -1, "weights_only": True, "transforms": ["bf16"]}]


def normalised(**changes):
    """BatchNorm: buffers of floats, which are averaged, and of integers, which stay."""
    config = runs.configuration("mlp", **changes)
    return {**config, "task": {"name": "normalised", "plugin": str(PLUGIN)}, "optimizers": {"main": {"type": "adamw", "lr": 1e-2}},
            "data": {"name": "random", "options": {"shape": [8], "samples": 120, "validation_samples": 40}, "global_batch_size": 16}}


def bf16(array):
    """The bits of bfloat16, rounded to the nearest, ties to even."""
    bits = array.astype(numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def all_tensors(checkpoint):
    """Replicated ones whole, those of a rank by shard."""
    own = {(shard, name): array for (shard, name), (array, _, _) in runs.datasets(checkpoint).items() if name.startswith("rank/") and "model/" in name}
    return {**runs.tensors(checkpoint), **own}


def is_float(array):
    return numpy.asarray(array).dtype == numpy.float32


def evaluate(checkpoint, config=None, ranks=2, check=True):
    command = ["mpirun", "--bind-to", "none", "-n", ranks, runs.BIN / "holdfast-train", "--evaluate", checkpoint, *([config] if config else [])]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, env=runs.environment())
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    if not check:
        return done
    line = next(line for line in done.stdout.splitlines() if ": loss " in line)
    what, numbers = line.split(": loss ")
    loss, accuracy = numbers.split(", accuracy ")
    return what, float(loss), float(accuracy)


def test_kills_change_no_bit_of_an_average_or_of_a_copy(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", normalised(transforms=TRANSFORMS, checkpoints=CHECKPOINTS, validation={"weights": "ema"}))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    injections = ["kill:rank=0,step=6,section=backward",      # the average has just begun to lag behind
                  "kill:rank=1,step=12,section=reduce",       # between two of its updates
                  "kill:rank=0,step=14,section=checkpoint",   # half a shard, of the state or of a copy
                  "kill:rank=1,step=21,section=checkpoint,occurrence=3",
                  "kill:rank=0,step=28,section=commit",
                  "kill:rank=1,step=38,section=update",       # an update that comes in
                  "kill:rank=0,step=40,section=validation"]   # while the model has the average's weights
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    copies = sorted(path.name for path in undisturbed.checkpoint().iterdir() if path.is_dir())
    assert copies == sorted(TRANSFORMS)
    for copy in copies:
        runs.assert_same_bits(run.checkpoint() / copy, undisturbed.checkpoint() / copy)
    listed = json.loads(subprocess.run([str(runs.BIN / "holdfast"), "ckpt", "list", str(run.directory), "--json"], capture_output=True, text=True, timeout=60).stdout)
    assert [row["step"] for row in listed if row["role"] == "weights_only"] == list(range(10, 61, 10))
    newest = next(row for row in listed if row["path"].endswith("step-00000060"))
    assert set(newest["metrics"]) == {"val_loss of ema", "val_accuracy of ema"}, "not the state's own"
    light = sorted(path.name for path in (undisturbed.directory / "checkpoints").glob("weights-*"))
    assert light == [f"weights-{step:08d}" for step in range(10, 61, 10)]
    assert light == sorted(path.name for path in (run.directory / "checkpoints").glob("weights-*"))
    for name in light:
        for copy in ("", "bf16"):
            runs.assert_same_bits(run.directory / "checkpoints" / name / copy, undisturbed.directory / "checkpoints" / name / copy)
    measured = [line for line in run.metrics() if line["kind"] == "validation"]
    assert measured and all(line["weights"] == "ema" for line in measured)
    assert run.done()["metrics"]["validation_weights"] == "ema"
    assert run.seconds < undisturbed.seconds + 6 * len(injections)


def test_an_average_is_the_recurrence_and_copies_are_what_they_say(tmp_path):
    checkpoints = [{"name": "all", "every_steps": 1, "limit": -1, "transforms": sorted(TRANSFORMS)}]
    config = runs.write_config(tmp_path / "config.yaml", normalised(max_steps=13, transforms=TRANSFORMS, checkpoints=checkpoints))
    run = runs.Run(tmp_path / "run").supervised(config)
    average = None
    for step in range(1, 14):
        checkpoint = run.directory / f"checkpoints/step-{step:08d}"
        original = {key: array for key, array in all_tensors(checkpoint).items() if "model/" in str(key) and "averages" not in str(key)}
        copies = {name: all_tensors(checkpoint / name) for name in TRANSFORMS}
        if step <= 5:
            average = {key: array for key, array in original.items() if is_float(array)}
        elif (step - 5) % 3 == 0:
            average = {key: array + numpy.float32(1 - 0.9) * (original[key] - array) for key, array in average.items()}
        assert any(is_float(array) for array in original.values()) and not all(is_float(array) for array in original.values())
        for key, array in original.items():
            if not is_float(array):
                assert all(numpy.array_equal(copy[key], array) and copy[key].dtype == array.dtype for copy in copies.values()), key
                continue
            numpy.testing.assert_allclose(copies["ema"][key], average[key], rtol=1e-5, atol=1e-7)
            assert numpy.array_equal(copies["bf16"][key], bf16(array)) and copies["bf16"][key].dtype == numpy.uint16, key
            assert numpy.array_equal(copies["ema_bf16"][key], bf16(copies["ema"][key])), key
            assert numpy.array_equal(copies["fp16"][key], array.astype(numpy.float16)), key
            assert numpy.array_equal(copies["doubled"][key], array * 2), key


def test_what_a_state_lacks_of_an_average_begins_with_its_weights_and_that_is_told(tmp_path):
    run = runs.Run(tmp_path / "run")
    for steps, buffers, told in ((7, False, None), (14, True, "the average ema (of "), (21, False, None)):
        config = normalised(max_steps=steps, transforms={"ema": {**TRANSFORMS["ema"], "buffers": buffers}},
                            checkpoints=[{"name": "regular", "every_steps": 7, "limit": -1, "transforms": ["ema"]}])
        run.supervised(runs.write_config(tmp_path / "config.yaml", config))
        assert ("begins with the weights of step 7" in run.output and told in run.output) if told else "the average ema" not in run.output, run.output
        assert run.done()["global_step"] == steps
    averaged = {step: [name for name in all_tensors(run.directory / f"checkpoints/step-{step:08d}") if "averages/ema" in str(name)] for step in (7, 14, 21)}
    assert len(averaged[14]) > len(averaged[7]) == len(averaged[21]) > 0


def test_copies_of_large_tensors_are_whole_at_every_world_size_and_another_one_goes_on(tmp_path):
    """A tensor of 4 MiB is cut among the ranks, and its copy of 2 MiB at other places."""
    changes = {"task": {"options": {"widths": [64, 1024, 1024, 10]}}, "transforms": {"ema": TRANSFORMS["ema"], "bf16": TRANSFORMS["bf16"]},
               "checkpoints": [{"name": "regular", "every_steps": 2, "limit": -1, "transforms": ["ema", "bf16"]}]}
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=2, **changes))
    longer = runs.write_config(tmp_path / "longer.yaml", runs.configuration("mlp", max_steps=4, **changes))
    for ranks, then in ((1, 2), (3, 2), (2, 3)):
        run = runs.Run(tmp_path / f"run-{ranks}").supervised(config, ranks=ranks)
        run.supervised(longer, ranks=then)
        assert "resumed from" in run.output
        for step in (2, 4):
            checkpoint = run.directory / f"checkpoints/step-{step:08d}"
            original, copy = runs.tensors(checkpoint), runs.tensors(checkpoint / "bf16")
            assert set(copy) == {name for name in original if name.startswith("model/")}
            for name, array in copy.items():
                assert array.shape == original[name].shape and numpy.array_equal(array, bf16(original[name])), name
                average = runs.tensors(checkpoint / "ema")[name]
                assert numpy.array_equal(average, original[f"averages/ema/{name}"]), name
        verified = subprocess.run([str(runs.BIN / "holdfast"), "ckpt", "verify", str(run.directory)], capture_output=True, text=True, timeout=60)
        assert verified.returncode == 0 and verified.stdout.count(": sound") == 2, verified.stdout


def test_what_no_run_can_go_on_from_is_refused_and_starts_one_with_its_weights(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=20, transforms=TRANSFORMS, checkpoints=CHECKPOINTS))
    run = runs.Run(tmp_path / "run").supervised(config)
    checkpoints = run.directory / "checkpoints"
    for path, role, instead in ((checkpoints / "last/ema", "transformed:ema", "step-00000020"),
                                (checkpoints / "light/epoch=4-step=20", "weights_only", str(run.directory))):
        refused = runs.Run(tmp_path / "refused").supervised(config, arguments=["--set", f"resume={path}"], check=False)
        assert refused.code == 78, refused.output
        assert f"found role {role}" in refused.output and f"{instead}` goes on from" in refused.output and "init_from: " in refused.output
        assert not list((tmp_path / "refused/checkpoints").glob("step-*"))
    # Half precision is widened on the way in.
    for path in (checkpoints / "last/bf16", checkpoints / "light/epoch=4-step=20/bf16", checkpoints / "weights-00000020"):
        start = {"transforms": {"doubled": {"type": "scale", "factor": 2.0}}, "init_from": str(path),
                 "checkpoints": [{"name": "all", "every_steps": 1, "transforms": ["doubled"]}]}
        name = path.name + path.parent.name
        begun = runs.Run(tmp_path / name).supervised(runs.write_config(tmp_path / f"{name}.yaml", {
            **runs.configuration("mlp", max_steps=1), **start, "optimizers": {"main": {"type": "sgd", "lr": 0.0, "weight_decay": 0.0}}}))
        stored, given = runs.tensors(begun.checkpoint()), runs.tensors(path)
        for tensor, array in given.items():
            wide = (array.astype(numpy.uint32) << 16).view(numpy.float32) if array.dtype == numpy.uint16 else array
            assert numpy.array_equal(stored[tensor], wide), tensor


def test_evaluate_measures_what_the_run_has_measured(tmp_path):
    for weights, path in (("ema", "last/ema"), ("", "last")):
        config = runs.write_config(tmp_path / "config.yaml", normalised(max_steps=20, transforms=TRANSFORMS, checkpoints=CHECKPOINTS,
                                                                        validation={"weights": weights}))
        run = runs.Run(tmp_path / f"run{weights}").supervised(config)
        expected = run.done()["metrics"]
        for given in (config, None):  # without one: that of the checkpoint
            what, loss, accuracy = evaluate(run.directory / "checkpoints" / path, given)
            assert what.endswith(f"step 20, role {'transformed:ema' if weights else 'original'}"), what
            assert (loss, accuracy) == (expected["validation_loss"], expected["validation_accuracy"])
    exported = subprocess.run([str(runs.BIN / "holdfast"), "ckpt", "export", str(run.directory), str(tmp_path / "ema.h5"), "--weights", "ema"],
                              capture_output=True, text=True, timeout=60)
    assert exported.returncode == 0, exported.stdout + exported.stderr
    with h5py.File(tmp_path / "ema.h5") as file:
        for name, array in runs.tensors(run.checkpoint() / "ema").items():
            assert numpy.array_equal(file[name.removeprefix("model/")][()], array), name
    _, loss, _ = evaluate(run.directory / "checkpoints/last/bf16")
    assert loss != expected["validation_loss"] and abs(loss - expected["validation_loss"]) < 0.02
    assert evaluate(run.directory)[0].endswith("step-00000020: step 20, role original")
    for words in (["--check"], ["--describe"], ["--run-dir", "x"], ["--inject", "kill:rank=0,step=1"]):
        refused = subprocess.run([runs.BIN / "holdfast-train", "--evaluate", run.directory, *words], capture_output=True, text=True, timeout=60)
        assert refused.returncode == 64 and f"{words[0]} is of a training" in refused.stderr, refused.stderr
    before = sorted(run.directory.rglob("*"))
    refused = evaluate(tmp_path / "nothing", check=False)
    assert refused.returncode == 65 and "expected a checkpoint" in refused.stderr
    assert sorted(run.directory.rglob("*")) == before, "an evaluation writes nothing"


def test_a_failing_transform_costs_only_itself_and_none_touches_the_model(tmp_path):
    plain = runs.Run(tmp_path / "plain").supervised(runs.write_config(tmp_path / "plain.yaml", normalised(max_steps=21)))
    negated = {"type": "negated", "plugin": str(PLUGIN), "options": {"failures": 1}}
    config = normalised(max_steps=21, transforms={"negated": negated},
                        checkpoints=[{"name": "regular", "every_steps": runs.INTERVAL, "limit": -1, "transforms": ["negated"]}])
    run = runs.Run(tmp_path / "run").supervised(runs.write_config(tmp_path / "config.yaml", config))
    assert run.output.count("is stored without the transformed weights of negated: no luck with") == 1, run.output
    assert run.done()["parameter_hash"] == plain.done()["parameter_hash"] and run.metrics() == plain.metrics()
    first, second = (run.directory / f"checkpoints/step-{step:08d}" for step in (7, 14))
    assert not (first / "negated").exists() and "transformed" not in json.loads((first / "manifest.json").read_text())
    original, copy = all_tensors(second), all_tensors(second / "negated")
    for key, array in copy.items():
        assert numpy.array_equal(array, -original[key] if is_float(array) else original[key]), key
    verified = subprocess.run([str(runs.BIN / "holdfast"), "ckpt", "verify", str(run.directory)], capture_output=True, text=True, timeout=60)
    assert verified.returncode == 0, verified.stdout
    config["transforms"]["negated"]["type"] = "negatd"
    refused = runs.Run(tmp_path / "refused").supervised(runs.write_config(tmp_path / "config.yaml", config), check=False)
    assert refused.code == 78 and "did you mean 'negated'?" in refused.output


def ends_with_its_best(path, weights):
    """The best by the largest loss, so that it is not the last one."""
    policy = [{"name": "worst", "after_validation": True, "monitor": "val_loss", "mode": "max", "top_k": 1, "load_best_at_end": True, "at_end": False,
               "transforms": [weights] if weights else []},
              {"name": "regular", "every_steps": runs.INTERVAL, "limit": 1}]
    return runs.write_config(path, normalised(max_steps=24, checkpoints=policy, transforms={"ema": TRANSFORMS["ema"]},
                                              validation={"every_epochs": 1, "weights": weights}))


@pytest.fixture(scope="module")
def best_run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("best")
    config = ends_with_its_best(directory / "config.yaml", "ema")
    return config, runs.Run(directory / "run").supervised(config)


def test_the_run_ends_with_the_weights_of_its_best_state(tmp_path):
    for weights in ("", "ema"):
        config = ends_with_its_best(tmp_path / "config.yaml", weights)
        run = runs.Run(tmp_path / f"run{weights}")
        run.supervised(config, injections=["kill:rank=1,step=24,section=finish"])
        assert [line["section"] for line in run.journal("rank_lost")] == ["finish"]
        best = max((line for line in run.metrics() if line["kind"] == "validation"), key=lambda line: line["loss"])
        done = run.done()
        assert best["step"] < 24 == done["global_step"]
        assert done["best"] == {"entry": "worst", "checkpoint": f"step-{best['step']:08d}", "step": best["step"],
                                "role": f"transformed:{weights}" if weights else "original"}
        assert done["metrics"] == {"validation_loss": best["loss"], "validation_accuracy": best["accuracy"]}
        states = sorted(path.name for path in (run.directory / "checkpoints").glob("step-*"))
        assert states == sorted({done["best"]["checkpoint"], "step-00000024"}), "the state of the end is there, and the best"
        assert (run.directory / "checkpoints/last").resolve().name == "step-00000024"
        shown = subprocess.run([str(runs.BIN / "holdfast"), "ckpt", "show", str(run.directory / "checkpoints" / done["best"]["checkpoint"] / weights)],
                               capture_output=True, text=True, timeout=60)
        assert f"parameter hash {done['parameter_hash']}" in shown.stdout


@pytest.mark.parametrize("cause", ["damaged", "without its copy", "measured of other weights"])
def test_a_best_state_that_cannot_be_had_is_told_and_the_run_ends_with_its_last_weights(tmp_path, best_run, cause):
    config, whole = best_run
    run = runs.Run(tmp_path / "run")
    shutil.copytree(whole.directory, run.directory, symlinks=True)
    copy, arguments = run.directory / "checkpoints" / whole.done()["best"]["checkpoint"] / "ema", ()
    if cause == "damaged":
        first = json.loads((copy / "manifest.json").read_text())["shards"][0]
        with open(copy / first["file"], "r+b") as shard:
            shard.seek(first["pieces"][0]["file_offset"])
            shard.write(b"damage")
    elif cause == "without its copy":
        shutil.rmtree(copy)
    else:
        arguments = ("--set", 'validation.weights=""')
    run.supervised(config, arguments=arguments)  # finished already: it loads the best once more
    log = max((run.directory / "logs").glob("attempt-*")).joinpath("rank-0.log").read_text()
    assert "worst: the run ends with its last weights" in log, log
    assert {"damaged": "shard-00000-of-00002.h5", "without its copy": str(copy),
            "measured of other weights": "worst has ranked by the largest val_loss of ema before, and ranks by the largest val_loss now"}[cause] in log
    done = run.done()
    shown = runs.ckpt("show", run.directory / "checkpoints/last")
    assert done["global_step"] == 24 and "best" not in done
    assert f"parameter hash {done['parameter_hash']}" in shown.stdout and done["parameter_hash"] != whole.done()["parameter_hash"]
    last = [line for line in run.metrics() if line["kind"] == "validation"][-1]
    assert done["metrics"] == {"validation_loss": last["loss"], "validation_accuracy": last["accuracy"], "validation_weights": "ema"}
