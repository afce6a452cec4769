"""The event files of a run, read back by TensorBoard itself, and metrics.csv: what metrics.jsonl says, also after kills."""
import csv
import math
import os
import pathlib
import sys

import numpy
import pytest
import runs

sys.path.insert(0, os.environ["HOLDFAST_TENSORBOARD"])  # where scripts/test.sh has put it
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.util import tensor_util  # noqa: E402

EVERYTHING = {"logging": {"tensorboard": True, "csv": True, "histograms_every_steps": 6}}


def read(run, knows_sessions=True):
    """`knows_sessions` False: as a reader that takes every event, also those that a later file says are to be forgotten."""
    events = EventAccumulator(str(run.directory / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0}, purge_orphaned_data=knows_sessions)
    return events.Reload()


def expected_scalars(run):
    """{tag: [(step, value)]} of metrics.jsonl, apart from what depends on the clock."""
    scalars = {}
    for line in run.metrics():
        for key, value in line.items():
            for name, number in ({f"{key}/{part}": one for part, one in value.items()} if isinstance(value, dict) else {key: value}).items():
                if name not in ("kind", "step"):
                    scalars.setdefault(f"{line['kind']}/{name}", []).append((line["step"], numpy.float32(number)))
    return scalars


def scalars(events, prefixes=("train/", "validation/")):
    return {tag: [(event.step, numpy.float32(event.value)) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
            if tag.startswith(prefixes)}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return runs.write_config(tmp_path_factory.mktemp("config") / "config.yaml", runs.configuration("mlp", max_steps=30, **EVERYTHING))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, config):
    return runs.Run(tmp_path_factory.mktemp("undisturbed") / "run").supervised(config)


def test_tensorboard_reads_what_metrics_say(undisturbed):
    events = read(undisturbed)
    assert scalars(events) == expected_scalars(undisturbed)
    assert [event.step for event in events.Scalars("throughput/samples_per_second")] == [step for step, _ in scalars(events)["train/loss"]]
    assert all(event.value > 0 for event in events.Scalars("throughput/samples_per_second"))


def test_the_configuration_is_there_as_text(undisturbed):
    (event,) = read(undisturbed).Tensors("configuration")
    text = tensor_util.make_ndarray(event.tensor_proto)[0].decode()
    assert event.step == 1 and "    max_steps: 30\n" in text and "    histograms_every_steps: 6\n" in text


def test_histograms_hold_the_values_of_the_parameters(undisturbed):
    events = read(undisturbed)
    names = [name for name in runs.tensors(undisturbed.checkpoint()) if name.startswith("model/")]
    assert {f"parameters/{name.removeprefix('model/')}" for name in names} == set(events.Tags()["histograms"]) and names
    for name in names:
        histograms = events.Histograms(f"parameters/{name.removeprefix('model/')}")
        assert [event.step for event in histograms] == [6, 12, 18, 24, 30]
        values, last = runs.tensors(undisturbed.checkpoint())[name].astype(numpy.float64), histograms[-1].histogram_value
        assert (last.num, last.min, last.max) == (values.size, values.min(), values.max())
        assert math.isclose(last.sum, values.sum(), rel_tol=1e-9, abs_tol=1e-9) and sum(last.bucket) == values.size


def test_the_table_holds_what_metrics_say(undisturbed):
    with open(undisturbed.directory / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = undisturbed.metrics()
    assert [(row["kind"], int(row["step"]), float(row["loss"])) for row in rows] == [(line["kind"], line["step"], line["loss"]) for line in lines]
    assert [row["lr.main"] and float(row["lr.main"]) for row in rows] == [line["lr"]["main"] if "lr" in line else "" for line in lines]


def test_kills_leave_no_gap_and_no_step_twice(tmp_path, config, undisturbed):
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=0,step=12", "kill:rank=1,step=25"])
    assert [death["step"] for death in run.journal("rank_lost")] == [12, 25] and run.done()["parameter_hash"] == undisturbed.done()["parameter_hash"]
    events = read(run)
    assert len(list((run.directory / "tensorboard").iterdir())) == 3
    assert scalars(events) == expected_scalars(run) == expected_scalars(undisturbed)
    assert scalars(read(run, knows_sessions=False)) == expected_scalars(run), "the files themselves have no step twice"
    assert len(events.Tensors("configuration")) == 1
    for tag in events.Tags()["histograms"]:
        assert [event.step for event in events.Histograms(tag)] == [6, 12, 18, 24, 30]
    without_clock = [{key: value for key, value in row.items() if not key.startswith("wall_clock")}
                     for row in csv.DictReader((run.directory / "metrics.csv").read_text().splitlines())]
    assert [row["step"] for row in without_clock] == [str(line["step"]) for line in undisturbed.metrics()]


def test_a_tensorboard_that_watches_forgets_what_was_recomputed(tmp_path, config):
    """It has read of steps that no checkpoint has: the next attempt's file tells it so."""
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "restart.max_restarts=0"], injections=["kill:rank=1,step=25"], check=False)
    watching = read(run)
    assert watching.Scalars("train/loss")[-1].step == 24
    run.supervised(config, arguments=["--set", "trainer.max_steps=60"])
    assert "resumed from" in run.output and run.journal("run_started")[-1] is not None
    watching.Reload()
    assert scalars(watching)["train/loss"] == expected_scalars(run)["train/loss"]


def test_neither_is_there_when_it_is_not_asked_for(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=4, logging={"tensorboard": False}))
    run = runs.Run(tmp_path / "run").plain(config)
    assert run.metrics() and not {"tensorboard", "metrics.csv"} & {path.name for path in pathlib.Path(run.directory).iterdir()}
