"""The power goes while a run trains on a real file system: what the run called durable is there when it comes back, and the run
ends with the bits of one that nobody disturbed.

A file system in an image is told to stop at once, every process is killed, and the image mounted again. What a disk loses that
says too early that it has something is not part of it."""
import os
import random
import re
import signal
import subprocess
import time

import disks
import pytest
import runs

LOSSES = 3
SECONDS_A_LOSS = 20  # restart, resume, and a new durable state


def configuration(asynchronous):
    return runs.configuration("mlp", max_steps=1500, task=runs.SLOW, checkpoints=[{"name": "regular", "every_steps": 25, "limit": 2}],
                              saving={"asynchronous": asynchronous}, validation={"every_epochs": 100})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed")
    return runs.Run(directory / "run").supervised(runs.write_config(directory / "config.yaml", configuration(True)))


@pytest.fixture(params=["ext4", "xfs"])
def disk(request, tmp_path):
    try:
        yield disks.Image(tmp_path, request.param)
    finally:
        disks.unmount_below(tmp_path)


def durable_steps(output):
    return [int(step) for step in re.findall(r"checkpoint of step (\d+) is durable", output.read_text())]


def lose_power(run, disk):
    disk.lose_power()
    for supervisor in runs.started:
        supervisor.kill()
        supervisor.wait(10)
    for pid in run.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has seen its disk fail
    runs.wait_until(lambda: not run.processes(), 10, "the end of all processes")
    disk.mount_again()


def lose_power_after_a_save(run, config, disk, output, seconds):
    with open(output, "w") as file:
        supervisor = subprocess.Popen([str(runs.BIN / "holdfast"), "run", str(config), "-n", "2", "--run-dir", str(run.directory)],
                                      stdout=file, stderr=file, env=runs.environment())
    runs.started.append(supervisor)
    runs.wait_until(lambda: len(durable_steps(output)) > 1 or supervisor.poll() is not None, SECONDS_A_LOSS, "a durable state")
    time.sleep(seconds)  # any moment of a save
    assert supervisor.poll() is None, output.read_text()
    lose_power(run, disk)


def assert_nothing_is_lost(run, output):
    states = sorted(path for path in (run.directory / "checkpoints").glob("step-????????") if path.is_dir())
    assert states and states[-1].name >= f"step-{durable_steps(output)[-1]:08d}", f"{states}, and the run said:\n{output.read_text()}"
    for state in states:
        verify = subprocess.run([runs.BIN / "holdfast", "ckpt", "verify", state], capture_output=True, text=True)
        assert verify.returncode == 0, verify.stdout


@pytest.mark.parametrize("asynchronous", [True, False])
def test_what_was_called_durable_survives(tmp_path, disk, undisturbed, asynchronous):
    config = runs.write_config(tmp_path / "config.yaml", configuration(asynchronous))
    run = runs.Run(disk.mounted / "run")
    draw = random.Random(f"{disk.image.name} {asynchronous}")
    for number in range(LOSSES):
        output = tmp_path / f"output-{number}.txt"
        start = time.monotonic()
        lose_power_after_a_save(run, config, disk, output, draw.uniform(0, 0.2))
        assert_nothing_is_lost(run, output)
        assert time.monotonic() - start < SECONDS_A_LOSS
    run.supervised(config)
    assert [line["step"] > 0 for line in run.journal("resumed")][-LOSSES:] == [True] * LOSSES, "each start goes on from what was durable"
    lose_power(run, disk)  # what is finished is on the disk too
    runs.assert_same_runs(run, undisturbed)
