"""A run that is asked to stop, by whatever way, wherever it is: it saves and ends with 75, soon, and goes on to the same bits."""
import json
import os
import signal
import subprocess
import time

import pytest
import runs
import times

PLUGIN = runs.BIN.parent / "tests/libfault_test_spoiled.so"
EXIT_STOPPED = 75
SECONDS = 5          # from the request to the end; what is under way would take 40 s
LEAD_SECONDS = 6     # from the start to a deadline: by then each loop is under way

# What is slow, and how long: 40 s of each, unless it is stopped. The marker is made when it is under way.
LOOPS = {
    "training": {"task": {"options": {"batch": {"milliseconds": 20}}}, "trainer": {"accumulate_batches": 1, "max_steps": 2000}},
    "accumulation": {"task": {"options": {"batch": {"milliseconds": 20}}}, "trainer": {"accumulate_batches": 2000, "max_steps": 1},
                     "data": {"options": {"samples": 32000}}},
    "validation": {"task": {"options": {"evaluation": {"milliseconds": 40}}}, "trainer": {"accumulate_batches": 2, "max_steps": 10},
                   "validation": {"every_epochs": 1}, "data": {"options": {"validation_samples": 8000}}},
    "the last validation": {"task": {"options": {"evaluation": {"milliseconds": 40}}}, "trainer": {"accumulate_batches": 2, "max_steps": 6},
                            "validation": {"every_epochs": None, "at_end": True}, "data": {"options": {"validation_samples": 8000}}},
}
SOURCES = ["SIGTERM", "SIGUSR1", "SIGUSR2", "stop file", "max_time", "Slurm"]
CORE = [("SIGUSR2", "training"), ("stop file", "accumulation"), ("SIGUSR1", "validation"), ("Slurm", "validation"), ("max_time", "training"),
        ("SIGTERM", "the last validation")]
PAIRS = [pytest.param(source, loop, id=f"{source} in {loop}" + ("" if (source, loop) in CORE else " (long_only)")) for source in SOURCES for loop in LOOPS]


def configuration(tmp_path, loop):
    config = runs.configuration("mlp")
    config.update(task={"name": "noisy", "plugin": str(PLUGIN)}, optimizers={"main": {"type": "adamw", "lr": 1e-3}},
                  data={"name": "spoiled", "global_batch_size": 16, "shuffle": False}, checkpoints=[{"name": "regular", "every_steps": 1000}])
    config = runs.merged(config, LOOPS[loop])
    for pace in config["task"]["options"].values():
        pace["marker"] = str(tmp_path / "marker")
    return config


def quick(config):
    """The same run, without what takes time."""
    return ["--set", "task.options.batch.milliseconds=0", "--set", "task.options.evaluation.milliseconds=0"]


def wait_for_marker(tmp_path, run, process):
    runs.wait_until(lambda: process.poll() is not None or (tmp_path / "marker").exists(), 30, "the loop to be under way")
    assert process.poll() is None, (run.directory / "output.txt").read_text()


def stopped(tmp_path, run, config, source):
    """How long it has taken the run to end after it was asked to."""
    arguments, variables, begun = [], {}, time.time()
    if source == "max_time":
        arguments = ["--set", f"trainer.max_time={LEAD_SECONDS}s"]
    if source == "Slurm":
        arguments, variables = ["--set", "trainer.stop_margin_seconds=1"], {"SLURM_JOB_END_TIME": str(int(begun) + LEAD_SECONDS + 1)}
    process = run.start(config, arguments=arguments, variables=variables)
    wait_for_marker(tmp_path, run, process)
    if source in ("max_time", "Slurm"):
        asked = begun + LEAD_SECONDS
    else:
        asked = time.time()
        if source == "stop file":
            (run.directory / "stop").touch()
        else:
            process.send_signal(getattr(signal, source))
    assert process.wait(40) == EXIT_STOPPED, (run.directory / "output.txt").read_text()
    return time.time() - asked


@pytest.mark.parametrize("source, loop", PAIRS)
def test_it_ends_soon_and_goes_on_to_the_same_bits(tmp_path, source, loop):
    config = runs.write_config(tmp_path / "config.yaml", configuration(tmp_path, loop))
    run = runs.Run(tmp_path / "run")
    seconds = stopped(tmp_path, run, config, source)
    assert seconds < SECONDS
    times.keep("asked to stop, until it has saved and ended", seconds, None)
    output = (run.directory / "output.txt").read_text()
    assert "stopped on request after step" in output and not run.journal("rank_lost") and len(run.journal("attempt_started")) == 1
    why = {"stop file": f"the file {run.directory}/stop asked for it", "max_time": "trainer.max_time ends in", "Slurm": "the Slurm job ends in"}
    assert why.get(source, "a signal") in output
    assert not (run.directory / "stop").exists() and not (run.directory / "DONE.json").exists()
    end = quick(config) + (["--set", "trainer.max_steps=400"] if loop == "training" else [])
    run.supervised(config, arguments=end)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config, arguments=end)
    if loop != "the last validation":
        return runs.assert_same_runs(run, undisturbed)
    # The newest state is that of the stop, which did not know the validation; all else is the same.
    assert run.metrics() == undisturbed.metrics()
    assert [run.done()[key] for key in ("parameter_hash", "metrics", "global_step")] == [undisturbed.done()[key] for key in ("parameter_hash", "metrics", "global_step")]
    runs.assert_same_bits(run.checkpoint(), undisturbed.checkpoint())


def test_a_run_that_waits_for_a_save_stops_when_it_is_durable(tmp_path):
    config = configuration(tmp_path, "training")
    config.update(transforms={"late": {"type": "slow", "plugin": str(PLUGIN), "options": {"milliseconds": 400, "marker": str(tmp_path / "saving"), "marked_call": 1}}},
                  checkpoints=[{"name": "regular", "every_steps": 2, "transforms": ["late"]}], saving={"asynchronous": True})
    config = runs.write_config(tmp_path / "config.yaml", config)
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    runs.wait_until(lambda: (tmp_path / "saving").exists(), 30, "a save")
    process.send_signal(signal.SIGUSR2)
    start = time.monotonic()
    assert process.wait(30) == EXIT_STOPPED
    assert time.monotonic() - start < 3 * SECONDS  # the save under way, one that is due, and that of the stop
    end = ["--set", "trainer.max_steps=12", "--set", "transforms.late.options.milliseconds=0", *quick(config)]
    run.supervised(config, arguments=end)
    runs.assert_same_runs(run, runs.Run(tmp_path / "undisturbed").supervised(config, arguments=end))


def test_plain_mpirun_stops_by_itself_too(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", configuration(tmp_path, "validation"))
    run = runs.Run(tmp_path / "run")
    start = time.monotonic()
    run.plain(config, ranks=2, arguments=["--set", f"trainer.max_time={LEAD_SECONDS}"], check=False)
    assert run.code == EXIT_STOPPED and time.monotonic() - start < LEAD_SECONDS + SECONDS, run.output
    run.plain(config, ranks=2, arguments=quick(config))
    runs.assert_same_runs(run, runs.Run(tmp_path / "undisturbed").plain(config, ranks=2, arguments=quick(config)))


def test_a_job_that_is_shorter_than_its_margin_is_trained_in_for_half_of_its_time(tmp_path):
    """Else it would stop at once, be queued again, and so on."""
    config = runs.write_config(tmp_path / "config.yaml", configuration(tmp_path, "training"))
    end = time.time() + 2 * LEAD_SECONDS
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "trainer.stop_margin_seconds=3600"],
                                                variables={"SLURM_JOB_END_TIME": str(end)}, check=False)
    assert run.code == EXIT_STOPPED and LEAD_SECONDS - 1 < run.seconds < LEAD_SECONDS + SECONDS, run.output
    assert run.journal("attempt_ended")[0]["durable_step"] > 20 and "the Slurm job ends in" in run.output


def test_time_is_counted_from_the_start_and_not_from_a_restart(tmp_path):
    lead = 2 * LEAD_SECONDS  # the fault comes before that
    config = runs.write_config(tmp_path / "config.yaml", configuration(tmp_path, "training"))
    injections = ["kill:rank=1,step=100"]  # after two seconds or more
    run = runs.Run(tmp_path / "run").supervised(config, injections=injections, arguments=["--set", f"trainer.max_time={lead}"], check=False)
    assert run.code == EXIT_STOPPED and lead - 2 < run.seconds < lead + SECONDS, run.output
    first, second = run.journal("attempt_started")
    assert [line["injected"] for line in run.journal("rank_lost")] == injections
    # Counted from the restart, the end would come lead after it at the earliest.
    stopped_at = run.journal("stopped")[0]["unix_seconds"]
    assert stopped_at - second["unix_seconds"] < lead - 0.5, run.journal()
    assert stopped_at - first["unix_seconds"] > lead - 2
    ended = run.journal("attempt_ended")
    assert [line["decision"] for line in ended] == ["restart", "stopped"] and "trainer.max_time ends in" in run.output
    told = subprocess.run([runs.BIN / "holdfast", "report", f"{run.directory}/", "--json"], capture_output=True, text=True, check=True, timeout=30)
    report = json.loads(told.stdout)
    assert report["run"] == str(run.directory) and report["state"] == "stopped"
    assert [failure["attempt"] for failure in report["failures"]] == [1], "a stop that was planned is no failure"


def test_a_time_that_is_none_is_refused_at_its_place(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", configuration(tmp_path, "training"))
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "trainer.max_time=5 parsecs"], check=False)
    assert run.code == 78 and "trainer.max_time" in run.output and "'5 parsecs'" in run.output
