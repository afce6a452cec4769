"""`holdfast doctor` on one host: each thing that it looks for is broken, in a mount namespace or by a limit or by another program, and it
says so, by name, within its time."""
import json
import os
import shutil
import subprocess
import time

import disks
import pytest
import runs

SECONDS = 20  # that the doctor may take, whatever it finds
CHECKS = ["launch", "versions", "run directory", "disk", "write speed", "free space", "clock", "cores", "limits", "huge pages", "ports", "gpu", "ranks"]
OPEN_FILES, FILE_BYTES = 512, 1 << 30


@pytest.fixture()
def config(tmp_path):
    return runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", trainer={"threads_per_rank": 1}))


@pytest.fixture()
def place(tmp_path):
    yield tmp_path
    disks.unmount_below(tmp_path)


def doctor(*words, before=(), environment=None):
    start = time.monotonic()
    command = [*before, runs.BIN / "holdfast", "doctor", *words, "--json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, env=environment or runs.environment())
    assert time.monotonic() - start < SECONDS, f"{time.monotonic() - start} s: {done.stdout}"
    return done.returncode, json.loads(done.stdout)


def of(found, check):
    """[(level, what was found)] of one check."""
    return [(finding["level"], finding["found"]) for finding in found["findings"] if finding["check"] == check]


def in_namespace(*lines):
    """Words that run a command behind shell lines, in mounts of its own."""
    words = ["unshare", "--mount", "sh", "-ec", "\n".join([*lines, 'exec "$@"']), "sh"]
    done = subprocess.run([*words, "true"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this user may mount nothing: {done.stderr.strip()}")
    return words


def test_a_host_that_is_well_is_fit_and_nothing_is_left_behind(tmp_path, config):
    run = tmp_path / "run"
    code, found = doctor(config, "-n", "2", "--run-dir", run)
    assert code == 0 and found["verdict"] != "failure", [finding for finding in found["findings"] if finding["level"] == "failure"]
    assert [check for check in CHECKS if not of(found, check)] == []
    assert of(found, "ranks")[0][1].startswith("all 2 ranks talk") and len(found["pairs"]) == 1
    host = found["hosts"][0]
    assert host["versions"]["libtorch"] and host["versions"]["build"] and host["machine"]["cores"] >= 1 and host["disk"]["written_bytes"] > 0
    plan = subprocess.run([runs.BIN / "holdfast", "config", "plan", config, "--json"], capture_output=True, text=True, check=True)
    assert found["most_bytes"] >= json.loads(plan.stdout)["most_bytes"] > 0
    assert list(run.iterdir()) == []
    assert not list(tmp_path.glob("doctor-*"))


def test_what_is_wrong_with_a_machine_and_its_limits_is_found(tmp_path, config, place):
    run = place / "run"
    run.mkdir()
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 800000 kB\nMemAvailable: 700000 kB\n")
    (tmp_path / "pages").write_text("always madvise [never]\n")
    before = in_namespace(f"mount --bind {memory} /proc/meminfo", f"mount --bind {tmp_path}/pages /sys/kernel/mm/transparent_hugepage/enabled",
                          "mount -t tmpfs -o size=24m tmpfs /dev/shm", f"mount -t tmpfs -o size=100k,nr_inodes=500 tmpfs {run}",
                          "mount -t tmpfs tmpfs /proc/driver", "mkdir /proc/driver/nvidia",
                          "echo 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu' > /proc/driver/nvidia/version",
                          f"ulimit -n {OPEN_FILES}", f"ulimit -f {FILE_BYTES // 512}")
    code, found = doctor(config, "-n", "2", "--run-dir", run, "--set", "trainer.threads_per_rank=64", before=before)
    assert code == 69 and found["verdict"] == "failure"
    memories = of(found, "memory")
    assert any(level == "failure" and "2 ranks of 64 threads take about" in text for level, text in memories), memories
    assert any(level == "warning" and "are free in /dev/shm" in text for level, text in memories), memories
    assert of(found, "huge pages") == [("warning", "this host: transparent huge pages are off")]
    assert of(found, "disk") == [("warning", "tmpfs is memory: checkpoints go with the host")]
    spaces = of(found, "free space")
    assert any(level == "failure" and "and all states at one time take up to" in text for level, text in spaces), spaces
    assert any(level == "warning" and "more files can be made there" in text for level, text in spaces), spaces
    assert of(found, "gpu") == [("warning", "driver 550.54.14 on this host; what computes on GPUs has not been tried on one yet")]
    limits = of(found, "limits")
    assert ("warning", f"this host: {OPEN_FILES} open files") in limits and ("warning", "this host: files of at most 1.0 GiB") in limits, limits
    assert len(of(found, "cores")) == 1 and of(found, "cores")[0][0] == "warning"


def test_a_run_directory_that_cannot_be_written_is_named(tmp_path, config, place):
    (place / "run").mkdir()
    code, found = doctor("--run-dir", place / "run", "-n", "1", before=in_namespace(f"mount --bind -o ro {place}/run {place}/run"))
    assert code == 69
    (level, text), = of(found, "run directory")
    assert level == "failure" and "Read-only file system" in text
    assert of(found, "ranks") == [("ok", "one rank, nobody to talk to")]


def test_a_file_system_that_hangs_holds_the_doctor_up_for_seconds_only(place):
    """A frozen one: whoever writes there cannot even be killed."""
    mounted = disks.Image(place, "ext4").mounted
    subprocess.run(["fsfreeze", "-f", mounted], check=True)
    try:
        code, found = doctor("--run-dir", mounted / "run", "-n", "1")
    finally:
        subprocess.run(["fsfreeze", "-u", mounted], check=True)
    assert code == 69
    (level, text), = of(found, "run directory")
    assert level == "failure" and "did not answer within 2 s when it was to make a directory there" in text
    assert of(found, "launch")[0][0] == "ok" and found["hosts"][0]["machine"]["cores"] >= 1


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_trainer_that_does_not_load_is_named_with_its_words(tmp_path):
    trainer = script(tmp_path / "trainer", "echo 'libtorch_cpu.so: cannot open shared object file' >&2; exit 127")
    code, found = doctor("--run-dir", tmp_path, "-n", "1", "--trainer", trainer)
    assert code == 69 and of(found, "versions") == [("failure", "this host: libtorch_cpu.so: cannot open shared object file")]
    assert of(found, "ranks")[0][0] == "failure"


def test_a_launcher_that_reaches_no_host_or_is_not_there_is_named(tmp_path):
    words = "ssh: connect to host node7 port 22: No route to host"
    script(tmp_path / "mpirun", f"echo ------------; echo '{words}' >&2; exit 255")
    code, found = doctor("--run-dir", tmp_path, environment={**runs.environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert code == 69 and of(found, "launch")[0][0] == "failure" and words in of(found, "launch")[0][1]
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("sh", "env"):
        (bare / name).symlink_to(shutil.which(name))
    code, found = doctor("--run-dir", tmp_path, environment={**runs.environment(), "PATH": str(bare)})
    assert code == 69 and "expected mpirun on PATH, found none" in of(found, "launch")[0][1]


def test_ranks_that_never_answer_are_not_waited_for(tmp_path):
    pids = tmp_path / "pids"
    trainer = script(tmp_path / "trainer", f'[ "$2" = versions ] && exec {runs.BIN}/holdfast-train "$@"; echo $$ >> {pids}; exec sleep 1000')
    code, found = doctor("--run-dir", tmp_path, "-n", "2", "--trainer", trainer)
    assert code == 69 and "the ranks were not done talking after" in of(found, "ranks")[0][1]
    ranks = [int(pid) for pid in pids.read_text().split()]
    assert len(ranks) == 2 and not runs.alive(ranks)
