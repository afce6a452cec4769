"""The lab itself: its hosts are apart, what is done to them is done, and nothing of it stays."""
import os
import signal
import subprocess
import sys
import textwrap

import hosts
from runs import alive, environment, wait_until

REACHES = "exec 3<>/dev/tcp/{}/22"


def reaches(lab, a, b):
    return lab.run(a, "timeout", "0.3", "bash", "-c", REACHES.format(lab.hosts[b].address)).returncode == 0


def by_agent(lab, a, b, command):
    return lab.run(a, hosts.AGENT, lab.hosts[b].name, command)


def test_hosts_share_nothing_but_what_is_shared(lab_of, tmp_path):
    lab = lab_of(3)
    assert [lab.run(i, "hostname").stdout.strip() for i in range(3)] == ["node0", "node1", "node2"]
    for place in ("/tmp", "/dev/shm", "/mnt"):
        lab.run(1, "touch", f"{place}/mine", check=True)
        assert lab.run(2, "test", "-e", f"{place}/mine").returncode == 1
    lab.run(1, "touch", tmp_path / "ours", check=True)
    assert lab.run(2, "test", "-e", tmp_path / "ours").returncode == 0
    sleeper = lab.start(1, "sleep", "1000")
    wait_until(lambda: "sleep" in lab.processes(1).values(), 5, "sleep")
    assert "sleep" not in lab.run(2, "ps", "-eo", "comm").stdout
    assert sleeper.poll() is None


def test_the_agent_runs_commands_and_tells_how_they_ended(lab_of):
    lab = lab_of(2)
    done = by_agent(lab, 0, 1, "hostname; echo to stderr >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "node1\nto stderr\n")
    lab.crash(1)
    assert by_agent(lab, 0, 1, "hostname").returncode == 255


def test_a_cut_link_is_silent_and_a_healed_one_works(lab_of):
    lab = lab_of(2)
    waiter = lab.start(0, hosts.AGENT, "node1", "sleep 1; echo done", stdout=subprocess.PIPE, text=True)
    wait_until(lambda: "sleep" in lab.processes(1).values(), 5, "the command")
    lab.cut(1)
    assert not reaches(lab, 0, 1)
    wait_until(lambda: "sleep" not in lab.processes(1).values(), 5, "the end of the command")
    assert waiter.poll() is None  # nobody told it
    lab.heal(1)
    assert reaches(lab, 0, 1)
    assert waiter.communicate(timeout=20)[0] == "done\n"


def test_one_way_loss_and_its_end(lab_of):
    lab = lab_of(3)
    for lose in (lab.mute, lab.deafen):
        lose(1)
        assert not reaches(lab, 0, 1) and not reaches(lab, 1, 0)
        assert reaches(lab, 0, 2)
        lab.heal(1)
        assert reaches(lab, 0, 1) and reaches(lab, 1, 0)


def test_a_crash_ends_connections_and_a_power_failure_does_not(lab_of):
    lab = lab_of(3)
    waiters = [lab.start(0, hosts.AGENT, name, "sleep 1000") for name in ("node1", "node2")]
    wait_until(lambda: all("sleep" in lab.processes(i).values() for i in (1, 2)), 5, "the commands")
    lab.run(1, "touch", "/dev/shm/mine", "/mnt/mine", check=True)
    lab.dead(2)
    lab.crash(1)
    assert waiters[0].wait(10) == 255
    assert waiters[1].poll() is None
    lab.boot(1)
    assert by_agent(lab, 0, 1, "ls /dev/shm /mnt").stdout == "/dev/shm:\n\n/mnt:\n"


def test_mpirun_starts_ranks_on_all_hosts(lab_of):
    lab = lab_of(3)
    done = lab.run(0, "mpirun", "--host", "node0:1,node1:1,node2:1", "--bind-to", "none", "--mca", "plm_rsh_agent", hosts.AGENT, "hostname",
                   env=environment())
    assert done.returncode == 0 and sorted(done.stdout.split()) == ["node0", "node1", "node2"], done.stdout + done.stderr


def test_nothing_of_a_lab_outlives_the_process_that_made_it(tmp_path):
    hosts.require_namespaces()
    program = textwrap.dedent(f"""
        import hosts, subprocess, time
        lab = hosts.Lab(shared=["{tmp_path}"], count=2)
        lab.start(1, "setsid", "sleep", "1234567")
        print([host.pid for host in lab.hosts] + [lab.switch.pid], flush=True)
        time.sleep(1000)
    """)
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    pids = [int(word) for word in child.stdout.readline().strip("[]\n").split(", ")]

    def sleepers():
        return subprocess.run(["pgrep", "-f", "sleep 1234567"], capture_output=True, text=True).stdout.split()

    wait_until(sleepers, 5, "the process on a host")
    child.send_signal(signal.SIGKILL)
    child.wait(5)
    wait_until(lambda: not sleepers() and not alive(pids), 5, "the end of the lab")
