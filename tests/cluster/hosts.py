"""A lab of several hosts on one machine, out of Linux namespaces. Each host has its own network card, mounts, hostname, processes,
/tmp, /dev/shm and /mnt (its "local disk"); all else, and the directories named as shared, is the same on all of them, as on a cluster
with a shared file system. The switch that joins them lies in a network namespace of the lab's own, which no name leads to: labs do
not see each other, and the kernel takes everything away with the last process. A lab whose creator is killed goes with it.

    lab = Lab(shared=[tmp_path], count=3)     hosts node0, node1, node2 (10.77.0.1, …)
    lab.run(0, "hostname")                    there, to its end
    lab.start(1, ...)                         there, in the background
    lab.crash(1)                              all its processes die at once; its connections end
    lab.dead(1)                               the same without a word: power failure
    lab.cut(1); lab.heal(1)                   the cable is pulled (its processes live on), and put back
    lab.mute(1); lab.deafen(1)                one way only: what it sends, or what is sent to it, is lost; heal ends that too
    lab.boot(1)                               anew, with empty /tmp, /dev/shm and /mnt
    lab.down()
"""
import os
import pathlib
import signal
import subprocess

import pytest

from runs import wait_until

AGENT = pathlib.Path(__file__).parent / "agent"  # for `holdfast run --launch-agent` and mpirun's plm_rsh_agent
NETWORK = "10.77.0"
NOWHERE = "02:00:00:00:00:00"  # a network card that no host has
# A process that dies with this one, and takes what it started with it.
BOUND = ["setpriv", "--pdeathsig", "KILL"]
NAMESPACES = ["--mount", "--uts", "--ipc", "--net"]
# $1: its name, $2: the lab's /etc/hosts, $3: the agent, then the shared directories. They may lie below /tmp, which becomes another.
INIT = """set -e
name=$1 names=$2 agent=$3
shift 3
mount --make-rprivate /
mount -t proc proc /proc
hostname "$name"
mount -t tmpfs tmpfs /mnt
n=0
for shared; do mkdir /mnt/$n; mount --rbind "$shared" /mnt/$n; n=$((n + 1)); done
mount --bind "$names" /etc/hosts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
n=0
for shared; do mkdir -p "$shared"; mount --move /mnt/$n "$shared"; rmdir /mnt/$n; n=$((n + 1)); done
ip link set lo up
exec "$agent" --serve
"""


def require_namespaces():
    """Skips the test where there can be no lab, and says why."""
    words = ["unshare", *NAMESPACES, "--pid", "--fork", "ip", "link", "add", "holdfast", "type", "bridge"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no hosts as namespaces here: {done.stderr.strip()}")


class Host:
    def __init__(self, index):
        self.index, self.name, self.address, self.card = index, f"node{index}", f"{NETWORK}.{index + 1}", f"port{index}"
        self.card_address = f"02:00:0a:4d:00:{index + 1:02x}"  # kept over a boot: the others remember it
        self.process = None  # unshare, and
        self.pid = None      # its child, the host's first process, by the number it has outside


class Lab:
    def __init__(self, shared, count=3):
        require_namespaces()
        self.directory = pathlib.Path(shared[0])
        self.shared = [str(path) for path in (*shared, *places_of_the_program())]
        self.names = self.directory / "etc_hosts"
        self.hosts = [Host(index) for index in range(count)]
        self.names.write_text("127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in self.hosts))
        self.output = open(self.directory / "hosts.log", "w")
        self.switch = subprocess.Popen([*BOUND, "unshare", "--net", "sleep", "infinity"])
        try:
            wait_until(lambda: network_of(self.switch.pid) != network_of(os.getpid()), 5, "the lab's network")
            self.ip("link", "add", "switch", "type", "bridge")
            self.ip("link", "set", "switch", "up")
            for host in self.hosts:
                self.boot(host.index, has_to_answer=False)
            for host in self.hosts:
                self.wait_for_link(host)
        except BaseException:
            self.down()
            raise

    # --- on a host ---

    def command(self, index, *words):
        """The words that run `words` on a host, in this process's directory if it is there."""
        host = self.hosts[index]
        assert host.pid, f"{host.name} is down"
        directory = f"--wdns={self.directory}"
        return ["nsenter", "--target", str(host.pid), *NAMESPACES, "--pid", directory, "--", *map(str, words)]

    def run(self, index, *words, seconds=60, **options):
        return subprocess.run(self.command(index, *words), capture_output=True, text=True, timeout=seconds, **options)

    def start(self, index, *words, **options):
        """It ends with its host."""
        return subprocess.Popen(self.command(index, *words), **options)

    def processes(self, index):
        """{pid outside: name} of all that runs on a host beside its first process."""
        host, found = self.hosts[index], {}
        if not host.pid:
            return found
        home = os.readlink(f"/proc/{host.pid}/ns/pid")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if int(pid) != host.pid and os.readlink(f"/proc/{pid}/ns/pid") == home:
                    with open(f"/proc/{pid}/comm") as file:
                        found[int(pid)] = file.read().strip()
            except OSError:
                continue
        return found

    # --- to a host ---

    def boot(self, index, has_to_answer=True):
        host = self.hosts[index]
        self.kill(host)
        words = [*BOUND, "nsenter", "--target", str(self.switch.pid), "--net", "unshare", *NAMESPACES, "--pid", "--fork", "--kill-child",
                 "bash", "-c", INIT, "host", host.name, self.names, AGENT, *self.shared]
        host.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        children = pathlib.Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children")
        wait_until(lambda: children.read_text().split(), 10, f"{host.name} to boot")
        pid = int(children.read_text().split()[0])
        wait_until(lambda: network_of(pid) not in (None, network_of(os.getpid()), network_of(self.switch.pid)), 10, f"{host.name}'s network")
        self.ip("link", "add", host.card, "type", "veth", "peer", "name", "eth0", "address", host.card_address, "netns", str(pid))
        self.ip("link", "set", host.card, "master", "switch", "up")
        ip(pid, "addr", "add", f"{host.address}/24", "dev", "eth0")
        ip(pid, "link", "set", "eth0", "up")
        host.pid = pid
        if has_to_answer:
            self.wait_for_link(host)

    def crash(self, index):
        self.kill(self.hosts[index])

    def dead(self, index):
        self.cut(index)
        self.kill(self.hosts[index])

    def cut(self, index):
        self.ip("link", "set", self.hosts[index].card, "down")

    def mute(self, index):
        for other in self.others(index):
            ip(self.hosts[index].pid, "neigh", "replace", other.address, "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent")

    def deafen(self, index):
        for other in self.others(index):
            ip(other.pid, "neigh", "replace", self.hosts[index].address, "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent")

    def heal(self, index):
        host = self.hosts[index]
        for at, address in [(host, other.address) for other in self.others(index)] + [(other, host.address) for other in self.others(index)]:
            subprocess.run(["nsenter", "--target", str(at.pid), "--net", "ip", "neigh", "del", address, "dev", "eth0"], capture_output=True)
        self.ip("link", "set", host.card, "up")
        self.wait_for_link(host)

    def down(self):
        for host in self.hosts:
            self.kill(host)
        self.switch.kill()
        self.switch.wait(10)
        self.output.close()

    # --- inside ---

    def others(self, index):
        return [host for host in self.hosts if host.index != index and host.pid]

    def ip(self, *words):
        ip(self.switch.pid, *words)

    def kill(self, host):
        """Its first process, and with it the kernel kills all others before that one can be waited for."""
        if host.process is None:
            return
        try:
            children = pathlib.Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split()
            for pid in children:
                os.kill(int(pid), signal.SIGKILL)
            if not children:
                host.process.kill()
        except OSError:
            pass  # it has ended by itself
        host.process.wait(20)
        subprocess.run(["nsenter", "--target", str(self.switch.pid), "--net", "ip", "link", "del", host.card], capture_output=True)
        host.process = host.pid = None

    def wait_for_link(self, host):
        """A port of the switch takes up to a second to open, and the host as long to answer."""
        here = self.hosts[0] if host.index else host

        def answers():
            assert host.process.poll() is None, f"{host.name} did not boot: {(self.directory / 'hosts.log').read_text()}"
            probe = f"exec 3<>/dev/tcp/{host.address}/22"
            return subprocess.run(["nsenter", "--target", str(here.pid), "--net", "timeout", "1", "bash", "-c", probe], capture_output=True).returncode == 0

        wait_until(answers, 20, f"{host.name} to answer")


def network_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def ip(pid, *words):
    done = subprocess.run(["nsenter", "--target", str(pid), "--net", "ip", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(map(str, words))}: {done.stderr}"


def places_of_the_program():
    """A checkout below /tmp must be there on every host as well."""
    hidden = [pathlib.Path("/tmp"), pathlib.Path("/mnt"), pathlib.Path("/dev/shm")]
    wanted = {pathlib.Path(__file__).resolve().parents[2], pathlib.Path(os.environ["HOLDFAST_BIN"]).resolve().parent}
    return sorted(path for path in wanted if any(place in path.parents for place in hidden))
