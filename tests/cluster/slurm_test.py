"""The scripts of slurm/, as they are, under a real Slurm: what becomes of a run is read from Slurm's own records and from the files
of the run, and compared with a run that nothing disturbed."""
import pathlib
import subprocess

import pytest
import runs
from runs import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCH_OF_75 = "75:0"  # Slurm's ExitCode: a script's code, and the signal that ended it
TIME_IS_UP = "time is up; the job goes back into the queue"


class Job:
    """A script of slurm/, submitted from the checkout, that trains in `run`."""

    def __init__(self, cluster, directory, script, arguments, options=()):
        self.cluster, self.run, self.log = cluster, runs.Run(directory / "run"), directory / "job.log"
        self.number = cluster.submit(f"--chdir={ROOT}", f"--output={self.log}", *options, ROOT / "slurm" / script, *arguments,
                                     variables=variables_of(cluster))

    def output(self):
        return self.log.read_text() if self.log.exists() else ""

    def wait_for(self, *states, seconds):
        return self.cluster.wait_for_state(self.number, *states, seconds=seconds, evidence=self.output)

    def wait_for_step(self, step, seconds=40):
        wait_until(lambda: any(line["step"] >= step for line in self.run.metrics()), seconds, f"step {step}")

    def assert_completed(self, undisturbed, restarts, seconds):
        """Slurm says so, 2 s later no process of the run lives on any host, and nobody can tell from the result what happened."""
        shown = self.wait_for("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", seconds=seconds)
        assert (shown["JobState"], shown["ExitCode"], int(shown["Restarts"])) == ("COMPLETED", "0:0", restarts), self.output()
        assert [line["JobState"] for line in self.cluster.ended(self.number)][-1] == "COMPLETED"
        wait_until(lambda: not self.run.processes(), 2, "the end of every process of the run")
        runs.assert_same_runs(self.run, undisturbed)

    def lost_steps(self):
        return [line["reached_step"] - line["durable_step"] for line in self.run.journal("attempt_ended")]


def variables_of(cluster):
    return {**runs.environment(), "SLURM_CONF": f"{cluster.state}/slurm.conf", "HOLDFAST": str(runs.BIN / "holdfast"),
            "HOLDFAST_TRAIN": str(runs.BIN / "holdfast-train")}


def config_of(directory, steps, every_steps=1000, **trainer):
    return runs.write_config(directory / "config.yaml", runs.configuration(
        "mlp", max_steps=steps, task=runs.SLOW, trainer={"log_every_steps": 100, **trainer}, validation={"every_epochs": 500},
        checkpoints=[{"name": "regular", "every_steps": every_steps}]))


@pytest.fixture()
def config(tmp_path):
    """Of some seconds."""
    return config_of(tmp_path, 4000)


@pytest.fixture()
def undisturbed(tmp_path, config):
    return runs.Run(tmp_path / "undisturbed").supervised(config)


def test_a_job_of_one_node_runs_to_its_end(tmp_path, slurm_of, config, undisturbed):
    job = Job(slurm_of(1), tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"])
    job.assert_completed(undisturbed, restarts=0, seconds=60)


def test_time_limits_are_a_chain_that_ends_with_the_run(tmp_path, slurm_of, monkeypatch):
    """Slurm looks at limits every 30 s: that is about how long each job of a minute trains."""
    monkeypatch.setattr(runs, "RUN_SECONDS", 400)
    config = config_of(tmp_path, 45000)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    job = Job(slurm_of(1), tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"], ["--time=1", "--signal=B:USR1@25"])
    job.wait_for("COMPLETED", "FAILED", "TIMEOUT", seconds=500)
    restarts = job.output().count(TIME_IS_UP)
    assert restarts >= (2 if undisturbed.seconds > 50 else 1), job.output()
    job.assert_completed(undisturbed, restarts, seconds=1)
    assert set(job.lost_steps()) == {0}


def test_ranks_that_stop_by_themselves_before_the_job_ends_come_back(tmp_path, slurm_of, monkeypatch):
    """No USR1 is sent to the script, but what it does not notice: the ranks know the end of the job."""
    monkeypatch.setattr(runs, "RUN_SECONDS", 400)
    config = config_of(tmp_path, 80000, stop_margin_seconds=100)  # of a job of two minutes it takes one
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    job = Job(slurm_of(1), tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"], ["--time=2", "--signal=B:CONT@1"])
    wait_until(lambda: TIME_IS_UP in job.output(), 100, "the script to put the job back")
    assert "the Slurm job ends in" in job.run.journal("stopped")[0]["reason"]
    job.wait_for("COMPLETED", "FAILED", "TIMEOUT", seconds=400)
    job.assert_completed(undisturbed, job.output().count(TIME_IS_UP), seconds=1)
    assert set(job.lost_steps()) == {0}


def test_a_run_is_queued_again_no_more_often_than_allowed(tmp_path, slurm_of):
    cluster = slurm_of(1)
    job = Job(cluster, tmp_path, "holdfast.sbatch", [config_of(tmp_path, 1000000), "--run-dir", tmp_path / "run"], ["--export=ALL,HOLDFAST_MAX_REQUEUES=1"])
    for restarts in range(2):
        wait_until(lambda: len(job.run.journal("attempt_started")) == restarts + 1, 60, "the next start")
        job.wait_for_step(1000 * (restarts + 1))
        cluster.client("scancel", "--signal=USR1", "--batch", job.number)
        wait_until(lambda: len(job.run.journal("stopped")) == restarts + 1, 20, "the stop")
    shown = job.wait_for("FAILED", seconds=20)
    assert (shown["ExitCode"], shown["Restarts"]) == (BATCH_OF_75, "1")
    assert "was queued again 1 times already; submit it anew to go on" in job.output()


@pytest.mark.parametrize("whom", ["--batch", "--full"])
def test_a_signal_by_hand_is_taken_for_the_time_limit(tmp_path, slurm_of, config, undisturbed, whom):
    """To the script alone, or to every process of the job."""
    cluster = slurm_of(1)
    job = Job(cluster, tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"])
    job.wait_for_step(1000)
    assert cluster.client("scancel", "--signal=USR1", whom, job.number).returncode == 0
    wait_until(lambda: TIME_IS_UP in job.output(), 10, "the script to put the job back")
    job.assert_completed(undisturbed, restarts=1, seconds=90)
    assert set(job.lost_steps()) == {0}


def test_a_job_that_is_cancelled_has_saved_its_last_step_and_another_goes_on(tmp_path, slurm_of, config, undisturbed):
    cluster = slurm_of(1)
    job = Job(cluster, tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"])
    job.wait_for_step(1000)
    assert cluster.client("scancel", job.number).returncode == 0
    assert job.wait_for("CANCELLED", seconds=20)["Restarts"] == "0"
    assert job.lost_steps() == [0] and TIME_IS_UP not in job.output()
    Job(cluster, tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"]).assert_completed(undisturbed, restarts=0, seconds=60)


def test_a_job_that_is_requeued_in_the_middle_goes_on_from_its_last_step(tmp_path, slurm_of, config, undisturbed):
    cluster = slurm_of(1)
    job = Job(cluster, tmp_path, "holdfast.sbatch", [config, "--run-dir", tmp_path / "run"])
    job.wait_for_step(1000)
    assert cluster.client("scontrol", "requeue", job.number).returncode == 0
    job.assert_completed(undisturbed, restarts=1, seconds=90)
    assert len(job.run.journal("attempt_started")) == 2 and set(job.lost_steps()) == {0}


@pytest.mark.parametrize("parameters", ["preempt_send_user_signal", "idle_on_node_suspend"], ids=["signal", "term_to_steps"])
def test_a_job_that_is_preempted_saves_gives_way_and_comes_back(tmp_path, slurm_of, parameters):
    """With the signal that Slurm sends when asked to, and with its own way: TERM to the steps, GraceTime before the end."""
    config = config_of(tmp_path, 12000)
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    cluster = slurm_of(1, parameters=parameters)
    job = Job(cluster, tmp_path, "preemptible.sbatch", [config, "--run-dir", tmp_path / "run"])
    job.wait_for_step(1000)
    urgent = cluster.submit("--partition=urgent", "--ntasks=2", "--time=1", "--wrap=true", "--output=/dev/null")
    cluster.wait_for_state(urgent, "COMPLETED", seconds=20, evidence=job.output)  # less than GraceTime: it has given way by itself
    job.assert_completed(undisturbed, restarts=1, seconds=90)
    assert job.output().count(TIME_IS_UP) == 1 and set(job.lost_steps()) == {0}


def test_an_array_runs_a_list_of_experiments_and_each_comes_back_by_itself(tmp_path, slurm_of):
    rates = ["0.05", "0.01", "0.02"]
    config = config_of(tmp_path, 5000)
    undisturbed = [runs.Run(tmp_path / f"undisturbed{n}").supervised(config, arguments=["--set", f"optimizers.main.lr={rate}"]) for n, rate in enumerate(rates, 1)]
    experiments = tmp_path / "experiments.txt"
    experiments.write_text("# rates\n\n" + "".join(f"{config} --run-dir '{tmp_path}/run {n}' --set optimizers.main.lr={rate}\n" for n, rate in enumerate(rates, 1)))
    cluster = slurm_of(1)
    number = cluster.submit(f"--chdir={ROOT}", f"--output={tmp_path}/job-%a.log", ROOT / "slurm/array.sbatch", experiments, variables=variables_of(cluster))
    found = [runs.Run(tmp_path / f"run {n}") for n in (1, 2, 3)]
    wait_until(lambda: any(line["step"] >= 500 for line in found[1].metrics()), 60, "the second experiment")
    assert cluster.client("scancel", "--signal=USR1", "--batch", f"{number}_2").returncode == 0
    for n in (1, 2, 3):
        shown = cluster.wait_for_state(f"{number}_{n}", "COMPLETED", seconds=90, evidence=lambda: (tmp_path / f"job-{n}.log").read_text())
        assert (shown["ExitCode"], shown["Restarts"]) == ("0:0", "1" if n == 2 else "0")
        assert len(found[n - 1].journal("attempt_started")) == (2 if n == 2 else 1)
        runs.assert_same_runs(found[n - 1], undisturbed[n - 1])


def test_srun_alone_trains_stops_ahead_of_the_limit_and_goes_on(tmp_path, slurm_of, config, undisturbed):
    cluster = slurm_of(1)
    job = Job(cluster, tmp_path, "srun.sbatch", [config, tmp_path / "run"])
    job.wait_for_step(1000)
    assert cluster.client("scancel", "--signal=USR1", job.number).returncode == 0
    assert job.wait_for("FAILED", "COMPLETED", seconds=20)["ExitCode"] == BATCH_OF_75
    assert "the run is not finished (srun ended with 75)" in job.output()
    Job(cluster, tmp_path, "srun.sbatch", [config, tmp_path / "run"]).assert_completed(undisturbed, restarts=0, seconds=60)


def test_what_srun_returns_does_not_finish_a_run(tmp_path, slurm_of):
    """A program that returns 0 and has trained nothing, beside the record of an earlier run."""
    cluster = slurm_of(1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/DONE.json").write_text("{}")
    options = ["--export=ALL,HOLDFAST_TRAIN=/bin/true"]
    job = Job(cluster, tmp_path, "srun.sbatch", ["config.yaml", tmp_path / "run"], options)
    assert job.wait_for("FAILED", "COMPLETED", seconds=20)["ExitCode"] == "70:0"
    assert "the run is not finished (srun ended with 0)" in job.output()


def test_submit_hands_a_job_to_slurm_and_prints_its_number(tmp_path, slurm_of, config, undisturbed):
    cluster = slurm_of(1)
    words = [runs.BIN / "holdfast", "submit", config, "--ranks-per-node", "2", "--time", "10m", "--run-dir", tmp_path / "run", "--partition", "main",
             f"--sbatch=--output={tmp_path}/job.log", "--now"]
    done = cluster.client(*words, variables=variables_of(cluster))
    assert done.returncode == 0 and done.stdout.strip().isdigit(), done.stdout + done.stderr
    shown = cluster.wait_for_state(done.stdout.strip(), "COMPLETED", seconds=60, evidence=(tmp_path / "job.log").read_text)
    assert (shown["JobName"], shown["TimeLimit"], shown["NumNodes"], shown["Partition"]) == ("config", "00:10:00", "1", "main")
    runs.assert_same_runs(runs.Run(tmp_path / "run"), undisturbed)


def test_a_job_whose_first_node_dies_is_put_back_by_a_step_on_another(tmp_path, slurm_of):
    """The script alone, around a program that waits the first time and ends the second. Slurm itself would keep the job without it."""
    program, starts = tmp_path / "holdfast", tmp_path / "starts"
    program.write_text(f"#!/bin/bash\necho $SLURMD_NODENAME >> {starts}\n(($(wc -l < {starts}) > 1)) || exec sleep 1000\n")
    program.chmod(0o755)
    cluster = slurm_of(3)
    job = Job(cluster, tmp_path, "holdfast.sbatch", ["config.yaml"], ["--nodes=2", f"--export=ALL,HOLDFAST={program}"])
    wait_until(lambda: starts.exists() and starts.read_text().strip(), 20, "the first start")
    first = starts.read_text().strip()
    others = [host.index for host in cluster.lab.hosts if host.name != first]
    wait_until(lambda: any("sleep" in cluster.lab.processes(index).values() for index in others), 20, "the step on the other node")
    cluster.lab.crash(next(host.index for host in cluster.lab.hosts if host.name == first))
    shown = job.wait_for("COMPLETED", "FAILED", "TIMEOUT", seconds=75)  # SlurmdTimeout is 10 s here, and the wait after a requeue 5 s
    assert (shown["JobState"], shown["ExitCode"], shown["Restarts"]) == ("COMPLETED", "0:0", "1"), job.output()
    assert starts.read_text().split()[1] != first


@pytest.fixture()
def config_of_two_nodes(tmp_path):
    """The same bits on one host and on two: a thread for each rank."""
    if "--hosts" not in subprocess.run([runs.BIN / "holdfast", "run", "--help"], capture_output=True, text=True).stdout:
        pytest.skip("this holdfast runs on one host only (no --hosts)")
    return config_of(tmp_path, 3000, every_steps=200, threads_per_rank=1)


class NodesJob(Job):
    """holdfast.sbatch with two ranks, a rank a node, on so many nodes; trains."""

    def __init__(self, cluster, directory, config, nodes):
        super().__init__(cluster, directory, "holdfast.sbatch", [config, "--run-dir", directory / "run", "-n", "2"],
                         [f"--nodes={nodes}", f"--ntasks={nodes}", "--time=10"])
        self.wait_for_step(600, seconds=60)
        self.batch_host = cluster.job(self.number)["BatchHost"]

    def lose(self, is_batch_host):
        """A host with a rank dies without a word to Slurm: the one with the supervisor, or the other."""
        lab = self.cluster.lab
        with_rank = [host for host in lab.hosts if "holdfast-train" in lab.processes(host.index).values()]
        victim = next(host for host in with_rank if (host.name == self.batch_host) == is_batch_host)
        self.steps_before = max(line["step"] for line in self.run.metrics())
        lab.crash(victim.index)
        return victim

    def wait_for_progress(self, seconds):
        wait_until(lambda: max((line["step"] for line in self.run.metrics()), default=0) > self.steps_before, seconds, "new steps")


def test_a_spare_takes_the_place_of_a_node_that_dies(tmp_path, slurm_of, config_of_two_nodes):
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config_of_two_nodes)
    job = NodesJob(slurm_of(3), tmp_path, config_of_two_nodes, nodes=3)
    victim = job.lose(is_batch_host=False)
    job.wait_for_progress(seconds=20)
    job.assert_completed(undisturbed, restarts=0, seconds=90)
    assert len(job.run.journal("attempt_started")) == 2
    assert job.cluster.client("sinfo", "-h", "-n", victim.name, "-o", "%T").stdout.strip().rstrip("*") in ("down", "allocated", "idle", "completing")


def test_without_a_spare_the_job_goes_back_and_runs_on_other_nodes(tmp_path, slurm_of, config_of_two_nodes):
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config_of_two_nodes)
    job = NodesJob(slurm_of(3), tmp_path, config_of_two_nodes, nodes=2)
    victim = job.lose(is_batch_host=False)
    wait_until(lambda: "too few nodes are left, or somebody else trains in the run directory; the job goes back" in job.output(), 30, "the requeue")
    job.assert_completed(undisturbed, restarts=1, seconds=150)
    assert victim.name not in job.cluster.job(job.number)["NodeList"]


def test_the_death_of_the_supervisors_node_is_answered_by_slurm(tmp_path, slurm_of, config_of_two_nodes):
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config_of_two_nodes)
    job = NodesJob(slurm_of(3), tmp_path, config_of_two_nodes, nodes=2)
    ranks = [pid for pid, name in job.run.processes().items() if name == "holdfast-train"]
    job.lose(is_batch_host=True)
    wait_until(lambda: not runs.alive(ranks), 10, "the end of the rank that lost its supervisor")  # a lease of 5 s
    job.assert_completed(undisturbed, restarts=1, seconds=150)
