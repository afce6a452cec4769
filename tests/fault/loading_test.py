"""Plugins that are none, that are built for something else, and that throw, crash or end the process where they are loaded: each is named."""
import json
import subprocess

import pytest

import runs

TESTS = runs.BIN.parent / "tests"
TASKS, MISBEHAVING, FOREIGN = (TESTS / f"libfault_test_{name}.so" for name in ("tasks", "misbehaving", "foreign"))


def configuration(tmp_path, plugin, task="normalised"):
    config = runs.configuration("mlp")
    config["data"] = {"name": "random", "options": {"shape": [8], "samples": 120}, "global_batch_size": 16}
    return runs.write_config(tmp_path / "config.yaml", {**config, "task": {"name": task, "plugin": str(plugin)}, "optimizers": {"main": {}}})


def checked(config, how=""):
    """`holdfast config check`, which opens the plugin as a training does."""
    return subprocess.run([str(runs.BIN / "holdfast"), "config", "check", str(config)], capture_output=True, text=True, timeout=60,
                          env={**runs.environment(), "HOLDFAST_TEST_PLUGIN": how})


def with_another_record(plugin, path, old, new):
    """A copy that says that it was built with something else; the rest is as it was."""
    bytes_of = plugin.read_bytes()
    assert old in bytes_of and len(old) == len(new)
    path.write_bytes(bytes_of.replace(old, new))
    return path


def test_a_plugin_that_is_none_is_refused(tmp_path):
    (tmp_path / "empty.so").write_bytes(b"")
    for plugin, hints in ((tmp_path / "missing.so", ["No such file", "a relative one starts in the directory of the configuration's file"]), (tmp_path / "empty.so", ["it is no plugin"]), (tmp_path, ["directory"]),
                          ("/usr/lib/x86_64-linux-gnu/libm.so.6", ["it is no plugin", "trainer/registry.h", "find_package(Holdfast)"])):
        done = checked(configuration(tmp_path, plugin))
        assert done.returncode == 78 and f"load the plugin {plugin}" in done.stderr, done.stderr
        assert all(hint in done.stderr for hint in hints), done.stderr


def test_a_run_whose_plugin_is_refused_is_not_tried_again(tmp_path):
    run = runs.Run(tmp_path / "run").supervised(configuration(tmp_path, FOREIGN), check=False)
    assert run.code == 78 and "1 attempt," in run.output and "found one built with" in run.output, run.output


@pytest.mark.parametrize("old, new", [(b"\nHoldfast 0.1.", b"\nHoldfast 0.0."), (b", headers ", b", headerz "), (b"\nLibTorch 2.11.", b"\nLibTorch 2.10.")])
def test_a_plugin_that_was_built_with_something_else_is_refused_with_both(tmp_path, old, new):
    plugin = with_another_record(TASKS, tmp_path / "other.so", old, new)
    done = checked(configuration(tmp_path, plugin))
    assert done.returncode == 78, done.stdout + done.stderr
    found, expected = new.decode().strip("\n, "), old.decode().strip("\n, ")
    assert f"load the plugin {plugin}: expected one built with Holdfast 0.1." in done.stderr
    assert expected in done.stderr.split("found")[0] and found in done.stderr.split("found")[1] and "next: build it again" in done.stderr


def test_a_plugin_with_another_layout_of_containers_is_refused_before_its_code_runs(tmp_path):
    done = checked(configuration(tmp_path, FOREIGN), how="crashes")
    assert done.returncode == 78 and "found one built with" in done.stderr, done.stderr
    assert "standard library libstdc++, containers for debugging" in done.stderr.split("found")[1] and "crashed" not in done.stderr


def test_another_compiler_alone_is_no_reason(tmp_path):
    record = subprocess.run(["strings", "-a", TASKS], capture_output=True, text=True, check=True).stdout
    compiler = next(line for line in record.splitlines() if line.startswith("compiler ")).encode()
    plugin = with_another_record(TASKS, tmp_path / "other.so", compiler, b"compiler ".ljust(len(compiler), b"9"))
    done = checked(configuration(tmp_path, plugin))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how, code, words", [
    ("throws", 70, "holdfast_register of the plugin {}: no luck today"),
    ("throws_a_number", 70, "holdfast_register of the plugin {}: something that is no std::exception was thrown"),
    ("registers_twice", 78, "register the task 'returns_none' of the plugin {}: expected a name that is free, found one that is taken: it has registered"),
    ("registers_a_built_in_name", 78, "register the task 'mlp' of the plugin {}: expected a name that is free, found one that is taken: a built-in one"),
    ("crashes", 70, "crashed: in holdfast_register of the plugin {}"),
])
def test_a_plugin_that_misbehaves_while_it_registers_is_named(tmp_path, how, code, words):
    done = checked(configuration(tmp_path, MISBEHAVING), how=how)
    assert done.returncode == code and words.format(MISBEHAVING) in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("task, code, words", [
    ("throws", 70, "the task 'throws' of the plugin {}: no luck today"),
    ("returns_none", 70, "the task 'returns_none' of the plugin {}: its factory returns none"),
    ("crashes", 70, "crashed: in the task 'crashes' of the plugin {}"),
])
def test_a_plugin_whose_factory_misbehaves_is_named(tmp_path, task, code, words):
    done = checked(configuration(tmp_path, MISBEHAVING, task))
    assert done.returncode == code and words.format(MISBEHAVING) in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("task, end", [("crashes", "ended by signal 11 (Segmentation fault)"), ("exits", "exited with code 3")])
def test_the_journal_names_the_plugin_that_ended_a_rank(tmp_path, task, end):
    config = configuration(tmp_path, MISBEHAVING, task)
    run = runs.Run(tmp_path / "run").supervised(config, ranks=1, arguments=["--set", "restart.max_restarts=0"], check=False)
    assert run.code == 70 and f"{end} in section setup of step 0: in the task '{task}' of the plugin {MISBEHAVING}" in run.output, run.output
    lost = run.journal("rank_lost")
    assert len(lost) == 1 and str(MISBEHAVING) in json.dumps(lost), lost
    assert run.seconds < 20


def test_what_a_plugin_was_in_is_forgotten_when_it_has_returned(tmp_path):
    """A later kill is nobody's fault."""
    config = configuration(tmp_path, TASKS)
    run = runs.Run(tmp_path / "run").supervised(config, ranks=1, injections=["kill:rank=0,step=9"])
    runs.assert_landed(run, ["kill:rank=0,step=9"])
    assert "of the plugin" not in json.dumps(run.journal("rank_lost"))
