"""What supervision promises: nothing survives its shim, launcher or supervisor; strangers get nothing; hopeless runs end."""
import contextlib
import fcntl
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
import runs
import times

SECONDS_TO_VANISH = 2
HASTE_SECONDS = 0.5
TOLD, RECOVERED = 1, 5  # from a kill to the journal; from there to a step that is new, on cores that other tests use too
EXIT_USAGE, EXIT_DATA, EXIT_SOFTWARE, EXIT_STORAGE, EXIT_CONFIGURATION = 64, 65, 70, 74, 78


@pytest.fixture()
def endless(tmp_path):
    return runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=1000000, checkpoints=[{"name": "regular", "every_steps": 500}]))


def victims(run, kind):
    """Pids of a running attempt by what they are: the supervisor itself carries none of its own variables."""
    found = run.processes()
    def is_shim(pid):
        return found[pid] == "holdfast" and b"\0rank\0--\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return {"rank": [pid for pid, name in found.items() if name == "holdfast-train"],
            "guardian": [pid for pid, name in found.items() if name == "holdfast-guard"],
            "launcher": [pid for pid, name in found.items() if name in ("mpirun", "orterun", "prterun")],
            "shim": [pid for pid in found if is_shim(pid)]}[kind]


@pytest.mark.parametrize("kind", ["rank", "shim", "launcher", "guardian"])
def test_a_run_survives_the_death_of(tmp_path, kind):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=3000, task=runs.SLOW,
                                                                            checkpoints=[{"name": "regular", "every_steps": 500}]))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(700, process)
    old = run.processes()
    victim, struck_at = victims(run, kind)[0], time.time()
    os.kill(victim, signal.SIGKILL)
    assert process.wait(30) == 0, (run.directory / "output.txt").read_text()
    assert not runs.alive(old)
    runs.assert_same_runs(run, undisturbed)
    if kind == "shim":
        assert [line["is_shim_lost"] for line in run.journal("rank_lost")] == [True]
    if kind == "launcher":
        assert [line["signal"] for line in run.journal("launcher_ended")] == [signal.SIGKILL]
        assert "mpirun was ended by signal 9" in run.journal("attempt_ended")[0]["reason"]
        assert "\nmpirun was ended by signal 9 (Killed)\nattempt 2 starts\n" in (run.directory / "output.txt").read_text()
    assert len(run.journal("restart")) == (0 if kind == "guardian" else 1)
    if kind != "guardian":
        told, new_step = times.keep_of_run(run, f"{kind} killed", struck_at)
        assert told < TOLD and new_step < told + RECOVERED


def test_a_death_is_told_whole_when_the_guardians_died_before(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=3000, task=runs.SLOW,
                                                                            checkpoints=[{"name": "regular", "every_steps": 500}]))
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(700, process)
    for pid in victims(run, "guardian"):
        os.kill(pid, signal.SIGKILL)
    os.kill(victims(run, "rank")[0], signal.SIGSEGV)
    assert process.wait(30) == 0, (run.directory / "output.txt").read_text()
    lost = run.journal("rank_lost")
    assert [(line["signal"], line["is_shim_lost"]) for line in lost] == [(signal.SIGSEGV, False)]


def status_of(pid, key):
    return re.search(rf"^{key}:\s*(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]


def switches(pid):
    """How often it has waited for something."""
    return int(status_of(pid, "voluntary_ctxt_switches"))


def has_taken_all_signals(pid):
    """Or is gone."""
    try:
        return int(status_of(pid, "ShdPnd"), 16) == 0
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_machine_that_stands_still_for_longer_than_a_lease_kills_nobody(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=3000, task=runs.SLOW, restart={"lease_seconds": 1}))
    run = runs.Run(tmp_path / "run")
    process = run.start(config)
    run.wait_for_step(100, process)
    still = [*victims(run, "shim"), *victims(run, "rank")]
    assert len(still) == 4
    for pid in [*still, process.pid]:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)  # the fault itself
    shims = {pid: switches(pid) for pid in victims(run, "shim")}
    for pid in still:
        os.kill(pid, signal.SIGCONT)
    # The shims run before the supervisor does.
    runs.wait_until(lambda: all(switches(pid) >= before + 3 for pid, before in shims.items()), 10, "the shims to look for the supervisor")
    process.send_signal(signal.SIGCONT)
    assert process.wait(60) == 0, (run.directory / "output.txt").read_text()
    assert len(run.journal("attempt_started")) == 1 and not run.journal("rank_lost")


@pytest.mark.parametrize("kind", ["shim", "launcher"])
def test_no_rank_survives_by_two_seconds_the_death_of(tmp_path, endless, kind):
    run = runs.Run(tmp_path / "run")
    process = run.start(endless)
    run.wait_for_step(100, process)
    ranks = victims(run, "rank")
    assert len(ranks) == 2
    os.kill(victims(run, kind)[0], signal.SIGKILL)
    runs.wait_until(lambda: not runs.alive(ranks), SECONDS_TO_VANISH, f"the ranks to end after their {kind}")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75


def test_nothing_survives_the_supervisor_by_two_seconds(tmp_path, endless):
    run = runs.Run(tmp_path / "run")
    process = run.start(endless)
    run.wait_for_step(600, process)
    everything = run.processes()
    assert len(everything) >= 7  # mpirun and two of rank, shim and guardian each
    process.kill()
    process.wait(5)
    killed_at = time.time()
    runs.wait_until(lambda: not runs.alive(everything) and not run.processes(), SECONDS_TO_VANISH, "everything of the run to end")
    gone_at, reached = time.time(), run.metrics()[-1]["step"]
    again = run.start(endless)  # the lock went with the supervisor, and the run goes on
    runs.wait_until(lambda: len(run.journal("attempt_started")) == 2, 10, "the second attempt")
    runs.wait_until(lambda: "resumed from" in (run.directory / "output.txt").read_text(), 10, "the restore")
    run.wait_for_step(reached + 20, again)
    again.send_signal(signal.SIGTERM)
    assert again.wait(20) == 75
    new_step_at = times.of_first_step_after(run, reached + 3)
    told = subprocess.run([runs.BIN / "holdfast", "report", run.directory, "--json"], capture_output=True, text=True, check=True, timeout=30)
    [failure] = json.loads(told.stdout)["failures"]
    assert failure["attempt"] == 1 and failure["reason"] == "its supervisor was killed, or its host went down"
    times.keep("supervisor killed: until all has ended, and a new step of the next start", gone_at - killed_at, new_step_at - killed_at)


def test_a_job_that_is_ended_by_a_signal_to_every_process_of_it_loses_no_step(tmp_path, endless):
    """As Slurm does it (scancel, requeue): TERM to mpirun, shims, guardians and ranks too, and the script has passed USR1 on before."""
    run = runs.Run(tmp_path / "run")
    process = run.start(endless)
    run.wait_for_step(600, process)
    everything, shims = run.processes(), victims(run, "shim")
    start = time.monotonic()
    process.send_signal(signal.SIGUSR1)
    for pid in [process.pid, *everything]:
        with contextlib.suppress(ProcessLookupError):  # it has saved and ended
            os.kill(pid, signal.SIGTERM)
    process.send_signal(signal.SIGUSR1)
    # What mpirun passes on comes again; two that wait at one time would be one.
    runs.wait_until(lambda: all(has_taken_all_signals(pid) for pid in shims), 10, "the shims to take the first")
    for pid in shims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    assert process.wait(20) == 75, (run.directory / "output.txt").read_text()
    assert time.monotonic() - start < 10 and not runs.alive(everything)
    assert not run.journal("rank_lost") and not run.journal("launcher_ended") and not run.journal("kill_requested")
    ended = run.journal("attempt_ended")[0]
    assert ended["durable_step"] == ended["reached_step"] > 600


def test_only_what_a_person_sends_twice_ends_the_ranks_at_once(tmp_path):
    run = runs.Run(tmp_path / "run")
    script = tmp_path / "rank.sh"  # takes no stop requests: only a kill ends it
    script.write_text("#!/bin/bash\nwhile :; do sleep 0.1; done\n")
    script.chmod(0o755)
    process = run.start(runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp")), arguments=["--trainer", script])
    runs.wait_until(lambda: len(victims(run, "shim")) == 2, 10, "the shims")
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGTERM, signal.SIGUSR1):
        process.send_signal(number)
        runs.wait_until(lambda: has_taken_all_signals(process.pid), 10, "the supervisor to take it")
    runs.wait_until(lambda: run.journal("stop_requested"), 10, "the first to be written down")
    time.sleep(HASTE_SECONDS)  # two at once are one, as `timeout` sends them
    begun = time.time()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 130
    assert len(run.journal("stop_requested")) == 1
    (kill,) = run.journal("kill_requested")
    assert kill["unix_seconds"] >= begun  # not of what came before


def test_what_a_rank_has_started_dies_with_it(tmp_path):
    """A child of a rank in a session of its own, under a supervisor whose rank is a script."""
    script = tmp_path / "rank.sh"
    script.write_text('#!/bin/bash\nsetsid sleep 1000 &\necho $! >> "$HOLDFAST_RUN_DIR/children"\nwhile ! [[ -e "$HOLDFAST_RUN_DIR/die" ]]; do sleep 0.05; done\n'
                      'exit 3\n')
    script.chmod(0o755)
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", restart={"max_attempts_without_progress": 1}))
    run = runs.Run(tmp_path / "run")
    process = run.start(config, arguments=["--trainer", script])
    children = run.directory / "children"
    runs.wait_until(lambda: children.exists() and len(children.read_text().split()) == 2, 10, "both children")
    pids = [int(pid) for pid in children.read_text().split()]
    assert len(runs.alive(pids)) == 2
    (run.directory / "die").touch()
    assert process.wait(10) == EXIT_SOFTWARE
    assert not runs.alive(pids)


def test_a_rank_that_prints_without_end_keeps_its_lease(tmp_path):
    """A megabyte of short lines, a line of a megabyte, again and again, for longer than a lease."""
    script = tmp_path / "rank.py"
    script.write_text("#!/usr/bin/python3\nimport sys, time\nend = time.monotonic() + 4\nwhile time.monotonic() < end:\n"
                      "    sys.stdout.write('a line\\n' * 150000 + 'x' * 1000000 + '\\n')\n    time.sleep(0.1)  # more would only fill the disk\nprint('the last words')\n")
    script.chmod(0o755)
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", restart={"max_attempts_without_progress": 1, "lease_seconds": 1}))
    run = runs.Run(tmp_path / "run").supervised(config, ranks=1, check=False, arguments=["--trainer", script])
    assert run.code == EXIT_SOFTWARE and "mpirun ended without DONE" in run.output, run.output[-2000:]
    assert "not shown" in run.output and "the last words" in run.output
    assert "lease" not in run.output and not run.journal("rank_lost")
    assert 4 < run.seconds < 20


def test_three_attempts_without_progress_end_with_a_diagnosis(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp"))
    run = runs.Run(tmp_path / "run").supervised(config, check=False, injections=[
        "throw:rank=1,step=3,section=forward", "throw:rank=1,step=4,section=forward", "kill:rank=0,step=5", "kill:rank=0,step=6"])
    assert run.code == EXIT_SOFTWARE
    assert len(run.journal("attempt_started")) == 3
    assert "3 attempts in a row ended without a new durable step" in run.output
    assert "attempt 1: rank 1" in run.output and "injected exception (throw:rank=1,step=3,section=forward)" in run.output
    assert "attempt 3: rank 0" in run.output and "signal 9" in run.output
    assert "next: mend what has ended them, and start it again to go on from step 0; " in run.output
    assert run.journal("gave_up")[0]["exit_code"] == EXIT_SOFTWARE
    assert run.seconds < 20


def test_a_launcher_that_cannot_start_the_ranks_is_quoted(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", restart={"max_attempts_without_progress": 1}))
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "mpirun").write_text("#!/bin/sh\necho 'the fabric is on fire' >&2\nexit 1\n")
    (fake / "mpirun").chmod(0o755)
    run = runs.Run(tmp_path / "run").supervised(config, check=False, variables={"PATH": f"{fake}:{os.environ['PATH']}"})
    assert run.code == EXIT_SOFTWARE
    assert "no rank says why" in run.output and "the fabric is on fire" in run.output


def test_a_launcher_that_returns_0_has_not_finished_the_run(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp"))
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "mpirun").write_text(f'#!/bin/sh\n{shutil.which("mpirun")} "$@"\necho $? >> "{tmp_path}/codes"\nexit 0\n')
    (fake / "mpirun").chmod(0o755)
    run = runs.Run(tmp_path / "run").supervised(config, injections=["kill:rank=1,step=20"], variables={"PATH": f"{fake}:{os.environ['PATH']}"})
    codes = (tmp_path / "codes").read_text().split()
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, timeout=60).stdout
    assert len(codes) == 2 and codes[1] == "0"
    assert codes[0] != "0" or "Open MPI) 5" in version, "Open MPI 5 may give 0 for a rank that was killed"
    assert len(run.journal("restart")) == 1 and run.done()["global_step"] == 60
    assert run.seconds < 20


def test_what_cannot_help_is_not_tried_again(tmp_path):
    missing = runs.write_config(tmp_path / "data.yaml", runs.configuration("mlp", data={"name": "idx", "options": {
        "train_images": str(tmp_path / "none"), "train_labels": str(tmp_path / "none"), "test_images": str(tmp_path / "none"),
        "test_labels": str(tmp_path / "none")}}))
    config = json.loads(json.dumps(runs.configuration("mlp")))
    config["data"] = {"name": "idx", "global_batch_size": 16, "options": {key: str(tmp_path / "none") for key in (
        "train_images", "train_labels", "test_images", "test_labels")}}
    runs.write_config(missing, config)
    run = runs.Run(tmp_path / "run").supervised(missing, check=False)
    assert run.code == EXIT_DATA, run.output
    assert str(tmp_path / "none") in run.output
    assert len(run.journal("attempt_started")) == 1
    misspelt = runs.write_config(tmp_path / "misspelt.yaml", runs.configuration("mlp", trainer={"max_step": 3}))
    run = runs.Run(tmp_path / "misspelt").supervised(misspelt, check=False)
    assert run.code == EXIT_CONFIGURATION and "max_step" in run.output and "did you mean" in run.output
    assert re.search(r"misspelt\.yaml:\d+:\d+", run.output)
    assert not run.journal(), "refused before anything is started"
    run = runs.Run(tmp_path / "option").supervised(runs.write_config(tmp_path / "option.yaml", runs.configuration("mlp")), check=False,
                                                   arguments=["--set", "task.options.width=3"])
    assert run.code == EXIT_CONFIGURATION and "width" in run.output and "widths" in run.output
    assert len(run.journal("attempt_started")) <= 1


def test_a_stranger_on_the_port_gets_nothing_and_stops_nothing(tmp_path, endless):
    run = runs.Run(tmp_path / "run")
    process = run.start(endless)
    run.wait_for_step(50, process)
    environ = pathlib.Path(f"/proc/{victims(run, 'rank')[0]}/environ").read_bytes().split(b"\0")
    address = next(value for value in environ if value.startswith(b"HOLDFAST_SUPERVISOR=")).split(b"=")[1].decode()
    host, port = address.rsplit(":", 1)
    hello = {"hello": {"token": "0" * 32, "attempt": 1, "rank": 0, "host": "elsewhere", "pid": 1}}
    exits = {"exit": {"rank": 0}}
    for said in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100000, json.dumps(hello).encode() + b"\n", json.dumps(exits).encode() + b"\n", b""):
        with socket.create_connection((host, int(port)), timeout=8) as stranger:
            try:
                stranger.sendall(said)
                answer = stranger.recv(100) if said else b""
            except ConnectionError:
                answer = b""
            assert answer == b"", said[:30]
    steps = max(line["step"] for line in run.metrics())
    run.wait_for_step(steps + 200, process)
    assert len(run.journal("attempt_started")) == 1 and not run.journal("rank_lost")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75


def test_a_reader_who_has_stopped_reading_stops_nothing(tmp_path):
    """Ctrl-S in a terminal, a pager: more output than the pipe takes, for longer than the lease."""
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=10000, trainer={"log_every_steps": 1},
                                                                            restart={"lease_seconds": 1}, validation={"every_epochs": 500},
                                                                            checkpoints=[{"name": "regular", "every_steps": 1000}]))
    run = runs.Run(tmp_path / "run")
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    start = time.monotonic()
    process = subprocess.Popen([runs.BIN / "holdfast", "run", config, "-n", "2", "--run-dir", run.directory], stdout=write, stderr=write,
                               env=runs.environment())
    os.close(write)
    assert process.wait(60) == 0
    assert time.monotonic() - start > 2, "too short to outlive a lease"
    os.close(read)
    assert len(run.journal("attempt_started")) == 1 and run.done()["global_step"] == 10000


def test_output_that_nobody_reads_stops_nothing(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp"))
    run = runs.Run(tmp_path / "run")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([runs.BIN / "holdfast", "run", config, "-n", "2", "--run-dir", run.directory], stdout=write, stderr=write, timeout=60,
                          env=runs.environment())
    os.close(write)
    assert done.returncode == 0 and run.done()["global_step"] == 60


def test_spaces_and_quotes_in_paths_are_nothing_special(tmp_path):
    directory = tmp_path / "a 'run' of \"mine\""
    directory.mkdir()
    config = runs.write_config(directory / "my config.yaml", runs.configuration("mlp", max_steps=14))
    run = runs.Run(directory / "its run").supervised(config, injections=["kill:rank=1,step=9"])
    assert run.done()["global_step"] == 14 and len(run.journal("restart")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; otherwise every test here runs as such")
def test_somebody_who_is_not_root_trains_as_well(tmp_path):
    nobody = pwd.getpwnam("nobody")
    directory = pathlib.Path(subprocess.run(["mktemp", "-d", "/var/tmp/holdfast-test.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        binaries = shutil.copytree(runs.BIN, directory / "bin")
        shutil.copytree(runs.BIN.parent / "lib", directory / "lib")
        config = runs.write_config(directory / "config.yaml", runs.configuration("mlp", max_steps=14))
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        # Of root's powers it keeps one: to read LibTorch, which may lie in root's home.
        become = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--inh-caps=+dac_read_search",
                  "--ambient-caps=+dac_read_search"]
        done = subprocess.run([*become, binaries / "holdfast", "run", config, "-n", "2", "--run-dir", directory / "run", "--inject", "kill:rank=0,step=9"],
                              capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(directory)})
        assert done.returncode == 0, done.stdout + done.stderr
        shard = next((directory / "run/checkpoints/last").glob("shard-*")).resolve()
        shard.chmod(0)
        # The build may lie in root's home, too: the libraries are those of the copy.
        done = subprocess.run([*become[:4], binaries / "holdfast", "ckpt", "verify", shard.parent], capture_output=True, text=True, timeout=20,
                              env={**os.environ, "LD_LIBRARY_PATH": str(directory / "lib")})
        assert done.returncode == EXIT_STORAGE and f"read {shard}: Permission denied" in done.stderr, done.stdout + done.stderr
    finally:
        shutil.rmtree(directory)


def test_an_attempt_leaves_no_shared_memory_behind(tmp_path, endless):
    def left():
        return {name for name in os.listdir("/dev/shm") if name.startswith(("holdfast-", "vader"))}
    before = left()
    run = runs.Run(tmp_path / "run")
    process = run.start(endless)
    run.wait_for_step(50, process)
    os.kill(victims(run, "launcher")[0], signal.SIGKILL)
    runs.wait_until(lambda: len(run.journal("attempt_started")) == 2, 10, "the second attempt")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75
    assert left() <= before


def test_usage_errors_end_with_64_and_say_what_is_right(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp"))
    for arguments, hint in ((["run", config], "-n RANKS"), (["run", config, "-n", "0"], "-n RANKS"), (["run", config, "-n", "two"], "'two') for option '--ranks' is invalid: expected 1 or more"),
                            (["run", config, "-n", "2", "--inject", "kill:rank=5,step=1"], "2 ranks"),
                            (["run", config, "-n", "2", "--inject", "kil:rank=1,step=1"], "kill, segv"), (["run", config, "-n", "2", "--frob"], "--help"),
                            (["frob"], "--help"), (["ckpt", "frob", tmp_path], "--help"), (["ckpt", "diff", tmp_path], "2 path"),
                            (["ckpt", "verify", tmp_path, "--stats"], "--help"), (["run", config, "-n", "1", "-x", "HOLDFAST_NO_SUCH"], "no such variable")):
        done = subprocess.run([str(word) for word in (runs.BIN / "holdfast", *arguments)], capture_output=True, text=True, timeout=10)
        assert done.returncode == EXIT_USAGE, (arguments, done.stdout, done.stderr)
        assert hint in done.stderr, (arguments, done.stderr)


def test_help_lists_every_kind_of_fault_that_the_parser_knows():
    shown = subprocess.run([runs.BIN / "holdfast", "run", "--help"], capture_output=True, text=True, timeout=10)
    refused = subprocess.run([runs.BIN / "holdfast", "run", "x", "-n", "1", "--inject", "?:rank=0,step=1"], capture_output=True, text=True, timeout=10)
    kinds = re.search(r"KIND one of (.*?);", refused.stderr)[1]
    assert "flip" in kinds and "stop" in kinds and f"KIND one of {kinds};" in " ".join(shown.stdout.split()), shown.stdout


def test_one_error_of_all_ranks_is_told_once_and_no_step_that_was_not_made(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=14, task={"options": {"widths": [64, 16, 10]}}))
    run = runs.Run(tmp_path / "run").supervised(config)
    run.supervised(config, arguments=["--set", "task.options.widths=[64, 48, 10]"], check=False)
    assert run.code == EXIT_CONFIGURATION
    # In rank 0's log, and with the end of another rank if that was first.
    assert 1 <= run.output.count("[48, 64]") <= 2 and "rank 0: restore" not in run.output, run.output
    assert "gave up: starting again cannot help\n" in run.output
    assert re.search(r"\n +2 +- +- +rank \d on \S+: exited with code 78 in section restore", run.output), run.output
    assert "[48, 64]" in run.journal("gave_up")[0]["reason"]


def test_a_model_that_does_not_fit_the_data_is_not_tried_again_and_an_injected_fault_is(tmp_path):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=14))
    for ranks in (1, 3):  # of batches of 16 samples the three ranks have 6, 5 and 5
        run = runs.Run(tmp_path / f"run-{ranks}").supervised(config, ranks=ranks, arguments=["--set", "task.options.widths=[50, 10]"], check=False)
        assert run.code == EXIT_SOFTWARE and len(run.journal("attempt_started")) == 1, run.output
        assert "train on the first batch, whose fields have the shapes [" in run.output and ", 64], [" in run.output
        assert "cannot be multiplied" in run.output and "task.options" in run.output and "starting again cannot help" in run.output
        assert run.seconds < 20
    faults = [f"throw:rank=0,step=1,section={section}" for section in ("forward", "backward")]
    run = runs.Run(tmp_path / "injected").supervised(config, ranks=1, injections=faults)
    assert [line["injected"] for line in run.journal("rank_lost")] == faults
    assert run.done()["global_step"] == 14


def check_a_supervisor_that_is_killed_at_its_write(tmp_path, writes):
    """strace kills it as it is about to write line n of the journal; what is then started at once goes on."""
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", max_steps=30, checkpoints=[{"name": "regular", "every_steps": 4}]))
    undisturbed = runs.Run(tmp_path / "undisturbed").supervised(config)
    for n in writes:
        run = runs.Run(tmp_path / f"run-{n}")
        run.directory.mkdir()
        strace = ["strace", "-qqq", "-o", tmp_path / "trace", "-P", run.directory / "journal.jsonl", "-e", "trace=write", "-e",
                  f"inject=write:signal=KILL:when={n}"]
        run.supervised(config, check=False, before=strace, injections=["kill:rank=1,step=14"])
        if run.code == 0:
            assert n > 8, "it was never killed: the run wrote fewer lines than that"
            return
        assert run.code == -signal.SIGKILL and len(run.journal()) == n - 1, (run.code, run.journal())
        run.supervised(config, injections=["kill:rank=1,step=14"])  # strikes once a run
        assert run.seconds < 12
        attempts = [line["attempt"] for line in run.journal("attempt_started")]
        assert attempts == sorted(set(attempts)) and not run.processes()
        runs.assert_same_runs(run, undisturbed)


def test_a_supervisor_killed_in_its_journal_goes_on(tmp_path):
    check_a_supervisor_that_is_killed_at_its_write(tmp_path, (2, 4, 6))


def test_a_supervisor_killed_at_every_line_of_its_journal_goes_on(tmp_path):
    check_a_supervisor_that_is_killed_at_its_write(tmp_path, range(1, 30))
