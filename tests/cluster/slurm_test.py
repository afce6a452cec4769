"""The scripts of slurm/, as they are, under a real Slurm: what becomes of a run is read from Slurm's own records and from the files
of the run, and compared with a run that nothing disturbed."""
import pathlib
import re
import time

import pytest
import runs
from runs import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXIT_TEMPORARY = 75


class Job:
    """A script of slurm/, submitted from the checkout, that trains in `run`."""

    def __init__(self, cluster, directory, script, arguments, options=()):
        self.cluster, self.run, self.log = cluster, runs.Run(directory / "run"), directory / "job.log"
        variables = {**runs.environment(), "SLURM_CONF": f"{cluster.state}/slurm.conf", "HOLDFAST": str(runs.BIN / "holdfast"),
                     "HOLDFAST_TRAIN": str(runs.BIN / "holdfast-train")}
        self.number = cluster.submit(f"--chdir={ROOT}", f"--output={self.log}", *options, ROOT / "slurm" / script, *arguments, variables=variables)
        self.started = time.monotonic()

    def output(self):
        return self.log.read_text() if self.log.exists() else ""

    def wait_for(self, *states, seconds):
        return self.cluster.wait_for_state(self.number, *states, seconds=seconds, evidence=self.output)

    def wait_for_step(self, step, seconds=40):
        wait_until(lambda: any(line["step"] >= step for line in self.run.metrics()), seconds, f"step {step}")

    def assert_nothing_is_left(self):
        """2 s after the job's end no process of the run lives on any host."""
        wait_until(lambda: not self.run.processes(), 2, f"the end of {self.run.processes()}")


def config_of(directory, steps, **changes):
    return runs.write_config(directory / "config.yaml", runs.configuration(
        "mlp", max_steps=steps, task=runs.SLOW, trainer={"log_every_steps": 100}, checkpoints=[{"name": "regular", "every_steps": 1000}], **changes))


def test_a_job_of_one_node_runs_to_its_end(tmp_path, slurm_of):
    config = config_of(tmp_path, 2000)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    job = Job(slurm_of(1), tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"])
    shown = job.wait_for("COMPLETED", "FAILED", "TIMEOUT", seconds=60)
    assert (shown["JobState"], shown["ExitCode"], shown["Restarts"]) == ("COMPLETED", "0:0", "0"), job.output()
    job.assert_nothing_is_left()
    runs.assert_same_runs(job.run, undisturbed)


def test_time_limits_are_a_chain_that_ends_with_the_run(tmp_path, slurm_of):
    config = config_of(tmp_path, 20000)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    cluster = slurm_of(1)
    job = Job(cluster, tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"], ["--time=1", "--signal=B:USR1@25"])
    shown = job.wait_for("COMPLETED", "FAILED", "TIMEOUT", seconds=240)
    assert (shown["JobState"], shown["ExitCode"]) == ("COMPLETED", "0:0"), job.output()
    assert int(shown["Restarts"]) >= 2
    assert job.output().count("time is up; the job goes back into the queue") == int(shown["Restarts"])
    job.assert_nothing_is_left()
    runs.assert_same_runs(job.run, undisturbed)
