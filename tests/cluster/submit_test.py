"""`holdfast submit` without a Slurm: what it refuses, and that its script does what slurm/holdfast.sbatch does."""
import os
import pathlib
import subprocess

import pytest
import runs

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXIT_USAGE, EXIT_CONFIGURATION, EXIT_UNAVAILABLE = 64, 78, 69


def submit(*words, variables=()):
    return subprocess.run([str(word) for word in (runs.BIN / "holdfast", "submit", *words)], capture_output=True, text=True, timeout=30,
                          env={**runs.environment(), **dict(variables)})


@pytest.fixture()
def config(tmp_path):
    return runs.write_config(tmp_path / "my config.yaml", runs.configuration("mlp", max_steps=14))


@pytest.mark.parametrize("words, expected", [
    ([], "--time LIMIT is needed"),
    (["--time", "12:00"], "hours and minutes or, as for Slurm, minutes and seconds"),
    (["--time", "90"], "it has no unit"),
    (["--time", "5m"], None),
    (["--time", "4m"], "nothing is left to train"),
    (["--time", "2h", "--nodes", "0"], "--nodes 0: expected a number of 1"),
    (["--time", "2h", "--nodes", "two"], "--nodes two"),
    (["--time", "2h", "--ranks-per-node", "-1"], "--ranks-per-node -1"),
    (["--time", "2h", "--spares", "1.5"], "--spares 1.5"),
    (["--time", "2h", "--sbatch", "exclusive"], "an option of sbatch in its long form"),
    (["--time", "2h", "--partition", "a\n#SBATCH --uid=0"], "a line break"),
    (["--time", "2h", "--node", "2"], "--node"),
])
def test_nonsense_is_refused(config, words, expected):
    done = submit(config, *words)
    if expected is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == EXIT_USAGE and expected in done.stderr and not done.stdout, done.stdout + done.stderr


def test_a_wrong_configuration_is_refused_before_there_is_a_job(tmp_path, config):
    for key in ("trainer.max_step=3", "task.options.width=3"):
        done = submit(config, "--time", "2h", "--set", key, "-o", tmp_path / "job")
        assert done.returncode == EXIT_CONFIGURATION and "did you mean" in done.stderr, done.stdout + done.stderr
    assert submit(tmp_path / "none.yaml", "--time", "2h").returncode != 0
    assert not (tmp_path / "job").exists()


def test_more_ranks_at_least_than_there_are_is_refused_at_its_place(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", restart={"min_ranks": 5}))
    expected = "restart.min_ranks: expected at most 4, the ranks of the run, found 5"
    for words in (["submit", config, "--nodes", "2", "--ranks-per-node", "2", "--time", "2h"], ["run", config, "-n", "4", "--run-dir", tmp_path / "run"]):
        done = subprocess.run([str(word) for word in (runs.BIN / "holdfast", *words)], capture_output=True, text=True, timeout=60, env=runs.environment())
        assert done.returncode == EXIT_CONFIGURATION and f"{config}:" in done.stderr and expected in done.stderr, done.stdout + done.stderr
    assert not (tmp_path / "run").exists()
    assert submit(config, "--nodes", "5", "--time", "2h").returncode == 0


@pytest.mark.parametrize("given", ["{}/", "{}/./", "{}/../run", "{}//"])
def test_a_run_directory_has_one_name(tmp_path, config, given):
    script = submit(config, "--time", "2h", "--run-dir", given.format(tmp_path / "run")).stdout
    assert f"--run-dir {tmp_path / 'run'})\n" in script, script


def test_the_script_differs_from_the_one_in_the_tree_in_what_it_asks_for_alone(config):
    ours = submit(config, "--nodes", "4", "--spares", "1", "--ranks-per-node", "2", "--time", "1-12:00:00", "--account", "physics").stdout
    assert {"#SBATCH --nodes=5", "#SBATCH --ntasks-per-node=2", "#SBATCH --time=1-12:00:00", "#SBATCH --account=physics", "#SBATCH --requeue"} <= set(ours.splitlines())

    def body(text):
        return [line for line in text.splitlines() if not line.startswith(("#", "program=", "arguments="))]

    assert body(ours) == body((ROOT / "slurm/holdfast.sbatch").read_text())
    assert "-n 8" in next(line for line in ours.splitlines() if line.startswith("arguments="))


@pytest.mark.parametrize("given", ["", "-n 4", "-n4", "--ranks 4", "--ranks=4"])
def test_there_are_as_many_ranks_as_are_asked_for_once_and_else_as_tasks(tmp_path, given):
    program = tmp_path / "holdfast"
    program.write_text('#!/bin/bash\necho "$*"\n')
    program.chmod(0o755)
    ran = subprocess.run(["bash", ROOT / "slurm/holdfast.sbatch", "c.yaml", *given.split()], capture_output=True, text=True, timeout=10,
                         env={**os.environ, "HOLDFAST": str(program), "SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"})
    assert ran.stdout == f"run c.yaml {given or '-n 2'}\n", ran.stderr


def test_the_script_trains(tmp_path, config):
    script = tmp_path / "job.sbatch"
    done = submit(config, "--ranks-per-node", "2", "--time", "2h", "--run-dir", tmp_path / "it's a \"run\" of $HOME", "--set", "run.name=a b", "-o", script)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr
    ran = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60, env={**runs.environment(), "SLURM_JOB_ID": "7"}, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert runs.Run(tmp_path / "it's a \"run\" of $HOME").done()["global_step"] == 14


def test_without_sbatch_it_says_so_and_keeps_the_script(tmp_path, config):
    (tmp_path / "bin").mkdir()
    for name in ("sh", "env"):
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    done = submit(config, "--time", "2h", "--run-dir", tmp_path / "run", "--now", variables={"PATH": str(tmp_path / "bin")})
    assert done.returncode == EXIT_UNAVAILABLE and "where Slurm's sbatch is on PATH" in done.stderr, done.stdout + done.stderr
    assert os.access(tmp_path / "run/job.sbatch", os.R_OK)
