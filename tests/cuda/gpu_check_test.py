"""scripts/gpu_check.sh on a machine that lacks what it needs. (Its dry run, which builds and trains, is cuda.gpu_check_dry, label long.)"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from driver import has_driver
from runs import alive

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/gpu"))
import gpu_check  # noqa: E402
import requirements  # noqa: E402

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
    assert done.returncode == 69 and f"HOLDFAST_TORCH={tmp_path}" in done.stderr


def torch_in(site_packages):
    """What is looked for of a LibTorch with its CUDA part, but no header of CUDA's."""
    root = site_packages / "torch"
    (root / "lib").mkdir(parents=True)
    (root / "lib/libtorch_cuda.so").touch()
    (root / "include/torch/headeronly").mkdir(parents=True)
    numbers = zip(("MAJOR", "MINOR", "PATCH"), (2, 11, 0))
    (root / "include/torch/headeronly/version.h").write_text("".join(f"#define TORCH_VERSION_{name} {number}\n" for name, number in numbers))
    return root


def test_it_names_a_header_of_nccl_that_is_missing(tmp_path, monkeypatch):
    root = torch_in(tmp_path)
    runtime = tmp_path / "nvidia/cu13/include"
    runtime.mkdir(parents=True)
    (runtime / "cuda_runtime_api.h").touch()
    monkeypatch.setattr(requirements, "TOOLKIT", str(tmp_path / "none"))
    for name, value in {"HOLDFAST_TORCH": str(root), "CUDA_HOME": "", "CUDA_PATH": ""}.items():
        monkeypatch.setenv(name, value)
    headers = [lack for lack in requirements.missing("cpu") if "header" in lack]
    assert len(headers) == 1 and f"nccl.h beside {root}" in headers[0]
    (runtime / "nccl.h").touch()
    assert not [lack for lack in requirements.missing("cpu") if "header" in lack or "LibTorch" in lack]


@pytest.fixture()
def small_check(tmp_path, monkeypatch):
    """What it runs and its rows, without a build."""
    monkeypatch.setattr(gpu_check, "WORK", tmp_path / "work")
    return lambda minutes: gpu_check.Check(argparse.Namespace(device="cpu", minutes=minutes))


def test_a_step_that_fails_in_any_way_is_a_row(small_check):
    one = small_check(minutes=1)
    for number, failure in enumerate((StopIteration, IndexError, SystemExit)):
        def work(failure=failure):
            raise failure("oh")
        one.step(f"step {number}", work)
    assert one.has_failed and one.table().count("| FAILED |") == 3


def test_no_command_goes_on_when_the_time_is_over(small_check, tmp_path):
    one = small_check(minutes=0.01)
    started = time.monotonic()
    child = tmp_path / "child"
    launcher = f"setsid sleep 100 & echo $! > {child}; trap \"kill $!\" TERM; wait; wait"  # its rank is in a group of its own
    one.step("slow", lambda: one.run(["sh", "-c", launcher], 60))
    one.step("after it", lambda: one.run(["true"], 60))
    assert time.monotonic() - started < 30 and not one.has_failed
    assert one.table().count("| left out | the time was over") == 2
    assert not alive([child.read_text().strip()])


def test_what_does_not_end_when_asked_is_killed(small_check, monkeypatch):
    monkeypatch.setattr(gpu_check, "TERM_SECONDS", 0.2)
    one = small_check(minutes=1)
    started = time.monotonic()
    with pytest.raises(gpu_check.Failed, match="was not over after 1 s"):
        one.run(["sh", "-c", "trap '' TERM; sleep 100"], 1)
    assert time.monotonic() - started < 20


def test_it_refuses_what_it_does_not_know():
    assert check("--gpus", "2").returncode == 64
    assert "--device cpu" in check("--help").stdout


@pytest.mark.skipif("HOLDFAST_GPU_CHECK_DRY" not in os.environ, reason="it builds and trains for minutes: cuda.gpu_check_dry")
@pytest.mark.skipif(os.environ.get("HOLDFAST_HAS_CUDA") != "ON", reason="this build has no CUDA part: HOLDFAST_WITH_CUDA=1 bash scripts/setup.sh, then build again")
def test_its_dry_run_goes_through_every_step(tmp_path):
    done = check("--device", "cpu", "--minutes", "40", "--output", tmp_path / "table.md", seconds=2500)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    table = (tmp_path / "table.md").read_text()
    assert "the time was over" not in table, table
    assert table.count("| passed |") >= 6 and "FAILED" not in table, table
    assert " nan" not in table, f"PyTorch was there and could not:\n{table}"
    assert "none (dry run on the CPU" in table
