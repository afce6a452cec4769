"""`holdfast ckpt` on real runs: while they train, on copies, after a rank was killed in a save, and killed itself in the middle."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest
import runs

EXIT_DIFFERENT, EXIT_DATA, EXIT_UNAVAILABLE, EXIT_SOFTWARE, EXIT_STORAGE = 1, 65, 69, 70, 74
ALL_STAY = [{"name": "regular", "every_steps": runs.INTERVAL, "limit": -1}]


def states(run):
    return sorted(path.name for path in (run.directory / "checkpoints").glob("step-????????"))


def told(*words):
    """What a tool says as JSON."""
    done = runs.ckpt(*words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that has kept all its states: steps 7, 14, 21, 28. Tests copy it."""
    directory = tmp_path_factory.mktemp("finished")
    config = runs.write_config(directory / "config.yaml", runs.configuration(
        "mlp", max_steps=28, schedules={"decay": {"total_steps": 42}}, validation={"every_epochs": 1}, checkpoints=ALL_STAY))
    run = runs.Run(directory / "run").supervised(config)
    run.config = config
    assert len(states(run)) == 4
    return run


@pytest.fixture(scope="module")
def weighty(tmp_path_factory):
    """A run that has kept all its states, each with two copies, and their weights alone."""
    directory = tmp_path_factory.mktemp("weighty")
    config = runs.write_config(directory / "config.yaml", runs.configuration(
        "mlp", max_steps=14, transforms={"ema": {"type": "ema", "decay": 0.9}, "bf16": {"type": "half"}}, validation={"every_steps": 7},
        checkpoints=[{**ALL_STAY[0], "transforms": ["ema", "bf16"]}, {"name": "light", "every_steps": runs.INTERVAL, "limit": -1, "weights_only": True}]))
    run = runs.Run(directory / "run").supervised(config)
    run.config = config
    assert sorted(path.name for path in (run.directory / "checkpoints").glob("*-????????")) == [
        "step-00000007", "step-00000014", "weights-00000007", "weights-00000014"]
    return run


def copy_of(run, directory):
    shutil.copytree(run.directory, directory, symlinks=True)
    copy = runs.Run(directory)
    copy.config = run.config
    return copy


def test_every_tool_answers_while_the_run_trains_and_changes_no_bit(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration(
        "mlp", max_steps=1000, task=runs.SLOW, validation={"every_epochs": 5}, saving={"asynchronous": True},
        checkpoints=[{"name": "newest", "every_steps": 4, "limit": 1}, {"name": "best", "after_validation": True, "monitor": "val_loss", "top_k": 2}]))
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    runs.wait_until(lambda: states(run) or process.poll() is not None, 60, "a checkpoint")
    answers = 0
    while process.poll() is None and answers < 30:
        for words in (["list"], ["show"], ["show", "--stats"], ["verify"], ["prune", "--dry-run", "--keep-last", "1"], ["repair", "--dry-run"]):
            done = runs.ckpt(*words, run.directory, "--json")
            is_gone = "it is gone: the run has removed it meanwhile" in done.stderr or '"gone"' in done.stdout
            assert done.returncode == 0 or is_gone, (words, done.stdout, done.stderr)
            answers += done.returncode == 0
        for command in ("prune", "repair"):
            done = runs.ckpt(command, run.directory)
            assert process.poll() is not None or done.returncode == EXIT_UNAVAILABLE, done.stdout + done.stderr
            assert process.poll() is not None or f"process {process.pid} on" in done.stderr
    assert answers >= 12
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        assert code == (0 if (run.directory / "DONE.json").exists() else 75)  # it may just have come to its end
        run.supervised(config)
    runs.assert_same_runs(run, runs.Run(tmp_path / "undisturbed").supervised(config))


def test_list_tells_what_was_measured_what_keeps_a_state_and_whether_it_was_verified(tmp_path, finished):
    run = copy_of(finished, tmp_path / "run")
    rows = told("list", run.directory)
    assert [row["step"] for row in rows] == [7, 14, 21, 28]
    assert [row["epoch"] for row in rows] == [1, 3, 5, 6], "four updates an epoch"
    assert all(row["world_size"] == 2 and row["role"] == "original" and row["verified"] is None and row["bytes"] > 0 for row in rows)
    validations = {line["step"]: line for line in run.metrics() if line["kind"] == "validation"}
    assert 28 in validations
    assert rows[-1]["metrics"] == {"val_loss": validations[28]["loss"], "val_accuracy": validations[28]["accuracy"]}
    assert rows[0]["metrics"] == {}, "step 7 was not validated"
    assert [hold["why"] for hold in rows[-1]["kept_by"]] == ["newest", "last", "entry"]
    assert [hold["name"] for hold in rows[0]["kept_by"]] == ["regular/epoch=1-step=7"]

    assert runs.ckpt("verify", run.directory).returncode == 0
    assert all(row["verified"]["result"] == "sound" for row in told("list", run.directory))
    copy = copy_of(run, tmp_path / "copy")
    assert all(row["verified"] is None for row in told("list", copy.directory)), "nobody has read the copy"
    shard = run.directory / "checkpoints/step-00000014/shard-00000-of-00002.h5"
    with open(shard, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x00\x01"[:1])
    assert [row["verified"] is None for row in told("list", run.directory)] == [False, True, False, False], "what was changed is not verified"


def verified(run):
    return {row["path"].rsplit("/", 1)[1]: row["verified"] and row["verified"]["result"] for row in told("list", run.directory)}


def test_a_link_that_was_copied_without_its_state_is_told(tmp_path, finished):
    subprocess.run(["cp", "-r", finished.directory / "checkpoints/last", tmp_path / "one"], check=True)
    for command in ("list", "show", "verify", "prune"):
        done = runs.ckpt(command, tmp_path / "one")
        assert done.returncode == EXIT_DATA and "found a link to step-00000028, which is not there" in done.stderr, done.stderr
        assert "cp -rL" in done.stderr or command == "prune"
    subprocess.run(["cp", "-rL", finished.directory / "checkpoints/last", tmp_path / "two"], check=True)
    assert runs.ckpt("verify", tmp_path / "two").returncode == 0


def test_diff_counts_one_as_one_and_lists_by_their_length(tmp_path, finished):
    other = copy_of(finished, tmp_path / "other")
    for step, entries in ((7, 1), (14, 3)):
        done = runs.ckpt("diff", finished.directory / f"checkpoints/step-{step:08d}", finished.directory / "checkpoints/step-00000028")
        assert done.returncode == EXIT_DIFFERENT and f"state/validations: {entries} and 7 entries\n" in done.stdout, done.stdout
        assert "nothing and null" not in done.stdout and "state/validations/" not in done.stdout
    assert " 1 elements" not in done.stdout and re.search(r": 1 element differs, ", done.stdout), done.stdout
    assert runs.ckpt("diff", other.directory, finished.directory).stdout.endswith(" 0 differences\n")


def test_a_verdict_counts_for_what_it_was_said_of_and_for_no_byte_that_was_changed(tmp_path, weighty):
    run = copy_of(weighty, tmp_path / "run")
    checkpoints = run.directory / "checkpoints"
    assert runs.ckpt("verify", f"{checkpoints}/step-00000007/").returncode == 0
    assert runs.ckpt("verify", checkpoints / "light/epoch=3-step=14").returncode == 0
    assert subprocess.run([str(runs.BIN / "holdfast"), "ckpt", "verify", "."], cwd=checkpoints / "weights-00000007", timeout=60).returncode == 0
    assert verified(run) == {"step-00000007": "sound", "weights-00000007": "sound", "step-00000014": None, "weights-00000014": "sound"}
    assert runs.ckpt("verify", run.directory).returncode == 0
    assert set(verified(run).values()) == {"sound"}
    damage(run.checkpoint() / "ema")  # in place: no name in the state's own directory changes
    assert [name for name, result in verified(run).items() if not result] == ["step-00000014"]
    assert runs.ckpt("verify", run.directory).returncode == EXIT_DATA
    assert verified(run)["step-00000014"] == "damaged"


def test_what_this_user_may_not_read_is_not_called_damaged(tmp_path, weighty):
    run = copy_of(weighty, tmp_path / "run")
    shard = next((run.checkpoint() / "ema").glob("shard-*.h5"))
    shard.chmod(0)
    # Root, too, has to ask: without the capabilities that let it read everything.
    become = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    for words in (["verify", run.checkpoint()], ["diff", "--verify", run.checkpoint(), run.checkpoint()]):
        done = subprocess.run([*become, *(str(word) for word in (runs.BIN / "holdfast", "ckpt", *words))], capture_output=True, text=True, timeout=60)
        assert done.returncode == EXIT_STORAGE and f"read {shard}: Permission denied" in done.stderr, done.stdout + done.stderr
    assert set(verified(run).values()) == {None}


def test_list_tells_the_same_of_a_directory_whatever_it_is_called(tmp_path, finished):
    run = copy_of(finished, tmp_path / "run")
    checkpoints = run.directory / "checkpoints"
    (tmp_path / "a run").symlink_to(run.directory)
    (tmp_path / "a directory").symlink_to(checkpoints)
    expected = [(row["step"], row["kept_by"]) for row in told("list", run.directory)]
    assert len(expected) == 4 and all(kept_by for _, kept_by in expected)
    for name in (f"{run.directory}/", checkpoints, f"{checkpoints}/", f"{checkpoints}//", f"{checkpoints}/.", f"{checkpoints}/regular/..",
                 tmp_path / "a run", tmp_path / "a directory", f"{tmp_path}/a directory/"):
        assert [(row["step"], row["kept_by"]) for row in told("list", name)] == expected, name


def damage(checkpoint):
    """Flips a bit of a tensor, and returns the records of its shard and of its piece."""
    shard = json.loads((checkpoint / "manifest.json").read_text())["shards"][1]
    piece = next(piece for piece in shard["pieces"] if piece["count"] > 8)
    with open(checkpoint / shard["file"], "r+b") as file:
        file.seek(piece["file_offset"] + 3)
        byte = file.read(1)[0]
        file.seek(piece["file_offset"] + 3)
        file.write(bytes([byte ^ 1]))
    return shard, piece


def test_verify_names_damage_as_json_and_list_remembers_it(tmp_path, finished):
    run = copy_of(finished, tmp_path / "run")
    shard, piece = damage(run.checkpoint())
    done = runs.ckpt("verify", run.directory, "--json")
    assert done.returncode == EXIT_DATA
    verified = json.loads(done.stdout)
    assert [row["result"] for row in verified] == ["sound", "sound", "sound", "damaged"]
    finding = verified[-1]["findings"][0]
    assert (finding["shard"], finding["dataset"], finding["block"], finding["offset"]) == (shard["file"], piece["tensor"], 0, piece["file_offset"])
    assert [row["verified"]["result"] for row in told("list", run.directory)] == ["sound", "sound", "sound", "damaged"]
    assert "DAMAGED" in runs.ckpt("list", run.directory).stdout

    # The digests of a checkpoint and itself are equal; only reading it tells.
    assert runs.ckpt("diff", run.checkpoint(), run.checkpoint()).returncode == 0
    assert runs.ckpt("diff", run.checkpoint(), run.checkpoint(), "--verify").returncode == EXIT_DATA
    # Where it is compared with another it is read, and found.
    done = runs.ckpt("diff", run.checkpoint(), run.directory / "checkpoints/step-00000021")
    assert done.returncode == (EXIT_DATA if piece["tensor"].startswith(("model/", "optimizers/")) else EXIT_DIFFERENT), done.stdout + done.stderr

    done = runs.ckpt("prune", run.directory, "--keep-last", "1")
    assert done.returncode == EXIT_DATA and piece["tensor"] in done.stderr and len(states(run)) == 4, "nothing goes while the newest is damaged"


def test_prune_goes_by_the_newest_state_that_a_run_can_go_on_from(tmp_path, weighty):
    run = copy_of(weighty, tmp_path / "run")
    _, piece = damage(run.checkpoint())
    done = runs.ckpt("prune", run.directory, "--keep-last", "1")
    assert done.returncode == EXIT_DATA and piece["tensor"] in done.stderr, done.stdout + done.stderr
    assert states(run) == ["step-00000007", "step-00000014"], "the sound one before a damaged newest state, whatever weights there are"


def test_a_copy_of_another_state_is_found_and_not_exported(tmp_path, weighty):
    run = copy_of(weighty, tmp_path / "run")
    first, second = (run.directory / f"checkpoints/step-{step:08d}" for step in (7, 14))
    assert runs.ckpt("export", second, tmp_path / "right.safetensors", "--weights", "ema").returncode == 0
    shutil.rmtree(second / "ema")
    shutil.copytree(first / "ema", second / "ema")
    for words in (("verify", second), ("verify", second / "ema"), ("export", second, tmp_path / "wrong.safetensors", "--weights", "ema")):
        done = runs.ckpt(*words)
        assert done.returncode == EXIT_DATA and "expected role transformed:ema of step-00000014" in done.stdout + done.stderr, (words, done)
    assert not (tmp_path / "wrong.safetensors").exists()


def test_copies_count_wherever_a_state_is_told_of(tmp_path, weighty):
    run = copy_of(weighty, tmp_path / "run")
    first, second = (run.directory / f"checkpoints/step-{step:08d}" for step in (7, 14))
    on_disk = {path.name: sum(shard.stat().st_size for shard in path.rglob("*.h5")) for path in (run.directory / "checkpoints").glob("*-????????")}
    assert {row["path"].rsplit("/", 1)[1]: row["bytes"] for row in told("list", run.directory)} == on_disk
    planned = told("prune", run.directory, "--keep-last", "1", "--dry-run")["checkpoints"]
    assert {row["path"].rsplit("/", 1)[1]: row["bytes"] for row in planned} == on_disk
    assert told("list", second)[0]["bytes"] == on_disk[second.name]

    shown = told("show", second)
    assert shown["transformed"] == ["ema", "bf16"] and shown["original"] is None
    assert told("show", second / "ema")["original"] == shown["id"]
    assert "transformed    ema, bf16\n" in runs.ckpt("show", second).stdout

    compared = json.loads(runs.ckpt("diff", first, second, "--json").stdout)
    assert compared["tensors"] == sum(len(told("show", second / copy)["tensors"]) for copy in ("", "ema", "bf16"))
    names = [difference["tensor"] for difference in compared["differences"]]
    assert len(names) == len(set(names)) and "state/global_step" in names
    assert {"ema/model/0.weight", "bf16/model/0.weight"} <= set(names) and not [name for name in names if "/state/" in name]
    shutil.rmtree(second / "bf16")
    (row,) = told("list", second)
    assert row["bytes"] < on_disk[second.name] and "bf16" in row["error"]
    assert "bf16" in runs.ckpt("list", run.directory).stdout, "what is missing is said"


def test_show_tells_figures_as_an_independent_reader_computes_them(tmp_path, finished):
    shown = told("show", finished.directory, "--stats")
    arrays = runs.tensors(finished.checkpoint())
    compared = 0
    for tensor in shown["tensors"]:
        if tensor["kind"] == "per_rank":
            assert [figures["rank"] for figures in tensor["statistics"]] == [0, 1], tensor["name"]
            continue
        (figures,), array = tensor["statistics"], arrays[tensor["name"]]
        assert figures["elements"] == array.size and figures["nans"] == 0
        assert figures["min"] == array.min() and figures["max"] == array.max(), tensor["name"]
        assert figures["mean"] == pytest.approx(float(array.mean(dtype="float64")), rel=1e-9, abs=1e-12), tensor["name"]
        compared += 1
    assert compared >= 4
    for piece in (piece for tensor in shown["tensors"] for piece in tensor["pieces"]):
        assert (finished.checkpoint() / piece["shard"]).stat().st_size >= piece["file_offset"]
    assert "statistics" not in told("show", finished.directory)["tensors"][0], "only where they are asked for"


def test_copies_need_nothing_of_the_rest_of_the_run(tmp_path, finished):
    alone, single = tmp_path / "elsewhere", tmp_path / "single"
    shutil.copytree(finished.directory / "checkpoints", alone, symlinks=True)
    shutil.copytree(finished.checkpoint(), single)
    assert [row["step"] for row in told("list", alone)] == [7, 14, 21, 28]
    (row,) = told("list", single)
    assert row["step"] == 28 and row["kept_by"] is None, "only what lies around it could tell"
    (row,), newest = told("list", finished.checkpoint()), told("list", finished.directory)[-1]
    assert row["kept_by"] == newest["kept_by"] and row["path"] == newest["path"]
    assert told("show", single)["step"] == told("show", alone)["step"] == 28
    assert [row["result"] for row in told("verify", alone)] == ["sound"] * 4
    assert runs.ckpt("diff", "--verify", alone, single).returncode == 0
    assert runs.ckpt("export", single, tmp_path / "weights.safetensors").returncode == 0
    assert runs.ckpt("prune", alone, "--keep-last", "1").returncode == 0
    assert sorted(path.name for path in alone.iterdir()) == ["last", "regular", "step-00000028"]
    assert runs.ckpt("prune", single).returncode == EXIT_DATA, "a checkpoint is no directory of them"


def test_a_run_goes_on_from_what_prune_has_left_to_the_same_bits(tmp_path, finished):
    run = copy_of(finished, tmp_path / "run")
    planned = told("prune", run.directory, "--keep-last", "1", "--keep", "14", "--dry-run")
    assert [row["step"] for row in planned["checkpoints"] if row["goes"]] == [7, 21] and len(states(run)) == 4
    assert runs.ckpt("prune", run.directory, "--keep-last", "1", "--keep", "14").returncode == 0
    assert states(run) == ["step-00000014", "step-00000028"]
    policy = runs.write_config(tmp_path / "policy.yaml", {"checkpoints": [{"name": "regular", "every_steps": runs.INTERVAL, "limit": 1}]})
    assert [row["step"] for row in told("prune", run.directory, "--policy", policy)["checkpoints"] if row["goes"]] == [14]
    run.supervised(run.config, arguments=["--set", "trainer.max_steps=42"])
    unpruned = copy_of(finished, tmp_path / "unpruned").supervised(run.config, arguments=["--set", "trainer.max_steps=42"])
    runs.assert_same_runs(run, unpruned)
    assert len(states(unpruned)) == 6
    assert states(run) == ["step-00000028", "step-00000035", "step-00000042"]


def test_repair_clears_up_after_a_rank_that_was_killed_in_a_save(tmp_path, finished):
    run = runs.Run(tmp_path / "run")
    injection = "kill:rank=1,step=21,section=checkpoint"
    run.supervised(finished.config, injections=[injection], arguments=["--set", "restart.max_restarts=0"], check=False)
    assert run.code == EXIT_SOFTWARE and [line["injected"] for line in run.journal("rank_lost")] == [injection]
    pending = "step-00000021.pending-1"
    assert pending in os.listdir(run.directory / "checkpoints") and states(run) == ["step-00000007", "step-00000014"]
    (run.directory / "checkpoints/regular/epoch=1-step=7").unlink()

    assert [row["step"] for row in told("list", run.directory)] == [7, 14]
    assert [row["result"] for row in told("verify", run.directory)] == ["sound", "sound"]
    assert told("repair", run.directory, "--dry-run")["leftovers"] == [pending]
    assert pending in os.listdir(run.directory / "checkpoints"), "a dry run touches nothing"
    done = told("repair", run.directory)
    assert done["names"] == [{"name": "regular/epoch=1-step=7", "target": "step-00000007"}] and done["last"] is None
    assert sorted(os.listdir(run.directory / "checkpoints")) == ["last", "regular", "step-00000007", "step-00000014"]
    assert "nothing to repair" in runs.ckpt("repair", run.directory).stdout
    run.supervised(finished.config)
    runs.assert_same_runs(run, finished)


CHANGES = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "symlink", "symlinkat", "mkdir", "mkdirat")


def killed_at(call, number, *words):
    """The tool, killed by the system at its n-th call of that name; True: it was."""
    done = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}",
                           *(str(word) for word in (runs.BIN / "holdfast", "ckpt", *words))], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done.stdout + done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("command, least", [(["prune", "--keep-last", "1"], 11), (["repair"], 8)], ids=["prune", "repair"])
def test_a_kill_at_any_change_leaves_everything_loadable(tmp_path, finished, command, least):
    kills, number, calls = 0, 1, list(CHANGES)
    while calls:
        run = copy_of(finished, tmp_path / "run")
        checkpoints = run.directory / "checkpoints"
        shutil.copytree(checkpoints / "step-00000007", checkpoints / "step-00000035.pending-1")
        (checkpoints / "regular/epoch=3-step=14").unlink()
        (checkpoints / "last").unlink()
        (checkpoints / "last").symlink_to("step-00000021")
        if not killed_at(calls[0], number, *command, run.directory):
            calls, number = calls[1:], 1
        else:
            kills, number = kills + 1, number + 1
            assert set(row["result"] for row in told("verify", run.directory)) == {"sound"}
            assert told("list", run.directory)[-1]["step"] == 28
            assert runs.ckpt(*command, run.directory).returncode == 0
        assert runs.ckpt("repair", run.directory).returncode == 0
        names = {path.name: path.readlink().name for path in (checkpoints / "regular").iterdir()}
        assert names == {f"epoch={epoch}-step={step}": f"step-{step:08d}" for epoch, step in ((1, 7), (3, 14), (5, 21), (6, 28))
                         if f"step-{step:08d}" in states(run)}
        assert sorted(os.listdir(checkpoints)) == sorted(["last", "regular", *states(run)]), "whatever the kill has left is gone"
        assert (checkpoints / "last").readlink().name == "step-00000028"
        if calls:
            shutil.rmtree(run.directory)
    assert kills >= least
    run.supervised(run.config)
    assert "the run is finished" in run.output
