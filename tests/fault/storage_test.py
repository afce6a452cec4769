"""Storage that fails while a run trains costs checkpoints, not the training, and never the last good one; each failure is told with path and
cause, and the next due save tries again."""
import resource
import signal
import subprocess

import pytest
import runs

EXIT_TEMPORARY = 75
SECONDS_AFTER = 60


def training(tmp_path, **changes):
    """Without an end; seconds of training lie between two saves."""
    return runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", **{
        **dict(max_steps=100000000, schedules={"decay": {"total_steps": 20000}}, checkpoints=[{"name": "regular", "every_steps": 500}],
               trainer={"log_every_steps": 100}, validation={"every_epochs": 10000}), **changes}))


def ranks_of(run):
    return [pid for pid, name in run.processes().items() if name == "holdfast-train"]


def assert_good_and_goes_on(run, process, failure):
    """`failure` was told; the newest checkpoint is sound, training goes on, the next save is durable, and nobody died."""
    output = (run.directory / "output.txt").read_text()
    line = next(line for line in output.splitlines() if failure in line)
    assert "save the checkpoint of step" in line or "checkpoints" in line, line
    assert "the newest good checkpoint is that of step" in output
    run.wait_for_output("is durable", process, times=output.count("is durable") + 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_AFTER) == EXIT_TEMPORARY
    assert not run.journal("rank_lost") and not run.journal("restart")
    assert subprocess.run([runs.BIN / "holdfast", "ckpt", "verify", run.directory], capture_output=True).returncode == 0


@pytest.fixture(params=[False, True], ids=["blocking", "behind"])
def asynchronous(request):
    return request.param


def test_a_disk_that_becomes_read_only(tmp_path, small_disk, asynchronous):
    run = runs.Run(small_disk)
    process = run.start(training(tmp_path, saving={"asynchronous": asynchronous}))
    run.wait_for_output("is durable", process)
    checkpoints = small_disk / "checkpoints"

    def remount(how):
        return subprocess.run(["mount", "-o", f"remount,{how}", checkpoints], capture_output=True).returncode == 0

    runs.wait_until(lambda: remount("ro"), SECONDS_AFTER, "a moment in which no file is open for writing")
    run.wait_for_output("Read-only file system", process)
    good = run.checkpoint()
    assert subprocess.run([runs.BIN / "holdfast", "ckpt", "verify", good], capture_output=True).returncode == 0
    assert remount("rw")
    assert_good_and_goes_on(run, process, f"make directory {checkpoints}/step-")


def test_a_limit_on_the_size_of_files(tmp_path, asynchronous):
    config = training(tmp_path, task=runs.SLOW, checkpoints=[{"name": "regular", "every_steps": 100}], saving={"asynchronous": asynchronous})
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_output("is durable", process)
    for pid in ranks_of(run):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 18, resource.RLIM_INFINITY))
    run.wait_for_output("File too large", process)
    for pid in ranks_of(run):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert_good_and_goes_on(run, process, f"write {run.directory}/checkpoints/step-")


def test_a_directory_that_vanishes_and_something_else_in_its_place(tmp_path, asynchronous):
    run = runs.Run(tmp_path / "run")
    process = run.start(training(tmp_path, saving={"asynchronous": asynchronous}))
    run.wait_for_output("is durable", process)
    checkpoints, aside = run.directory / "checkpoints", tmp_path / "aside"
    checkpoints.rename(aside)
    run.wait_for_output("is durable", process, times=(run.directory / "output.txt").read_text().count("is durable") + 2)
    assert list(checkpoints.glob("step-*")), "a directory that is gone is made anew"
    checkpoints.rename(tmp_path / "aside-too")
    while not checkpoints.is_file():
        try:
            checkpoints.touch(exist_ok=False)
        except FileExistsError:  # a save was faster
            checkpoints.rename(tmp_path / f"aside-{len(list(tmp_path.iterdir()))}")
    run.wait_for_output("Not a directory", process)
    checkpoints.unlink()
    aside.rename(checkpoints)
    assert_good_and_goes_on(run, process, "Not a directory")


def test_a_disk_of_one_megabyte_a_second_delays_saves_and_not_the_training(tmp_path):
    config = training(tmp_path, task=runs.SLOW, checkpoints=[{"name": "regular", "every_steps": 300}], saving={"asynchronous": True})
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_output("is durable", process)
    shard = run.checkpoint() / "shard-00000-of-00002.h5"
    delay = shard.stat().st_size  # microseconds for a shard, which is one write and that of its head
    assert delay > 1 << 20
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", *[f"--attach={pid}" for pid in ranks_of(run)],
                               "-e", "trace=pwrite64", "-e", f"inject=pwrite64:delay_enter={delay // 2}"])
    try:
        durable = (run.directory / "output.txt").read_text().count("is durable")
        before = run.metrics()[-1]["step"]
        run.wait_for_output("is durable", process, times=durable + 2)
        seconds = float((run.directory / "output.txt").read_text().rsplit("is durable (", 1)[1].split(" ")[0])
        assert seconds > delay / 1e6
        assert run.metrics()[-1]["step"] > before + 100, "training goes on meanwhile"
    finally:
        tracer.terminate()
        tracer.wait(10)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_AFTER) == EXIT_TEMPORARY and not run.journal("rank_lost")
