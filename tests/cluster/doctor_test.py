"""`holdfast doctor` over the hosts of a lab: one thing is broken on one host, and it is named with that host, within the doctor's time."""
import json
import os
import re
import signal
import subprocess
import time

import hosts
import pytest
import runs
from runs import wait_until

SECONDS = 20  # that the doctor may take, whatever it finds
ALL = "node0:1,node1:1,node2:1"


@pytest.fixture()
def config(tmp_path):
    return runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp", trainer={"threads_per_rank": 1}))


def doctor(lab, *words, agent=hosts.AGENT, allowed=("--hosts", ALL), variables=()):
    """Started on node0."""
    run = lab.directory / "run"
    start = time.monotonic()
    done = lab.run(0, runs.BIN / "holdfast", "doctor", *words, *allowed, "--launch-agent", agent, "--run-dir", run, "--json",
                   env={**runs.environment(), **dict(variables)})
    seconds = time.monotonic() - start
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    for finding in found["findings"]:
        print(finding["level"], finding["check"], finding["found"])
    print(f"{seconds:.1f} s")
    assert seconds < SECONDS, found["findings"]
    return done.returncode, found


def of(found, check):
    """[(level, what was found)] of one check."""
    return [(finding["level"], finding["found"]) for finding in found["findings"] if finding["check"] == check]


def ill(found):
    """Those that are not ok, without what only says that the machine below the lab is busy or small."""
    about_the_machine = ("cores", "memory", "disk", "write speed", "free space", "huge pages")
    return [(finding["level"], finding["check"], finding["found"]) for finding in found["findings"]
            if finding["level"] == "failure" or (finding["level"] == "warning" and finding["check"] not in (*about_the_machine, "ranks")
                                                 and "is seen by the others only after" not in finding["found"])]


def on(lab, index, *lines):
    """Shell lines in a host's mount namespace."""
    done = lab.run(index, "sh", "-ec", "\n".join(lines))
    assert done.returncode == 0, done.stderr


def script(path, text):
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


def left(lab):
    names = ("holdfast", "holdfast-train", "orted", "mpirun")
    return {host.name: found for host in lab.hosts if (found := [name for name in lab.processes(host.index).values() if name in names])}


def test_hosts_that_are_well_are_fit_and_nothing_is_left_behind(lab_of, tmp_path, config):
    lab = lab_of(3)
    code, found = doctor(lab, config, "-n", "2")
    assert code == 0 and ill(found) == []
    assert of(found, "launch")[0][1].startswith("all 3 hosts answer")
    assert of(found, "run directory")[0][1].startswith("one and the same on all 3 hosts")
    assert of(found, "clock")[0][1].startswith("the same within")
    assert len(found["pairs"]) == 3  # the spare's as well
    assert [host["name"] for host in found["hosts"]] == ["node0", "node1", "node2"]
    assert all(host["versions"]["build"] and host["disk"]["written_bytes"] > 0 for host in found["hosts"])
    assert list((tmp_path / "run").iterdir()) == []
    wait_until(lambda: not left(lab), 2, "the end of what the doctor has started")


def test_the_hosts_are_those_of_a_file_or_of_the_slurm_allocation(lab_of, tmp_path):
    """scontrol is played by a script here."""
    lab = lab_of(2)
    (tmp_path / "hosts").write_text("node0 slots=1\nnode1 slots=2\n")
    code, by_file = doctor(lab, allowed=("--hostfile", tmp_path / "hosts"))
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin/scontrol", '[ "$*" = "show hostnames" ] && printf "node0\\nnode1\\n"')
    slurm = {"SLURM_JOB_NODELIST": "node[0-1]", "SLURM_JOB_CPUS_PER_NODE": "4(x2)", "SLURM_CPUS_PER_TASK": "2",
             "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    code_of_slurm, by_slurm = doctor(lab, allowed=(), variables=slurm)
    assert code == code_of_slurm == 0
    assert [host["name"] for host in by_file["hosts"]] == [host["name"] for host in by_slurm["hosts"]] == ["node0", "node1"]
    assert (len(by_file["pairs"]), len(by_slurm["pairs"])) == (3, 6)
    done = lab.run(0, runs.BIN / "holdfast", "doctor", "--hosts", "node0:1,node1:1", "-n", "3")
    assert done.returncode == 64 and "-n 3: node0:1,node1:1 have 2 slots" in done.stderr


def test_what_is_wrong_with_single_hosts_is_told_of_each_by_name(lab_of, tmp_path, config):
    """At the same time: node1's run directory is its own, node2's programs are others, node3 cannot be reached."""
    lab = lab_of(4)
    (tmp_path / "run").mkdir()
    on(lab, 1, f"mount -t tmpfs tmpfs {tmp_path}/run")
    real = tmp_path / "real"
    other = script(tmp_path / "other", f"""if [ "$2" = versions ]; then {real} "$@" | sed 's/"libtorch":"[^"]*"/"libtorch":"1.0.0"/'; else exec {real} "$@"; fi""")
    real.touch()
    trainer = runs.BIN / "holdfast-train"
    on(lab, 2, f"mount --bind {trainer} {real}", f"mount --bind {other} {trainer}")
    lab.cut(3)
    code, found = doctor(lab, config, allowed=("--hosts", f"{ALL},node3:1"))
    assert code == 69
    (level, text), = of(found, "launch")
    assert level == "failure" and text.startswith("node3: ")
    (level, text), = of(found, "run directory")
    assert level == "failure" and text.startswith("node1: ") and "No such file" in text
    versions = of(found, "versions")
    assert any(level == "failure" and text.startswith("LibTorch: 1.0.0 on node2") for level, text in versions), versions
    assert len(found["pairs"]) == 3 and not [text for level, text in of(found, "ranks") if level == "failure"]
    lab.heal(3)
    wait_until(lambda: not left(lab), 2, "the end of what the doctor has started")


CLOCK = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec* now) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, now);
  if (id == CLOCK_REALTIME) now->tv_sec += 90;
  return result;
}
"""
LOCK = "int flock(int fd, int operation) { return 0; }\n"  # a file system that locks nothing


def library(path, source):
    path.with_suffix(".c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, path.with_suffix(".c"), "-ldl"], check=True)
    return path


def test_a_clock_a_lock_and_a_limit_of_single_hosts_are_named(lab_of, tmp_path, config):
    lab = lab_of(3)
    clock, lock = library(tmp_path / "clock.so", CLOCK), library(tmp_path / "lock.so", LOCK)
    agent = script(tmp_path / "agent", f"""host=$1; shift
case $host in
node1) exec {hosts.AGENT} node1 "export LD_PRELOAD={clock}; $*";;
node2) exec {hosts.AGENT} node2 "ulimit -n 512; export LD_PRELOAD={lock}; $*";;
esac
exec {hosts.AGENT} "$host" "$@\"""")
    code, found = doctor(lab, config, agent=agent)
    assert code == 0
    (level, text), = of(found, "clock")
    assert level == "warning" and re.fullmatch(r"the clock of node1 is (89|90)\.\d s ahead", text), text
    assert of(found, "run directory") == [("warning", "a lock that one host holds does not keep out node2")]
    assert ("warning", "node2: 512 open files") in of(found, "limits"), of(found, "limits")


def card_address(host):
    done = subprocess.run(["nsenter", "--target", str(host.pid), "--net", "ip", "-json", "link", "show", "cable"], capture_output=True, text=True)
    return json.loads(done.stdout)[0]["address"]


def test_a_slow_link_between_two_hosts_is_named(lab_of, config):
    """A cable of their own joins node1 and node2, and it is slow."""
    lab = lab_of(3)
    one, two = lab.hosts[1], lab.hosts[2]
    hosts.ip(one.pid, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(two.pid))
    for here, there in ((one, two), (two, one)):
        hosts.ip(here.pid, "link", "set", "cable", "up")
        hosts.ip(here.pid, "neigh", "replace", there.address, "lladdr", card_address(there), "dev", "cable", "nud", "permanent")
        hosts.ip(here.pid, "route", "add", f"{there.address}/32", "dev", "cable", "src", here.address)
        done = lab.run(here.index, "tc", "qdisc", "add", "dev", "cable", "root", "tbf", "rate", "200mbit", "burst", "64kb", "latency", "200ms")
        if done.returncode:
            pytest.skip(f"no link can be made slow here: {done.stderr.strip()}")
    code, found = doctor(lab, config)
    assert code == 0
    slow = [text for level, text in of(found, "ranks") if level == "warning"]
    assert any(text.startswith("node1 and node2: ") and "times slower than between the others" in text for text in slow), of(found, "ranks")
    speeds = {tuple(pair["ranks"]): pair["bytes_per_second"] for pair in found["pairs"]}
    assert len(speeds) == 3 and speeds[1, 2] == min(speeds.values())


def test_a_host_that_takes_the_call_and_never_answers_holds_nobody_up(lab_of, config):
    lab = lab_of(3)
    os.kill(lab.hosts[2].pid, signal.SIGSTOP)
    try:
        code, found = doctor(lab, config)
    finally:
        os.kill(lab.hosts[2].pid, signal.SIGCONT)
    assert code == 69
    (level, text), = of(found, "launch")
    assert level == "failure" and text.startswith("node2: no answer within 8 s")
    assert ill(found) == [("failure", "launch", text)]
    assert len(found["pairs"]) == 1


def test_two_hosts_that_do_not_hear_each_other_are_named_by_their_ranks(lab_of, config):
    lab = lab_of(3)
    for here, there in ((1, 2), (2, 1)):
        hosts.ip(lab.hosts[here].pid, "neigh", "replace", lab.hosts[there].address, "lladdr", hosts.NOWHERE, "dev", "eth0", "nud", "permanent")
    code, found = doctor(lab, config)
    assert code == 69
    (level, text), = of(found, "ranks")
    assert level == "failure" and "rank 1 on node1 waits for rank 2" in text and "rank 0" not in text, text
    wait_until(lambda: not left(lab), 2, "the end of what the doctor has started")
