"""Hooks are told what happened, and whatever they do the run goes on as if they were not there."""
import json
import signal
import time

import runs

SECONDS = 20     # of a run with one restart, on cores that other tests use too
LIMIT = 1.5      # hooks.timeout_seconds where one hangs
KILL = "kill:rank=1,step=30,section=update"


def config(tmp_path, hooks, **changes):
    return runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", hooks=hooks, **changes))


def ended(run):
    """{hook: how it ended, by the journal}"""
    return {line["hook"]: line for line in run.journal("hook_ended")}


def test_each_hook_gets_what_happened_and_a_sound_one_is_journaled(tmp_path):
    keep = "cat > $HOLDFAST_RUN_DIR/$HOLDFAST_HOOK.json; echo told $(ls /proc/self/fd); env > $HOLDFAST_RUN_DIR/$HOLDFAST_HOOK.env"
    hooks = {"on_start": keep, "on_failure": [keep], "on_restart": keep, "on_end": ["/usr/bin/tee", str(tmp_path / "run/on_end.json")]}
    run = runs.Run(tmp_path / "run").supervised(config(tmp_path, hooks), injections=[KILL],
                                                variables={"HOLDFAST_TOKEN": "of another run"})
    assert run.seconds < SECONDS
    told = {name: json.loads((run.directory / f"{name}.json").read_text()) for name in hooks}
    for name, record in told.items():
        assert record["hook"] == name and record["run_directory"] == str(run.directory) and record["host"] and record["time"]
    for name in ("on_start", "on_failure", "on_restart"):
        assert "TOKEN" not in (run.directory / f"{name}.env").read_text()
    assert told["on_start"]["ranks"] == 2
    cause = told["on_failure"]["cause"]
    assert (cause["rank"], cause["signal"], cause["section"], cause["step"]) == (1, 9, "update", 30) and cause["host"]
    assert any("injected fault strikes" in line for line in cause["last_lines"])
    assert told["on_failure"]["attempt"] == 1 and told["on_failure"]["durable_step"] == 28
    assert told["on_restart"]["attempt"] == 2 and told["on_restart"]["durable_step"] == 28 and "signal 9" in told["on_restart"]["reason"]
    assert told["on_end"]["end"] == "done" and told["on_end"]["exit_code"] == 0 and told["on_end"]["attempts"] == 2
    assert told["on_end"]["record"]["global_step"] == 60
    assert {name: line["error"] for name, line in ended(run).items()} == dict.fromkeys(hooks, "")
    assert (run.directory / "logs/hooks.log").read_text().count("told 0 1 2 3\n") == 3  # and 3 is what ls reads


def test_one_that_hangs_floods_dies_or_is_not_there_changes_nothing(tmp_path):
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config(tmp_path, {}))
    hooks = {"on_start": "sleep 1000 & sleep 1000", "on_failure": "yes a line that says nothing", "on_restart": "kill -SEGV $$",
             "on_end": ["/no/such/program", "argument"], "timeout_seconds": LIMIT}
    run = runs.Run(tmp_path / "run").supervised(config(tmp_path, hooks), injections=[KILL])
    assert run.seconds < SECONDS and not run.processes()
    lines = ended(run)
    assert len(run.journal("hook_ended")) == len(lines) == 4
    for name in ("on_start", "on_failure"):
        assert lines[name]["error"].startswith("killed after") and LIMIT < lines[name]["seconds"] < LIMIT + 2, lines[name]
    assert lines["on_restart"]["signal"] == signal.SIGSEGV and lines["on_end"]["exit_code"] == 127
    assert all(f"hook {name} failed: {line['error']}" in run.output for name, line in lines.items())
    log = (run.directory / "logs/hooks.log").read_text()
    assert len(log) < 100_000 and "more bytes of what it printed are left out" in log and "cannot run /no/such/program" in log
    runs.assert_landed(run, [KILL])
    runs.assert_same_runs(run, undisturbed)


def test_the_end_is_told_also_where_the_supervisor_itself_ends_by_an_error(tmp_path):
    """There is no mpirun to start ranks with."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for name in ("sh", "cat"):
        (bin / name).symlink_to(f"/bin/{name}")
    run = runs.Run(tmp_path / "run").supervised(config(tmp_path, {"on_end": "cat > $HOLDFAST_RUN_DIR/on_end.json"}), variables={"PATH": str(bin)}, check=False)
    told = json.loads((run.directory / "on_end.json").read_text())
    assert (told["end"], told["exit_code"]) == ("gave_up", run.code) and "mpirun" in told["reason"] and told["reason"] in run.output
    assert [line["event"] for line in run.journal()][-2:] == ["gave_up", "hook_ended"]


def test_the_end_waits_for_its_hook_up_to_the_limit_and_a_signal_ends_the_waiting(tmp_path):
    hanging = {"on_end": "echo waiting; sleep 1000", "timeout_seconds": LIMIT}
    run = runs.Run(tmp_path / "limit").supervised(config(tmp_path, hanging, max_steps=2))
    assert LIMIT < run.seconds < LIMIT + SECONDS and LIMIT < ended(run)["on_end"]["seconds"] < LIMIT + 2 and not run.processes()
    run = runs.Run(tmp_path / "signal")
    process = run.start(config(tmp_path, {**hanging, "timeout_seconds": 600}, max_steps=2))
    runs.wait_until(lambda: run.journal("done"), runs.RUN_SECONDS, "the end")
    process.send_signal(signal.SIGTERM)
    start = time.monotonic()
    assert process.wait(10) == 0 and time.monotonic() - start < 5 and not run.processes()


def stray(path):
    """Shell words that start a process of a session and an environment of its own; its pid goes to `path`."""
    return f"setsid env -i /bin/sh -c 'echo $$ > {path}; exec /bin/sleep 1000' </dev/null >/dev/null 2>&1 & until test -s {path}; do sleep 0.01; done"


def test_what_a_hook_has_started_dies_with_a_killed_supervisor_and_with_the_hook(tmp_path):
    run, early, late = runs.Run(tmp_path / "run"), tmp_path / "early", tmp_path / "late"
    hooks = {"on_start": f"setsid sleep 1000 & {stray(early)}; sleep 1000", "on_restart": f"sleep 1000 >/dev/null & {stray(late)}"}
    process = run.start(config(tmp_path, hooks, max_steps=1_000_000, task=runs.SLOW), arguments=["--inject", "kill:rank=1,step=2"])
    runs.wait_until(lambda: "on_restart" in ended(run), runs.RUN_SECONDS, "the end of the hook that leaves something behind")
    assert ended(run)["on_restart"]["error"] == "" and not runs.alive([int(late.read_text())])
    hooked = [pid for pid, name in run.processes().items() if name == "sleep"]
    assert len(hooked) == 2, run.processes()  # those of on_start, which still runs
    hooked.append(int(early.read_text()))
    assert len(runs.alive(hooked)) == 3
    process.kill()
    runs.wait_until(lambda: not runs.alive(hooked), 2, "the end of what the hook has started")
