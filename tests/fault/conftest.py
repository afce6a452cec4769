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


@pytest.fixture()
def small_disk(tmp_path):
    """A run directory whose checkpoints lie on a file system of their own, of 4 MiB."""
    directory = tmp_path / "run"
    checkpoints = directory / "checkpoints"
    checkpoints.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", checkpoints], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this user may mount nothing: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", "-l", checkpoints], check=True)
