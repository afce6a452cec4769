"""A disk that fills up and is emptied again costs checkpoints, not the training, and never the last good one."""
import errno
import json
import signal
import subprocess
import time

import pytest
import runs

EXIT_STORAGE, EXIT_SOFTWARE, EXIT_TEMPORARY = 74, 70, 75
SECONDS_AFTER = 60


def fill(disk):
    """To the last byte, whoever else is writing; once more, where retention has given space back since."""
    with open(disk / "filler", "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_full_disk_is_told_and_the_next_save_after_it_succeeds(tmp_path, small_disk, asynchronous):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=100000000, schedules={"decay": {"total_steps": 20000}}, checkpoints=[{"name": "regular", "every_steps": 500}],
        saving={"asynchronous": asynchronous}, trainer={"log_every_steps": 500}, validation={"every_epochs": 10000}))
    run = runs.Run(small_disk)
    process = run.start(config)
    run.wait_for_step(1000, process)
    run.wait_for_output("bytes of free space, found", process, times=2, meanwhile=lambda: fill(small_disk / "checkpoints"))
    output = (run.directory / "output.txt").read_text()
    assert f"write to {small_disk / 'checkpoints'}: expected" in output and "the newest good checkpoint is that of step" in output
    good = run.checkpoint()
    assert subprocess.run([runs.BIN / "holdfast", "ckpt", "verify", good], capture_output=True).returncode == 0
    saved = output.count("is durable")
    (small_disk / "checkpoints/filler").unlink()
    run.wait_for_output("is durable", process, times=saved + 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_AFTER) == EXIT_TEMPORARY
    assert not run.journal("rank_lost"), "training went on all the time"
    reached = json.loads((run.checkpoint() / "manifest.json").read_text())["global_step"]
    end = ["--set", f"trainer.max_steps={reached + 100}"]
    run.supervised(config, arguments=end)
    runs.assert_same_runs(run, runs.Run(tmp_path / "undisturbed").supervised(config, arguments=end))


def test_after_some_failures_in_a_row_the_run_ends_where_that_is_asked_for(tmp_path, small_disk):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=100000000, checkpoints=[{"name": "regular", "every_steps": 500}],
        saving={"on_failure": "stop", "max_failures": 2}, trainer={"log_every_steps": 500}, validation={"every_epochs": 1000000},
        restart={"max_attempts_without_progress": 1}))
    run = runs.Run(small_disk)
    process = run.start(config)
    run.wait_for_step(1000, process)
    end = time.monotonic() + SECONDS_AFTER
    while process.poll() is None and time.monotonic() < end:
        fill(small_disk / "checkpoints")
        time.sleep(0.02)
    assert process.poll() == EXIT_SOFTWARE  # the supervisor gives up: no progress
    lost = run.journal("rank_lost")[0]
    assert lost["exit_code"] == EXIT_STORAGE and "2 saves in a row have failed (saving.on_failure: stop)" in lost["error"]
    assert subprocess.run([runs.BIN / "holdfast", "ckpt", "verify", run.checkpoint()], capture_output=True).returncode == 0


def test_a_disk_that_takes_not_even_the_journal_ends_the_run_and_its_end_is_told(tmp_path, small_disk_for_all):
    """Logs, metrics and the journal are on it, too."""
    hooks = {"on_end": f"cat > {tmp_path}/on_end.json"}
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=100000000, schedules={"decay": {"total_steps": 20000}}, checkpoints=[{"name": "regular", "every_steps": 500}],
        trainer={"log_every_steps": 500}, validation={"every_epochs": 1000000}, hooks=hooks))
    run = runs.Run(small_disk_for_all)
    process = run.start(config)
    run.wait_for_step(1000, process)
    end = time.monotonic() + SECONDS_AFTER
    while process.poll() is None and time.monotonic() < end:
        fill(run.directory)
        time.sleep(0.02)
    assert process.poll() == EXIT_STORAGE
    runs.wait_until(lambda: not run.processes(), 2, "the end of every process")
    told = json.loads((tmp_path / "on_end.json").read_text())
    assert (told["end"], told["exit_code"]) == ("gave_up", EXIT_STORAGE) and "No space left on device" in told["reason"]
    (run.directory / "filler").unlink()
    reached = json.loads((run.checkpoint() / "manifest.json").read_text())["global_step"]
    end = ["--set", f"trainer.max_steps={reached + 100}"]
    run.supervised(config, arguments=end)
    runs.assert_same_runs(run, runs.Run(tmp_path / "undisturbed").supervised(config, arguments=end))
