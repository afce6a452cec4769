"""What a run goes on from: other world sizes, damage, longer runs, changed configurations, weights alone, a taken run directory."""
import json
import os
import shutil
import signal
import subprocess
import time

import numpy
import pytest
import runs
from supervisor_test import HASTE_SECONDS

EXIT_DATA, EXIT_UNAVAILABLE, EXIT_CONFIGURATION = 65, 69, 78


@pytest.fixture()
def config(tmp_path):
    return runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=30))


def log_of(run, attempt=1, rank=0):
    return (run.directory / f"logs/attempt-{attempt:03d}/rank-{rank}.log").read_text()


def flip_bit(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def piece_of(checkpoint, tensor):
    """The shard and file offset where the bytes of a tensor begin, from the manifest."""
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    for shard in manifest["shards"]:
        for piece in shard["pieces"]:
            if piece["tensor"] == tensor:
                return shard["file"], piece["file_offset"]
    raise KeyError(tensor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_request_checkpoints_and_the_run_goes_on_to_the_same_bits(tmp_path, number):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=10000000, schedules={"decay": {"total_steps": 20000}}, trainer={"log_every_steps": 50},
        checkpoints=[{"name": "regular", "every_steps": 1000000}], validation={"every_epochs": 50}))
    run, saved = runs.Run(tmp_path / "run"), 0
    for attempt in (1, 2):
        process = run.start(config)
        run.wait_for_step(saved + 200, process)
        process.send_signal(number)
        start = time.monotonic()
        assert process.wait(20) == 75
        assert time.monotonic() - start < 5
        saved = json.loads((run.checkpoint() / "manifest.json").read_text())["global_step"]
        assert f"stopped on request after step {saved}" in log_of(run, attempt)
        assert not (run.directory / "DONE.json").exists()
    assert len(run.journal("stop_requested")) == 2
    end = ["--set", f"trainer.max_steps={saved + 200}"]
    run.supervised(config, arguments=end)
    runs.assert_same_runs(run, runs.Run(tmp_path / "undisturbed").supervised(config, arguments=end))


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=1000000))
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(20, process)
    pids = run.processes()
    rank = next(pid for pid, name in pids.items() if name == "holdfast-train")
    os.kill(rank, signal.SIGSTOP)  # no step will end: only the second signal can end the run
    process.send_signal(signal.SIGINT)
    runs.wait_until(lambda: run.journal("stop_requested"), 5, "the first signal")
    time.sleep(HASTE_SECONDS)  # two at once are one
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert time.monotonic() - start < 5
    runs.wait_until(lambda: not runs.alive(pids), 2, "the kernel to take the memory of the killed back")


@pytest.mark.parametrize("before, after", [(2, 1), (1, 2), (2, 3), (3, 2)])
def test_another_world_size_reads_the_same_samples_and_ends_close(tmp_path, before, after):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=40))
    straight = runs.Run(tmp_path / "straight").supervised(config, ranks=before)
    run = runs.Run(tmp_path / "run")
    run.supervised(config, ranks=before, arguments=["--set", "trainer.max_steps=21", "--set", "schedules.decay.total_steps=40"])
    run.supervised(config, ranks=after, arguments=["--set", "schedules.decay.total_steps=40"])
    assert "bits may differ" in log_of(run, attempt=2) and f"world_size was {before}, is {after}" in log_of(run, attempt=2)
    assert run.done()["samples_seen"] == straight.done()["samples_seen"]
    ours, others = runs.tensors(run.checkpoint()), runs.tensors(straight.checkpoint())
    assert ours.keys() == others.keys()
    for name in ours:
        numpy.testing.assert_allclose(ours[name], others[name], rtol=2e-3, atol=2e-5, err_msg=name)


def test_a_damaged_newest_falls_back_and_names_shard_dataset_and_block(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "trainer.max_steps=28"])
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config, arguments=["--set", "trainer.max_steps=28"])
    newest = run.checkpoint()
    assert newest.name == "step-00000028"
    shard, offset = piece_of(newest, "model/0.weight")
    flip_bit(newest / shard, offset + 5)
    verify = subprocess.run([runs.BIN / "holdfast", "ckpt", "verify", newest], capture_output=True, text=True, timeout=30)
    assert verify.returncode == EXIT_DATA
    assert shard in verify.stdout and "model/0.weight" in verify.stdout and "block 0" in verify.stdout
    diff = runs.ckpt("diff", "--verify", newest, newest)
    assert diff.returncode == EXIT_DATA and "DAMAGED" in diff.stdout and "equal" not in diff.stdout
    run.supervised(config, arguments=["--set", "trainer.max_steps=28"])
    log = log_of(run, attempt=2)
    assert shard in log and "model/0.weight" in log and "block 0" in log
    assert "at step 21 of 28" in log
    # Retention removed that state when step 28 was saved: nothing to be warned of.
    assert "] info: regular/" in log and "is gone with step-00000014" in log and "warning: regular/" not in log
    assert (run.directory / "checkpoints/abandoned-2/step-00000028").is_dir()
    runs.assert_same_runs(run, undisturbed)


@pytest.mark.parametrize("damage", ["truncated shard", "missing shard", "extra shard", "swapped shards", "flipped manifest", "missing manifest",
                                    "newer version", "unreadable shard"])
def test_every_damage_is_survived_and_the_older_checkpoint_stays(tmp_path, config, damage):
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "trainer.max_steps=14"])
    undisturbed = shutil.copytree(run.directory, tmp_path / "undisturbed")
    newest = run.checkpoint()
    shards = sorted(newest.glob("shard-*.h5"))
    if damage == "truncated shard":
        os.truncate(shards[1], shards[1].stat().st_size - 100)
    elif damage == "missing shard":
        shards[0].unlink()
    elif damage == "extra shard":
        shutil.copy(shards[0], newest / "shard-00002-of-00002.h5")
    elif damage == "swapped shards":
        shards[0].rename(newest / "aside")
        shards[1].rename(shards[0])
        (newest / "aside").rename(shards[1])
    elif damage == "flipped manifest":
        flip_bit(newest / "manifest.json", 200)
    elif damage == "missing manifest":
        (newest / "manifest.json").unlink()
    elif damage == "newer version":
        text = (newest / "manifest.json").read_text()
        assert '"format_version": 1' in text or '"format_version":1' in text
        (newest / "manifest.json").write_text(text.replace('"format_version": 1', '"format_version": 2').replace('"format_version":1', '"format_version":2'))
    elif damage == "unreadable shard":
        shards[1].unlink()
        shards[1].mkdir()  # root reads a file without permissions; nobody reads a directory as a file
    again = run.supervised(config, arguments=["--set", "trainer.max_steps=14"])
    if damage == "extra shard":  # a foreign file does not harm what the manifest names: verify tells of it
        assert subprocess.run([runs.BIN / "holdfast", "ckpt", "verify", newest], timeout=30).returncode == EXIT_DATA
        return
    assert "at step 7 of 14" in log_of(again, attempt=2)
    assert run.done()["parameter_hash"] == runs.Run(undisturbed).done()["parameter_hash"]
    assert (run.directory / "checkpoints/abandoned-2/step-00000014").is_dir()


def test_no_sound_checkpoint_is_an_error_that_lists_what_was_tried(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config, arguments=["--set", "trainer.max_steps=14"])
    for manifest in run.directory.glob("checkpoints/step-*/manifest.json"):
        flip_bit(manifest, 100)
    before = sorted(path.name for path in (run.directory / "checkpoints").iterdir())
    run.supervised(config, check=False)
    assert run.code == EXIT_DATA, run.output
    assert "step-00000007" in run.output and "step-00000014" in run.output and "resume: none" in run.output
    assert sorted(path.name for path in (run.directory / "checkpoints").iterdir()) == before, "nothing was moved"


def test_a_finished_run_says_so_and_a_longer_one_goes_on(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config)
    first = run.done()
    run.supervised(config)
    assert "the run is finished: step 30 of 30" in log_of(run, attempt=2)
    assert run.done()["parameter_hash"] == first["parameter_hash"]
    run.supervised(config, arguments=["--set", "trainer.max_steps=40"])
    assert run.done()["global_step"] == 40
    log = log_of(run, attempt=3)
    assert "trainer.max_steps: 30 -> 40" in log
    steps = [line["step"] for line in run.metrics() if line["kind"] == "train"]
    assert steps == sorted(set(steps)) and steps[-1] == 40


def test_a_last_save_that_fails_is_no_finish(tmp_path):
    """Something foreign has the last checkpoint's name: the save fails, the next attempt moves it aside and makes up for it."""
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=3000, task=runs.SLOW, trainer={"log_every_steps": 50},
        checkpoints=[{"name": "regular", "every_steps": 1000}], validation={"every_epochs": 1000}))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(100, process)
    (run.directory / "checkpoints/step-00003000/foreign").mkdir(parents=True)
    assert process.wait(30) == 0, (run.directory / "output.txt").read_text()
    assert [line["exit_code"] for line in run.journal("rank_lost")][0] == 74
    assert len(run.journal("restart")) == 1
    assert (run.directory / "checkpoints/abandoned-2/step-00003000/foreign").is_dir()
    runs.assert_same_runs(run, undisturbed)


def test_another_architecture_is_refused_and_nothing_is_touched(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config)
    run.supervised(config, arguments=["--set", "task.options.widths=[64, 48, 10]", "--set", "trainer.max_steps=40"], check=False)
    assert run.code == EXIT_CONFIGURATION
    assert "model/0.weight" in run.output and "[48, 64]" in run.output and "[32, 64]" in run.output
    assert not run.journal("restart"), "a configuration error is not retried"
    run.supervised(config, arguments=["--set", "trainer.max_steps=40"])
    assert run.done()["global_step"] == 40


def test_init_from_takes_the_weights_alone(tmp_path, config):
    first = runs.Run(tmp_path / "first").supervised(config)
    second = runs.Run(tmp_path / "second").supervised(config, arguments=["--set", f"init_from={first.checkpoint()}", "--set", "trainer.max_steps=1",
                                                                        "--set", "optimizers.main.lr=1e-12"])
    assert second.done()["global_step"] == 1 and second.done()["samples_seen"] == 32
    ours, others = runs.tensors(second.checkpoint()), runs.tensors(first.checkpoint())
    for name in (name for name in ours if name.startswith("model/")):
        numpy.testing.assert_allclose(ours[name], others[name], atol=1e-7, err_msg=name)


def test_a_mistyped_path_is_refused_with_what_there_is_and_nothing_is_moved(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config)
    before = sorted(run.directory.glob("checkpoints/*"))
    (tmp_path / "empty/checkpoints").mkdir(parents=True)
    (tmp_path / "dangling").symlink_to("step-00000030")
    for key, others in (("resume", ()), ("init_from", ("--set", "resume=none"))):
        for path, found, next_step in (
                (run.directory / "checkpoint/step-00000028", "nothing of that name", f"look below {run.directory}: a run directory has a folder checkpoints"),
                (os.path.relpath(tmp_path / "nothing"), "nothing of that name", f"look below {tmp_path}: a run directory has a folder checkpoints"),
                (tmp_path / "empty", "none of them", f"look below {tmp_path}/empty: a run directory has a folder checkpoints"),
                (config, "none of them", f"look below {config.parent}: a run directory has a folder checkpoints"),
                (tmp_path / "dangling", "a link to step-00000030, which is not there", "`cp -rL` copies the state itself")):
            run.supervised(config, arguments=["--set", f"{key}={path}", *others], check=False)
            assert run.code == EXIT_CONFIGURATION, run.output
            assert f"{key}: {path}: expected a checkpoint, a transformed copy inside one, or a run directory" in run.output and f"found {found}" in run.output
            assert next_step in run.output and "resume: none" not in run.output
            assert ("a relative path starts in the working directory" in run.output) == (not os.path.isabs(path)), run.output
            assert sorted(run.directory.glob("checkpoints/*")) == before and not run.journal("restart")
    assert run.seconds < 20


def test_init_from_a_run_directory_takes_its_newest_state(tmp_path, config):
    first = runs.Run(tmp_path / "first").supervised(config)
    second = runs.Run(tmp_path / "second").supervised(config, arguments=["--set", f"init_from={first.directory}", "--set", "trainer.max_steps=1"])
    assert f"weights from {first.checkpoint()}, step 0" in second.output and second.done()["global_step"] == 1


def test_init_from_what_resume_none_moves_away_is_refused(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config)
    before = sorted(run.directory.glob("checkpoints/*"))
    for path in (run.directory, run.checkpoint(), os.path.relpath(run.checkpoint())):
        run.supervised(config, arguments=["--set", f"init_from={path}", "--set", "resume=none"], check=False)
        assert run.code == EXIT_CONFIGURATION and "next: give another --run-dir, or copy that state elsewhere first" in run.output, run.output
        assert sorted(run.directory.glob("checkpoints/*")) == before


def test_resume_none_starts_over_and_keeps_the_old_states_aside(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config)
    first = run.done()
    for number in (2, 3):
        run.supervised(config, arguments=["--set", "resume=none"])
        assert (run.directory / f"checkpoints/abandoned-{number}/step-00000030").is_dir()
        assert run.done()["parameter_hash"] == first["parameter_hash"]


def test_resume_from_a_named_checkpoint_leaves_later_ones_aside(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config)
    undisturbed = runs.Run(shutil.copytree(run.directory, tmp_path / "undisturbed"))
    run.supervised(config, arguments=["--set", f"resume={run.directory}/checkpoints/step-00000028"])
    assert "at step 28 of 30" in log_of(run, attempt=2)
    assert (run.directory / "checkpoints/abandoned-2/step-00000030").is_dir()
    runs.assert_same_runs(run, undisturbed)


@pytest.mark.parametrize("section", ["restore", "data"])
def test_a_restart_before_the_first_save_starts_where_the_first_attempt_did(tmp_path, config, section):
    """From another run's checkpoint, over a finished run of its own: neither its own old states nor the beginning."""
    other = runs.Run(tmp_path / "other").supervised(config, arguments=["--set", "run.seed=5", "--set", "trainer.max_steps=21"])
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config, arguments=["--set", f"resume={other.checkpoint()}"])
    run = runs.Run(tmp_path / "run").supervised(config)
    step = 0 if section == "restore" else 24
    run.supervised(config, arguments=["--set", f"resume={other.checkpoint()}"], injections=[f"kill:rank=1,step={step},section={section}"])
    assert [line["step"] for line in run.journal("resumed")] == ([-1, 21] if section == "restore" else [-1, 21, 21])
    assert run.journal("attempt_ended")[1]["recomputed_steps"] == (0 if section == "restore" else 2)
    runs.assert_same_runs(run, undisturbed)
    assert len(list((run.directory / "checkpoints").glob("abandoned-*/step-00000030"))) == 1


def test_a_restart_of_a_start_from_nothing_starts_from_nothing(tmp_path, config):
    run = runs.Run(tmp_path / "run").supervised(config)
    first = run.done()
    run.supervised(config, arguments=["--set", "resume=none"], injections=["kill:rank=1,step=0,section=restore"])
    assert [line["step"] for line in run.journal("resumed")] == [-1, -1]
    assert run.done()["attempt"] == 3 and run.done()["parameter_hash"] == first["parameter_hash"]


def test_a_second_start_says_who_trains_there(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=1000000))
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    try:
        run.wait_for_step(1, process)
        second = runs.Run(run.directory).supervised(config, check=False)
        assert second.code == EXIT_UNAVAILABLE
        assert f"process {process.pid} on" in second.output and "--run-dir" in second.output
        plain = runs.Run(run.directory).plain(config, check=False)
        assert plain.code == EXIT_UNAVAILABLE and f"process {process.pid} on" in plain.output
        assert process.poll() is None, "the first one trains on"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 75


def test_plain_mpirun_trains_to_the_same_bits_and_resumes(tmp_path, config):
    supervised = runs.Run(tmp_path / "supervised").supervised(config)
    plain = runs.Run(tmp_path / "plain")
    plain.plain(config, ranks=2, arguments=["--inject", "kill:rank=1,step=17"], check=False)
    assert plain.code != 0 and not (plain.directory / "DONE.json").exists()
    plain.plain(config, ranks=2, arguments=["--inject", "kill:rank=1,step=17"])
    assert "at step 14 of 30" in plain.output
    runs.assert_same_runs(plain, supervised)


def test_metrics_are_cut_back_to_the_restored_step(tmp_path, config):
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=0,step=20,section=update", "kill:rank=1,step=27"])
    assert run.metrics() == undisturbed.metrics()
    assert len([line for line in run.metrics() if line["kind"] == "train"]) == 10
