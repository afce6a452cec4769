"""scripts/gpu_check.sh on a machine that lacks what it needs. (Its dry run, which builds and trains, is cuda.gpu_check_dry, label long.)"""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from driver import has_driver

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/gpu_check.sh"


def check(*arguments, seconds=60, **variables):
    return subprocess.run(["bash", SCRIPT, *arguments], capture_output=True, text=True, timeout=seconds, env={**os.environ, **variables})


@pytest.mark.skipif(has_driver(), reason="this machine has a driver")
def test_it_says_that_there_is_no_driver_and_begins_nothing(tmp_path):
    done = check("--output", tmp_path / "table.md")
    assert done.returncode == 69
    assert "an NVIDIA driver (libcuda.so.1" in done.stderr and "--device cpu" in done.stderr
    assert not (tmp_path / "table.md").exists()


def test_it_names_every_program_that_is_missing(tmp_path):
    for program in ("bash", "dirname", "env"):
        os.symlink(shutil.which(program), tmp_path / program)
    os.symlink(sys.executable, tmp_path / "python3")  # that of PATH may be a script, which needs more
    done = check("--device", "cpu", PATH=str(tmp_path))
    assert done.returncode == 69
    for program in ("cmake", "ninja", "g++", "mpirun"):
        assert f"the program {program}" in done.stderr


def test_it_names_a_libtorch_that_is_missing(tmp_path):
    done = check("--device", "cpu", HOLDFAST_TORCH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 69 and "HOLDFAST_TORCH" in done.stderr


def test_it_refuses_what_it_does_not_know():
    assert check("--gpus", "2").returncode == 64
    assert "--device cpu" in check("--help").stdout


@pytest.mark.skipif("HOLDFAST_GPU_CHECK_DRY" not in os.environ, reason="it builds and trains for minutes: cuda.gpu_check_dry")
def test_its_dry_run_goes_through_every_step(tmp_path):
    done = check("--device", "cpu", "--output", tmp_path / "table.md", seconds=1500)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    table = (tmp_path / "table.md").read_text()
    assert table.count("| passed |") >= 6 and "FAILED" not in table, table
    assert "none (dry run on the CPU" in table
