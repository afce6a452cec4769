import contextlib
import subprocess

import pytest

import runs


@pytest.fixture(autouse=True)
def no_run_outlives_its_test():
    yield
    for process in runs.started:
        process.kill()  # its guardians end the ranks
        process.wait(10)
    runs.started.clear()


@contextlib.contextmanager
def disk_at(directory, size):
    directory.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this user may mount nothing: {mounted.stderr.strip()}")
    yield
    subprocess.run(["umount", "-l", directory], check=True)


@pytest.fixture()
def small_disk(tmp_path):
    """A run directory whose checkpoints lie on a file system of their own, of 4 MiB."""
    with disk_at(tmp_path / "run/checkpoints", "4m"):
        yield tmp_path / "run"


@pytest.fixture()
def small_disk_for_all(tmp_path):
    """A run directory on a file system of its own, of 16 MiB."""
    with disk_at(tmp_path / "run", "16m"):
        yield tmp_path / "run"
